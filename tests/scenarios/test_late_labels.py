"""True labels that come hours later hold a ramp, and take a version back that is more often wrong."""

import json

import pytest

from handlers.labels import MOST, Batch, Label, body_of
from policies.evidence import Verdict
from policies.place import served_by
from policies.release import Phase
from tests.scenarios.conftest import WINE

TABLE = "warehouse.labels"
GUARD = f"guards: {{right: {{labels: {TABLE}, drop: 1%, within: 1h}}}}\n"
HOUR, DAY = 3600.0, 86_400.0


def send(world, backend, wrong, count, at, name=served_by, tenant=None):
    """Labels of so many answers, of which a share was wrong; of requests of one tenant, where it is said."""
    segments = () if tenant is None else (("tenant", tenant),)
    rows = [
        Label(f"{backend}-{at}-{tenant}-{n}", at, n < wrong * count, name(backend), segments=segments)
        for n in range(count)
    ]
    for first in range(0, count, MOST):
        body = body_of(Batch("wine", TABLE, tuple(rows[first : first + MOST])))
        headers = {"Authorization": f"Bearer {world.people['bob']}"}
        assert world.intake.post("/api/v1/labels", data=body, headers=headers).status_code == 202


def finding(world, name):
    """What the guard says, as the release shows it."""
    found = world.release(name).evidence.findings
    return next(one for one in found if one.guard == "right")


@pytest.fixture
def shifting(world):
    """A candidate with some weight, under a guard on late labels; its release, and stable's workload."""
    stable = world.live({"segue.yaml": WINE + GUARD})
    world.serve(300)
    return world.rollout(), stable.backend


