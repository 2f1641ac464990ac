"""Releases of one target in every order of events: who takes it next, who gives way, and that nobody is stuck.

What `when_newer` promises is said here once more as rules over whatever the engine did, on both stores.
"""

import threading

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from policies.events import (
    AuthorityChecked,
    CheckFinished,
    Command,
    EffectFailed,
    TrafficObserved,
    VersionFailed,
    VersionReady,
    WorkloadReady,
)
from policies.release import HOLDING, Cause, Phase, Release
from policies.spec.declaration import Approvals, Environment, Strategy, WhenNewer
from service.engine.deciding import decide
from service.store.database import writing
from service.store.states import release_of, target_of

TARGET = "wine/production"
WAITING = {Phase.PENDING, Phase.APPROVAL, Phase.QUEUED}
RUNNING = HOLDING - {Phase.RESTORING}


class Turns(RuleBasedStateMachine):
    """One target; releases come, get ready, are approved, go on and end in any order."""

    store = clock = None  # set by the test
    choices = tuple(WhenNewer)

    def __init__(self):
        super().__init__()
        with writing(self.store.engine) as connection:
            for table in ("release", "target", "work"):
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608  our own names
        self.lost = False  # whether the next who approved may not any more
        self.seen = None  # all releases as they are, read once after each change
        self.held = []  # numbers of the releases that held the target, in order

    def tell(self, name, event):
        self.clock.now += 1
        self.apply(name, event)
        while looked := [r for r in self.waiting(Phase.QUEUED) if r.step]:
            left = () if self.lost else looked[0].approvals
            self.lost = False
            rule = looked[0].environment.approvals
            self.apply(looked[0].name, AuthorityChecked(looked[0].step, rule, left, (), self.clock.now))

    def apply(self, name, event):
        before = self.target().holder
        decide(self.store, lambda deciding: deciding.release_event(name, event))
        self.seen = None
        holder = self.target().holder
        if holder not in {None, before}:
            self.held.append(self.release(holder).number)

    def releases(self):
        if self.seen is None:
            self.seen = [release_of(row) for row in self.store.releases(limit=1000)]
        return self.seen

    def waiting(self, *phases):
        return [r for r in self.releases() if r.phase in (phases or WAITING)]

    def release(self, name):
        return next(r for r in self.releases() if r.name == name)

    def target(self):
        return target_of(self.store.target(TARGET), TARGET)

    # --- what happens -----------------------------------------------------------------------

    @rule(
        data=st.data(),
        count=st.sampled_from([0, 0, 1]),
        same=st.booleans(),
        strategy=st.sampled_from([Strategy.CANARY, Strategy.SHADOW]),
    )
    def start(self, data, count, same, strategy):
        when = data.draw(st.sampled_from(self.choices))
        environment = Environment(
            strategy=strategy, when_newer=when, approvals=Approvals(count), ladder=(50, 100)
        )
        number = len(self.releases())
        version = "v0" if same else f"v{number}"
        new = Release("", 0, "wine", TARGET, environment, version, f"wine-{version}", Cause("push", "ann"))
        decide(self.store, lambda deciding: deciding.create(new))
        self.seen = None

    @precondition(lambda self: self.waiting(Phase.PENDING))
    @rule(data=st.data(), good=st.sampled_from([True, True, True, False]))
    def build(self, data, good):
        release = data.draw(st.sampled_from(self.waiting(Phase.PENDING)))
        now = self.clock.now
        answer = VersionReady(f"sha256:{release.version}", (), now) if good else VersionFailed("no", now)
        self.tell(release.name, answer)

    @precondition(lambda self: self.waiting(Phase.APPROVAL))
    @rule(data=st.data(), verb=st.sampled_from(["approve", "approve", "reject"]))
    def answer(self, data, verb):
        self.say(verb, data.draw(st.sampled_from(self.waiting(Phase.APPROVAL))))

    @rule()
    def somebody_may_approve_no_more(self):
        self.lost = True

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def take_back_one_that_waits(self, data):
        self.say("abort", data.draw(st.sampled_from(self.waiting())))

    @precondition(lambda self: self.target().holder)
    @rule(how=st.sampled_from(["on", "on", "on", "on", "abort", "pause", "fail"]))
    def go_on(self, how):
        """The holder gets the answer that it waits for, or somebody's command."""
        holder = self.release(self.target().holder)
        if how == "fail":
            self.tell(holder.name, EffectFailed(holder.step, "it does not start", self.clock.now))
        elif how == "on":
            self.tell(holder.name, self.next_answer(holder))
        else:
            self.say(how, holder)

    def next_answer(self, holder):
        step, now = holder.step, self.clock.now
        match holder.phase:
            case Phase.STARTING:
                return WorkloadReady(step, "http://127.0.0.1:1", now)
            case Phase.CHECKING if step.startswith("check"):
                return CheckFinished(step, "ok", now)
            case Phase.CHECKING if holder.paused and not step:
                return self.command("resume", holder)
            case Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING if holder.settled:
                return self.command("promote", holder)
            case _:
                return TrafficObserved(step, holder.epoch, holder.wanted, now)

    def say(self, verb, release):
        self.tell(release.name, self.command(verb, release))

    def command(self, verb, release):
        return Command(verb, release.name, None, None, "bob", "cli", self.clock.now)

    # --- what always holds ------------------------------------------------------------------

    @invariant()
    def one_release_holds_the_target_and_it_is_the_one_that_the_target_names(self):
        holding = [r.name for r in self.releases() if r.phase in HOLDING]
        assert holding == [name for name in (self.target().holder,) if name]

    @invariant()
    def nothing_takes_the_target_after_something_newer(self):
        assert self.held == sorted(set(self.held))

    @invariant()
    def whoever_is_ready_waits_only_for_the_holder_or_because_it_lets_older_ones_go_first(self):
        if self.target().holder is None:
            for release in self.waiting(Phase.QUEUED):
                assert release.environment.when_newer is WhenNewer.SERIALIZE
                assert min(r.number for r in self.waiting()) < release.number

    @invariant()
    def nothing_that_is_running_outlives_a_newer_one_that_is_ready_and_ends_what_runs(self):
        for release in self.waiting(Phase.QUEUED):
            if release.environment.when_newer is WhenNewer.CANCEL_RUNNING:
                running = [r for r in self.releases() if r.phase in RUNNING]
                assert all(r.number > release.number for r in running)

    @invariant()
    def only_something_newer_whose_rule_says_so_supersedes(self):
        releases = self.releases()
        for release in releases:
            if release.phase is Phase.SUPERSEDED:
                newer = [r for r in releases if r.number > release.number]
                assert any(r.environment.when_newer is not WhenNewer.SERIALIZE for r in newer)

    @invariant()
    def whoever_waits_says_for_whom_and_that_one_has_not_ended(self):
        opened = {r.name for r in self.releases() if not r.final}
        for release in self.waiting(Phase.QUEUED):
            name, _, why = release.waits.partition(", ")
            assert name in opened
            assert why in {"which is on its way", "whose turn is before"}

    def teardown(self):
        """Whatever went before: once everything is answered, everything ends."""
        for _ in range(1000):
            holder, pending = self.target().holder, self.waiting(Phase.PENDING)
            approval = self.waiting(Phase.APPROVAL)
            if holder:
                self.tell(holder, self.next_answer(self.release(holder)))
            elif pending:
                self.tell(pending[0].name, VersionReady("sha256:1", (), self.clock.now))
            elif approval:
                self.say("approve", approval[0])
            else:
                break
        assert all(r.final for r in self.releases())
        self.nothing_takes_the_target_after_something_newer()
        self.only_something_newer_whose_rule_says_so_supersedes()


