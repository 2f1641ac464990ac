"""How long a release needs at the present rate is said before it begins and while it waits, and comes true."""

import pytest

from policies.release import Phase
from tests.scenarios.conftest import WINE

QUIET = 40  # requests a second


def estimate(world, name):
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    return world.web.get(f"/api/v1/releases/{name}", headers=headers).json["estimate"]


@pytest.fixture
def quiet(world):
    """A target that serves with few requests, and approvals, so that a release waits before its start."""
    world.live()
    world.serve(QUIET)
    world.play(600)
    return world


def test_it_is_said_before_any_traffic_and_during_the_wait_and_comes_true(quiet):
    quiet.push({"segue.yaml": WINE + "approvals: {count: 1, from: [bob]}\n", "serve.py": "2"})
    quiet.settle()
    quiet.play(10)
    release = quiet.releases()[-1]
    assert release.phase is Phase.APPROVAL
    before = estimate(quiet, release.name)
    assert before["text"].startswith("needs about ")
    quiet.say("approve", release.name)
    quiet.settle()
    begun = quiet.clock.now
    quiet.play(15)
    during = estimate(quiet, release.name)
    assert during["rate"] == pytest.approx(QUIET, rel=0.2)
    left_at = quiet.clock.now
    quiet.play(400, until=release.name)
    assert quiet.release(release.name).phase is Phase.PROMOTED
    took, rest = quiet.clock.now - begun, quiet.clock.now - left_at
    assert before["seconds"] == pytest.approx(took, rel=0.35)
    assert during["seconds"] == pytest.approx(rest, rel=0.35)


def test_who_has_never_had_a_request_gets_no_estimate(world):
    world.serve(0)
    world.push({"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"})
    world.settle()
    assert estimate(world, world.releases()[-1].name) is None
