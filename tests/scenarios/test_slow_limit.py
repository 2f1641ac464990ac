"""`latency: {slower_than: 250ms, slo: 5%}`: a version that answers right, and late, goes back after promotion, too."""

from policies.release import Phase
from tests.scenarios.conftest import WINE

LIMITED = WINE + "guards: {latency: {slower_than: 250ms, slo: 5%}}\n"


def with_all_traffic(world):
    """The second version, watched with all traffic; its release, and stable's workload."""
    stable = world.live({"segue.yaml": LIMITED}).backend
    release = world.rollout({"segue.yaml": LIMITED.replace("watch: 10s", "watch: 60s")})
    for _ in range(30):
        world.play(5)
        if world.release(release.name).phase is Phase.WATCHING:
            break
    assert world.release(release.name).phase is Phase.WATCHING
    return release, stable


def test_a_version_that_grows_slow_once_it_has_all_traffic_goes_back(world):
    release, stable = with_all_traffic(world)
    world.serve(1500, slow={release.backend: 0.2})
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "latency slo" in ended.reason
    assert world.weights()[stable] == 100
    shown = world.web.get(
        f"/api/v1/releases/{release.name}", headers={"Authorization": f"Bearer {world.people['bob']}"}
    )
    assert "at most 5 % of the candidate's requests may take longer than 0.25 s" in shown.text


def test_a_version_that_keeps_the_limit_is_promoted_and_proven(world):
    release, _ = with_all_traffic(world)
    world.serve(1500, slow={release.backend: 0.03})
    world.play(120, until=release.name)
    ended = world.release(release.name)
    assert (ended.phase, ended.unproven) == (Phase.PROMOTED, ())
