"""What is given up says why where people look, and there is a way back."""

import pytest

from policies.release import Phase
from service.engine import patience, planning
from service.errors import Conflict, StoreUnavailable
from service.ports.outcomes import Retry
from service.store import queue
from service.store import store as stores
from tests.scenarios.conftest import LTV, WINE
from tests.scenarios.test_interleavings import registered

FILES = {"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"}


def shown(world, path):
    """What the API shows."""
    headers = {"Authorization": f"Bearer {world.people['ann']}"}
    return world.web.get(f"/api/v1/{path}", headers=headers).json


def wait_out(world, seconds):
    """A long time, looked at now and then: what is due is tried once each time."""
    often = max(60, int(seconds / queue.LONGEST_TRY))
    for _ in range(often):
        world.drain()
        world.clock.now += seconds / often


def test_an_effect_of_a_host_that_stays_away_is_parked_after_a_day_and_done_once_a_person_says_so(world):
    first = world.live()
    second = world.rollout()
    world.git.gone = "connection refused"
    assert world.say("abort", second.name).ok
    world.settle()
    assert world.release(second.name).phase is Phase.ABORTED
    wait_out(world, patience.DAY / 2)
    world.clock.now += 3 * patience.DAY  # all is switched off, and nobody tries
    world.drain()
    assert shown(world, f"releases/{second.name}")["parked"] == []
    wait_out(world, 4 * patience.DAY)  # each of its reports has a day
    parked = shown(world, f"releases/{second.name}")["parked"]
    assert {work["kind"] for work in parked} == {"ReportCommit"}
    assert parked[0]["reason"].startswith("given up after 2")  # 24 hours, and until somebody looked
    assert "connection refused" in parked[0]["reason"]
    assert f"work-{parked[0]['id']}" in {one["id"] for one in shown(world, "events?failed=1")["events"]}
    world.git.gone = None
    assert "out of date" in world.say("replay-event", parked[-1]["again"].split()[-1]).text
    assert world.say("replay-event", parked[0]["again"].split()[-1]).ok
    world.settle()
    assert "aborted" in world.git.note(second.cause.commit)
    assert world.weights()[first.backend] == 100


@pytest.mark.parametrize("trouble", [StoreUnavailable("database is locked"), Conflict("read it again")])
def test_a_store_that_others_have_is_no_fault_of_an_event_however_often(world, monkeypatch, trouble):
    plan, tries = planning.plan, []

    def locked(*arguments):
        tries.append(1)
        if len(tries) < 3 * patience.MOST_TRIES:
            raise trouble
        return plan(*arguments)

    monkeypatch.setattr(planning, "plan", locked)
    world.push(FILES)
    world.settle(300)
    assert len(tries) == 3 * patience.MOST_TRIES
    assert world.store.dead() == []
    assert len(world.releases()) == 1


def test_what_is_in_hand_when_the_store_goes_away_is_tried_again_at_once_however_often(world, monkeypatch):
    plan, tries, away = planning.plan, [], []

    def planned(*arguments):
        made = plan(*arguments)
        tries.append(1)
        away.extend([1] * (len(tries) <= 3 * queue.ATTEMPTS))
        return made

    def gone(real):
        def opened(engine):
            if away:
                raise StoreUnavailable("the server closed the connection")
            return real(engine)

        return opened

    monkeypatch.setattr(planning, "plan", planned)
    for name in ("reading", "writing"):
        monkeypatch.setattr(stores, name, gone(getattr(stores, name)))
    world.push(FILES)
    while not world.store.releases():
        try:
            world.drain()
        except StoreUnavailable:
            away.clear()
            world.drain()
            (event,) = world.store.unfinished("event")
            assert (event.state, event.attempts) == ("pending", 0)  # while its lease would last
        world.clock.now += 1
    assert len(tries) == 3 * queue.ATTEMPTS + 1
    assert world.store.dead() == []


def test_a_claim_that_is_stored_and_not_answered_is_no_try(world, monkeypatch):
    """The store went away just when it had stored that somebody has the work."""
    claimed, lost = world.store.claim_together, []

    def cut_off(*arguments, **more):
        works = claimed(*arguments, **more)
        if any(work.kind == "event" for work in works) and len(lost) < 3 * queue.ATTEMPTS:
            lost.append(works)
            raise StoreUnavailable("the server closed the connection")
        return works

    monkeypatch.setattr(world.store, "claim_together", cut_off)
    world.push(FILES)
    while not world.store.releases():
        try:
            world.drain()
        except StoreUnavailable:
            world.drain()
        world.clock.now += 1
    assert len(lost) == 3 * queue.ATTEMPTS
    assert world.store.dead() == []


