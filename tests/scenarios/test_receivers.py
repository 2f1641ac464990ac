"""Receivers are told each turn of a release once, in order, as it was; who is told of what; what is given up."""

from dataclasses import replace

import pytest

from policies.effects import TagVersion, lane
from policies.notices import Turn
from policies.release import Phase
from service.adapters.memory.receiver import MemoryReceiver
from service.ports.connections import Source, Subscription
from service.ports.outcomes import Refused, Retry
from service.store.queue import Work
from service.store.states import EFFECT
from tests.scenarios.conftest import WINE, World

ASKED = WINE + "approvals: {count: 2, from: [bob, eve]}\n"
OPS = Source("ops", "webhook", "https://hooks.example/segue")


class Told(World):
    """The same, with receivers that are kept in memory."""

    def receiver(self, source=OPS, **changes):
        made = MemoryReceiver()
        self.hosts[source.name] = made
        with self.store.change() as change:
            change.save_source(replace(source, **changes))
        return made


@pytest.fixture
def world(tmp_path, stores):
    made = Told(tmp_path, **stores)
    yield made
    made.close()


def turns(receiver, name=None):
    return [one.turn for one in receiver.told if name in {None, one.about}]


def test_each_turn_of_a_rollout_is_told_once_and_in_order(world):
    world.live()
    ops = world.receiver()
    name = world.rollout().name
    world.play(80, until=name)
    world.settle()
    assert world.release(name).phase is Phase.PROMOTED
    said = turns(ops, name)
    assert said[:3] == [Turn.PENDING, Turn.STARTING, Turn.CHECKING]
    assert said[-2:] == [Turn.WATCHING, Turn.PROMOTED]
    steps = [one.observed for one in ops.told if one.turn is Turn.STEP]
    assert steps == sorted(set(steps)), "each weight once, as it was then"
    assert len(steps) >= 2
    assert [one.at for one in ops.told] == sorted(one.at for one in ops.told)


def test_what_is_taken_back_is_told_with_its_reason(world):
    world.live()
    ops = world.receiver()
    name = world.rollout().name
    world.serve(
        1500, {backend: 0.5 for backend in world.weights() if backend != world.target().stable.backend}
    )
    world.play(60, until=name)
    world.settle()
    last = ops.told[-1]
    assert (last.turn, last.phase, last.about) == (Turn.ROLLED_BACK, "rolled back", name)
    assert last.reason
    assert f"reason: {last.reason}" in last.text
    assert last.title == f"{name} on wine/production was rolled back"
    assert Turn.RESTORING in turns(ops)


def test_approvals_are_told_with_what_is_to_write_and_who_said_yes(world):
    world.live({"segue.yaml": WINE})
    ops = world.receiver()
    world.push({"segue.yaml": ASKED, "serve.py": "2"}, author="ann")
    world.settle()
    name = world.releases()[-1].name
    waiting = ops.told[-1]
    assert (waiting.turn, waiting.needed, waiting.approved) == (Turn.APPROVAL, 2, ())
    assert f"/segue approve {name} {waiting.plan[:19]}" in waiting.text
    assert world.say("approve", name, who="bob").ok
    assert (ops.told[-1].turn, ops.told[-1].approved) == (Turn.APPROVED, ("bob",))
    assert world.say("reject", name, who="eve", reason="not on a Friday").ok
    assert (ops.told[-1].turn, "not on a Friday" in ops.told[-1].reason) == (Turn.REJECTED, True)


def test_who_pauses_and_resumes_is_told(world):
    world.live()
    ops = world.receiver()
    name = world.rollout().name
    world.say("pause", name, reason="lunch")
    world.say("resume", name)
    said = [one for one in ops.told if one.turn in {Turn.PAUSED, Turn.RESUMED}]
    assert [one.turn for one in said] == [Turn.PAUSED, Turn.RESUMED]
    assert "lunch" in said[0].reason


def test_one_that_the_evidence_lets_go_nowhere_is_told_once(world):
    world.live()
    ops = world.receiver()
    world.push({"segue.yaml": WINE + "patience: 10s\n", "serve.py": "2"})
    world.settle()
    name = world.releases()[-1].name
    world.serve(2)
    world.play(40, until=name)
    assert world.release(name).held
    (held,) = [one for one in ops.told if one.turn is Turn.HELD]
    assert held.reason == world.release(name).reason
    assert held.phase == "shifting"


def test_a_receiver_is_told_only_of_its_targets_and_turns(world):
    world.receiver(OPS)
    others = world.receiver(replace(OPS, name="churn", owns=("churn/*",)))
    some = world.receiver(replace(OPS, name="some", subscription=Subscription(("promoted",))))
    nothing = world.receiver(replace(OPS, name="nothing", subscription=Subscription(("none",))))
    first = world.live()
    world.settle()
    assert turns(some) == [Turn.PROMOTED]
    assert others.told == nothing.told == []
    assert turns(world.hosts["ops"], first.name)[0] is Turn.PENDING


@pytest.mark.parametrize(
    "now",
    [
        replace(OPS, subscription=Subscription(("none",))),
        replace(OPS, owns=("churn/*",)),
        replace(OPS, subscription=Subscription(to=(("new@acme.example", "*"),))),
        None,
    ],
    ids=["no turn", "other targets", "somebody else", "not connected"],
)
def test_what_was_turned_off_meanwhile_is_not_told(world, now):
    world.live()
    ops = world.receiver()
    ops.fails = Retry("it is away", after=1)
    world.rollout()
    world.settle()
    assert ops.told == []
    with world.store.change() as change:
        if now is None:
            change.remove_source(OPS.name)
        else:
            change.save_source(now)
    ops.fails, meanwhile = None, world.clock.now
    world.settle(60)
    assert [one for one in ops.told if one.at < meanwhile] == []
    assert world.store.dead() == []