class InTurn(Turns):
    """Only `serialize`: each has its turn, oldest first, and none gives way."""

    choices = (WhenNewer.SERIALIZE,)

    @invariant()
    def none_is_superseded(self):
        assert not self.waiting(Phase.SUPERSEDED)

    def teardown(self):
        super().teardown()
        self.none_is_superseded()


class Latest(Turns):
    """Only `latest-wins`: what is on its way is never ended by what is newer."""

    choices = (WhenNewer.LATEST_WINS,)

    @invariant()
    def whoever_held_the_target_is_not_superseded(self):
        assert not [r for r in self.waiting(Phase.SUPERSEDED) if r.epoch]


@pytest.mark.parametrize("machine", [Turns, InTurn, Latest])
@pytest.mark.timeout(300)
def test_releases_take_turns_as_their_rules_say(store, clock, machine):
    machine.store, machine.clock = store, clock
    examples = 8 if store.engine.dialect.name == "sqlite" else 3
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_who_begins_to_wait_is_seen_by_who_ends_at_the_same_moment(store, clock):
    """One transaction sees the target held while another ends its holder; neither may miss the other."""
    environment = Environment(ladder=(50, 100), approvals=Approvals(0))
    for number in (1, 2):
        version = f"v{number}"
        new = Release("", 0, "wine", TARGET, environment, version, f"wine-{version}", Cause("push", "ann"))
        decide(store, lambda deciding, new=new: deciding.create(new))
    ready = [VersionReady(f"sha256:v{number}", (), clock.now) for number in (1, 2)]
    decide(store, lambda deciding: deciding.release_event("rel-1", ready[0]))
    abort = Command("abort", "rel-1", None, None, "bob", "cli", clock.now)
    decide(store, lambda deciding: deciding.release_event("rel-1", abort))
    restoring = release_of(store.release(1))
    waits, ended = threading.Event(), threading.Event()

    def begin_to_wait(deciding):
        deciding.release_event("rel-2", ready[1])
        waits.set()
        ended.wait(1.0)  # on SQLite, and with a lock, the other one cannot end meanwhile

    def end():
        waits.wait(10.0)
        back = TrafficObserved(restoring.step, restoring.epoch, restoring.wanted, clock.now)
        decide(store, lambda deciding: deciding.release_event("rel-1", back))
        ended.set()

    other = threading.Thread(target=end)
    other.start()
    decide(store, begin_to_wait)
    other.join(30.0)
    target = target_of(store.target(TARGET), TARGET)
    assert release_of(store.release(1)).final
    assert target.holder == "rel-2"