@pytest.mark.parametrize("name", [served_by, str], ids=["as the answer says", "by its own name"])
def test_a_version_that_is_more_often_wrong_is_rolled_back_once_its_labels_are_ripe(world, shifting, name):
    release, stable = shifting
    at = world.clock.now
    send(world, release.backend, 0.2, 1_000, at, name)
    send(world, stable, 0.08, 4_000, at, name)
    world.clock.now = (at // HOUR + 1) * HOUR + 60
    world.play(40)
    assert world.release(release.name).phase is Phase.SHIFTING  # labels may still come for an hour
    assert finding(world, release.name).verdict is Verdict.UNDECIDED
    assert dict(finding(world, release.name).numbers)["waiting"] == 1_000
    world.clock.now += HOUR
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "right" in ended.reason


def test_a_version_that_is_as_good_goes_on_when_its_labels_say_so(world, shifting):
    release, stable = shifting
    at = world.clock.now
    world.play(30)
    held = world.release(release.name)
    assert held.phase is Phase.SHIFTING
    assert "labels of both versions' answers" in finding(world, release.name).needed
    assert held.wanted == release.wanted  # nothing known is no reason to go on
    send(world, release.backend, 0.08, 4_000, at)
    send(world, stable, 0.08, 4_000, at)
    world.clock.now = (at // HOUR + 2) * HOUR + 60
    world.play(60)
    assert world.release(release.name).phase is not Phase.ROLLED_BACK
    assert finding(world, release.name).samples == 4_000


def test_a_version_that_has_all_traffic_is_taken_back_days_later_and_nothing_waits_for_its_labels(world):
    """It is right for its first users, and often wrong for those that come later."""
    lenient = GUARD.replace("drop: 1%, within: 1h", "drop: 10%, within: 2d")
    stable = world.live({"segue.yaml": WINE + lenient}).backend
    world.serve(300)
    release = world.rollout({"segue.yaml": WINE.replace("watch: 10s", "watch: 9d") + lenient})
    at = world.clock.now
    for backend in (release.backend, stable):
        send(world, backend, 0.02, 600, at)
    world.clock.now = (at // HOUR + 1) * HOUR + 2 * DAY + 60
    for _ in range(40):
        world.play(5)
        if world.weights()[release.backend] == 100:
            break
    assert world.weights()[release.backend] == 100
    later = world.clock.now - 30  # while stable was answering, too
    send(world, release.backend, 0.5, 300, later)
    send(world, stable, 0.02, 300, later)
    for _ in range(3):  # days in which processes end and begin
        world.clock.now += 0.6 * DAY
        world.observer.judging.keep(())
        world.play(5)
        assert world.release(release.name).phase is Phase.WATCHING
        with world.store.read() as read:
            assert read.owners() == []  # no worker has it in hand
    world.clock.now += 0.4 * DAY
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "right" in ended.reason
    assert world.weights()[stable] == 100


def test_labels_of_others_and_of_hours_before_the_release_count_for_nobody(world, shifting):
    release, stable = shifting
    send(world, "somebody-else", 1.0, 500, world.clock.now)
    send(world, release.backend, 1.0, 500, release.began - 2 * HOUR)
    send(world, stable, 0.0, 500, release.began - 2 * HOUR)
    world.clock.now += 3 * HOUR
    world.play(60)
    assert world.release(release.name).phase is Phase.SHIFTING
    assert finding(world, release.name).samples == 0


def test_another_observer_goes_on_with_what_was_counted(world, shifting):
    release, stable = shifting
    at = world.clock.now
    send(world, release.backend, 0.09, 500, at)
    send(world, stable, 0.08, 500, at)
    world.clock.now = (at // HOUR + 2) * HOUR + 60
    world.play(40)
    before = finding(world, release.name)
    world.observer.judging.keep(())
    world.clock.now += 20
    world.play(60)
    assert finding(world, release.name).numbers == before.numbers
    rows = [row.body for row in world.series.increments(release.name)]
    assert any("labelled" in row for row in rows)
    assert json.dumps(rows)


BY_TENANT = GUARD.replace("within: 1h", "within: 1h, segments: tenant")
BOTH = {"acme": 3_000, "beta": 1_000}


def by_tenant(world):
    """As `shifting`, with a guard that looks at each tenant."""
    stable = world.live({"segue.yaml": WINE + BY_TENANT})
    world.serve(300)
    return world.rollout(), stable.backend


def sent_by_tenant(world, release, stable, wrong, counts):
    at = world.clock.now
    for tenant, count in counts.items():
        send(world, release.backend, wrong.get(tenant, 0.05), count, at, tenant=tenant)
        send(world, stable, 0.05, 4 * count, at, tenant=tenant)
    world.clock.now = (at // HOUR + 2) * HOUR + 60


def test_a_version_that_is_wrong_for_one_tenant_goes_back_and_the_reason_names_it(world):
    release, stable = by_tenant(world)
    sent_by_tenant(world, release, stable, {"acme": 0.02, "beta": 0.15}, BOTH)  # as good on average
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "right in tenant=beta" in ended.reason
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    report = world.web.get(f"/api/v1/releases/{release.name}/report", headers=headers)
    assert "right in tenant=beta" in report.text
    assert "wrong answers of the candidate in tenant=beta must be at most 1 % of all more" in report.text


def test_a_tenant_of_few_labels_holds_and_names_how_many_are_missing(world):
    release, stable = by_tenant(world)
    sent_by_tenant(world, release, stable, {}, {"acme": 3_000, "tiny": 40})
    world.play(60)
    held = world.release(release.name)
    assert (held.phase, held.wanted) == (Phase.SHIFTING, release.wanted)
    tiny = next(one for one in held.evidence.findings if one.guard == "right in tenant=tiny")
    assert tiny.verdict is Verdict.UNDECIDED
    assert dict(tiny.numbers)["labels"] == 40
    assert "more labels of the candidate's answers in tenant=tiny" in tiny.needed


def test_each_span_counts_once_for_its_tenants_whoever_observes(world):
    release, stable = by_tenant(world)
    sent_by_tenant(world, release, stable, {}, BOTH)
    for _ in range(3):
        world.play(35)
        world.observer.judging.keep(())
    found = {one.guard: one.samples for one in world.release(release.name).evidence.findings}
    assert {tenant: found[f"right in tenant={tenant}"] for tenant in BOTH} == BOTH
    assert found["right"] == sum(BOTH.values())