def test_one_that_is_away_delays_nobody_and_is_told_in_order_when_it_is_back(world):
    world.live()
    away, ops = world.receiver(replace(OPS, name="away")), world.receiver()
    away.fails = Retry("it is away", after=1)
    name = world.rollout().name
    world.play(80, until=name)
    assert world.release(name).phase is Phase.PROMOTED
    assert away.told == []
    away.fails = None
    world.settle(60)
    assert turns(away) == turns(ops)
    assert away.told == ops.told, "as it was when it happened"


def test_what_one_does_not_want_is_parked_and_told_to_the_others_and_can_be_sent_again(world):
    world.live()
    first = world.receiver(replace(OPS, name="first", subscription=Subscription(("starting",))))
    ops = world.receiver(subscription=Subscription(("parked",)))
    first.fails = Refused("first answered 403; let it verify")
    name = world.rollout().name
    world.settle()
    (dead,) = world.store.dead()
    assert (dead.kind, dead.subject) == ("Notify", name)
    (parked,) = ops.told
    assert (parked.turn, parked.about) == (Turn.PARKED, name)
    assert "403" in parked.text
    assert f"segue replay-event work-{dead.id}" in parked.text
    first.fails = None
    assert world.say("replay-event", f"work-{dead.id}").ok
    assert turns(first, name) == [Turn.STARTING]
    assert world.store.dead() == []


def test_whoever_cannot_be_told_that_something_was_given_up_makes_no_circle(world):
    ops = world.receiver()
    ops.fails = Refused("no")
    world.live()
    world.settle()
    kinds = {work.kind for work in world.store.dead()}
    assert kinds == {"Notify"}
    assert not world.store.unfinished("Notify")
    assert all(work.body["notice"]["turn"] != "parked" for work in world.store.dead())


def test_two_that_do_not_want_anything_end_it_at_last(world):
    """Each is told once that the other could not be told, and nobody of that."""
    for name in ("one", "two"):
        world.receiver(replace(OPS, name=name)).fails = Refused("no")
    world.live()
    world.settle(10)
    assert not world.store.unfinished("Notify")


def test_what_belongs_to_no_release_is_told_to_those_of_all_targets(world):
    ops, churn = world.receiver(), world.receiver(replace(OPS, name="churn", owns=("churn/*",)))
    effect = TagVersion("nowhere", "wine", "1", (("segue", "ready"),))
    with world.store.change() as change:
        change.add_work(Work(lane(effect, "v-1"), "TagVersion", "k", "v-1", EFFECT.dump(effect)))
    world.settle()
    (told,) = ops.told
    assert (told.turn, told.target, told.title) == (Turn.PARKED, "", "TagVersion was given up, of v-1")
    assert "there is no source 'nowhere'" in told.text
    assert churn.told == []


def test_nothing_that_a_receiver_sends_is_taken(world):
    """What was signed for it could be sent back else: the secret is the same."""
    world.receiver()
    change = {"ref": "refs/heads/main", "before": "0" * 40, "after": "a" * 40}
    assert world.hook("ops", change).status_code == 401


MAIL = Source(
    "email",
    "email",
    "smtp://mail.example:587",
    subscription=Subscription(
        (), "segue@acme.example", (("ml@acme.example", "*"), ("ann@acme.example", "churn/*"))
    ),
)


def test_mail_tells_what_people_must_do_or_know_each_of_their_targets_once(world):
    both = replace(
        MAIL.subscription,
        to=(*MAIL.subscription.to, ("bob@acme.example", "wine/*"), ("bob@acme.example", "*")),
    )
    world.live()
    mail = world.receiver(MAIL, subscription=both)
    world.push({"segue.yaml": ASKED, "serve.py": "2"}, author="ann")
    world.settle()
    assert sorted(mail.people) == ["bob@acme.example", "ml@acme.example"]
    assert [[one.turn for one in told] for told in mail.people.values()] == [[Turn.APPROVAL]] * 2
    name = world.releases()[-1].name
    world.say("approve", name, who="bob")
    world.say("approve", name, who="eve")
    world.play(80, until=name)
    assert world.release(name).phase is Phase.PROMOTED
    assert [one.turn for one in mail.people["ml@acme.example"]] == [Turn.APPROVAL]


def test_promotions_are_mailed_where_they_are_asked_for(world):
    mail = world.receiver(MAIL, subscription=replace(MAIL.subscription, turns=("promoted",)))
    world.live()
    world.settle()
    assert turns(mail) == [Turn.PROMOTED]


def test_one_address_that_is_refused_keeps_nobody_elses_mail_away(world):
    class Half(MemoryReceiver):
        def tell(self, notice, to=""):
            if to == "gone@acme.example":
                raise Refused("550 nobody of that name")
            super().tell(notice, to)

    people = (("gone@acme.example", "*"), ("ml@acme.example", "*"))
    world.receiver(MAIL, subscription=replace(MAIL.subscription, to=people, turns=("promoted",)))
    mail = world.hosts["email"] = Half()
    world.live()
    world.settle()
    assert [one.turn for one in mail.people["ml@acme.example"]] == [Turn.PROMOTED]
    assert [work.body["to"] for work in world.store.dead()] == ["gone@acme.example"]


def test_grafana_is_told_rollouts_and_not_what_goes_before(world):
    grafana = world.receiver(Source("grafana", "grafana", "https://grafana.example"))
    world.live()
    world.settle()
    assert turns(grafana)[0] is Turn.STARTING
    assert turns(grafana)[-1] is Turn.PROMOTED