@pytest.mark.parametrize("trouble", [Conflict("read it again"), KeyError("of whatever kind")])
def test_work_whose_answer_cannot_be_stored_is_no_try_either(world, monkeypatch, trouble):
    retry, troubles = world.store.retry, [trouble]

    def refused(*arguments, **more):
        if troubles:
            raise troubles.pop()
        retry(*arguments, **more)

    def busy(*_arguments):
        raise StoreUnavailable("database is locked")

    monkeypatch.setattr(planning, "plan", busy)
    monkeypatch.setattr(world.store, "retry", refused)
    world.push(FILES)
    with pytest.raises(type(trouble)):
        world.drain()
    assert [one.state for one in world.store.unfinished("event")] == ["running"]
    world.drain()
    assert [(one.state, one.attempts) for one in world.store.unfinished("event")] == [("pending", 0)]


def test_an_error_that_nobody_foresaw_is_tried_a_few_times_and_its_release_says_why(world, monkeypatch):
    tries = []

    def broken(recipe):
        tries.append(recipe.name)
        raise KeyError("layers")

    monkeypatch.setattr(world.builder, "start", broken)
    world.push(FILES)
    world.settle(200)
    (release,) = world.releases()
    assert (release.phase, len(tries)) == (Phase.FAILED, patience.MOST_TRIES)
    assert "KeyError: 'layers'" in release.reason
    (dead,) = shown(world, "events?failed=1")["events"]
    refused = world.say("replay-event", dead["id"])
    assert not refused.ok
    assert "write: segue retry RELEASE" in refused.text
    monkeypatch.undo()
    assert world.say("retry", release.name).ok
    world.play(40, until="rel-2")
    assert world.release("rel-2").phase is Phase.PROMOTED


def test_good_answers_in_between_begin_both_budgets_anew(world, monkeypatch):
    """A build that is looked at for long may meet trouble often, as long as it gets over it."""
    state, looks = world.builder.state, []
    world.builder._looks = 40

    def flaky(name):
        looks.append(name)
        if len(looks) % 3 == 0:
            raise KeyError("a bad answer")
        if len(looks) % 3 == 1:
            raise Retry("busy", after=0.5)
        return state(name)

    monkeypatch.setattr(world.builder, "state", flaky)
    world.push(FILES)
    world.settle(400)
    world.play(40, until="rel-1")
    assert world.release("rel-1").phase is Phase.PROMOTED
    assert len(looks) > 10 * patience.MOST_TRIES


def test_a_command_that_cannot_be_obeyed_for_long_is_answered_instead_of_surprising_people_later(world):
    world.live()
    world.git.gone = "connection refused"
    told = {"verb": "start", "subject": "wine"}
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    stored = world.intake.post("/api/v1/commands", json=told, headers=headers)
    wait_out(world, patience.COMMAND_SECONDS / 2)
    assert world.store.answer(stored.json["delivery"]) is None
    wait_out(world, patience.COMMAND_SECONDS)
    answer = world.store.answer(stored.json["delivery"])
    assert not answer["ok"]
    assert "connection refused" in answer["text"]
    world.git.gone = None
    world.settle(60)
    assert len(world.releases()) == 1
    number = next(work.id for work in world.store.dead() if work.kind == "command")
    assert "give it again" in world.say("replay-event", f"work-{number}").text


@pytest.mark.every_store
def test_a_parked_alias_is_not_written_over_what_was_written_since(world):
    registered(world, LTV, versions=2)
    original = world.registry.set_alias

    def refusing(model, alias, version):
        if alias == "champion":
            raise KeyError("alias")
        return original(model, alias, version)

    world.registry.set_alias = refusing
    world.move_alias("ltv", "1")
    world.settle(200)
    world.registry.set_alias = original
    (parked,) = world.store.dead()
    assert parked.kind == "MoveAlias"
    world.move_alias("ltv", "2")
    world.settle()
    assert world.registry.aliases()["ltv", "champion"] == "2"
    refused = world.say("replay-event", f"work-{parked.id}")
    assert "out of date" in refused.text
    world.settle()
    assert world.registry.aliases()["ltv", "champion"] == "2"


@pytest.mark.parametrize("name", ["work-0", "work-999", "work-", "work-1x"])
def test_work_that_was_not_given_up_is_told_so(world, name):
    world.live()
    assert not world.say("replay-event", name).ok


def test_a_source_that_is_away_has_one_look_that_waits_for_it(world):
    world.live()
    world.git.gone = "connection refused"
    wait_out(world, 3600)
    assert len(world.store.unfinished("look")) == 1
    world.push({"serve.py": "2"}, told=False)
    world.git.gone = None
    wait_out(world, 240)
    assert len(world.releases()) == 2
