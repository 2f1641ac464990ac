"""The machines under everything that can come: no weight and no promotion without what the policy asks for.

Several releases of one target get random answers (late, repeated, of other steps and epochs), evidence
(none, stale, absurd, of other weights), commands by anybody and ticks. The test keeps its own books of
what was told and compares each move with them.
"""

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from policies import version as versions
from policies.effects import (
    Build,
    CheckAuthority,
    CheckImage,
    CheckPreview,
    ReportCommit,
    RunEvaluation,
    SetTraffic,
    StartWorkload,
    Wake,
)
from policies.events import (
    AuthorityChecked,
    BuildFinished,
    CheckFinished,
    Command,
    EffectFailed,
    EvaluationFinished,
    EvidenceChanged,
    ImageTrusted,
    Superseded,
    Tick,
    TrafficObserved,
    TurnCame,
    VersionFailed,
    VersionReady,
    WorkloadReady,
)
from policies.evidence import Evidence, Finding, Verdict
from policies.guards.increment import Gap, Increment, difference
from policies.guards.judge import Judge
from policies.release import HOLDING, Cause, Phase, Release, Serving, Target
from policies.rollout import advance
from policies.shifting import SHARE_TOLERANCE, STALE_AFTER
from policies.spec.declaration import (
    Approvals,
    Comparison,
    Environment,
    Evaluate,
    FromBuild,
    Gate,
    Guard,
    GuardKind,
    Model,
    Resources,
    ServeRun,
    Shadow,
    StepSpec,
    Strategy,
    Triggers,
    WhenUndecided,
)
from policies.strategy import SWITCH, Watch
from policies.version import CodeOrigin, VersionPhase
from service.ports.metrics import Counters, Sample

GATE = Gate("accuracy", Comparison.AT_LEAST, 0.9)
PEOPLE = ["ann", "bob", "eve"]  # ann is the author of every release
JUDGED = {Phase.SHADOWING, Phase.SHIFTING, Phase.WATCHING}

absurd = st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e300, 101.0])
ladders = st.sampled_from([(10.0, 50.0, 100.0), (10.0, 15.0, 20.0, 100.0), (100.0,)])
fixed_steps = st.sampled_from(
    [(StepSpec(5, 10.0), StepSpec(50, 10.0)), (StepSpec(20, None), StepSpec(100, 0.0))]
)
environments = st.builds(
    Environment,
    strategy=st.sampled_from(
        [Strategy.CANARY, Strategy.CANARY, Strategy.SHADOW, Strategy.SHADOW, Strategy.BLUEGREEN]
    ),
    shadow=st.builds(Shadow, seconds=st.sampled_from([0.0, 15.0])),
    steps=st.just(()) | fixed_steps,
    dwell=st.sampled_from([0.0, 10.0]),
    watch=st.sampled_from([5.0, 30.0]),
    patience=st.sampled_from([20.0, 100.0]),
    ladder=ladders,
    held_back=st.sampled_from([0.0, 0.0, 0.05]),
    when_undecided=st.sampled_from(WhenUndecided),
    approvals=st.builds(
        Approvals, count=st.sampled_from([0, 0, 1, 2]), people=st.sampled_from([(), ("bob", "eve")])
    ),
)


class Books:
    """What the test itself noted about one release."""

    def __init__(self):
        self.harmed = False
        self.pending = ""  # the write of traffic that the router has not confirmed
        self.approved = set()  # (actor, plan that was approved)
        self.forget(0.0)

    def forget(self, at):
        """Another weight is confirmed, or the watch begins: what was told before says nothing of it."""
        self.told, self.told_at, self.since = None, -1e9, at  # the newest evidence, when it came, since when


class Machines(RuleBasedStateMachine):
    """One target with its releases, beside what may be expected of them."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.target = Target("wine/production")
        self.releases = {}
        self.books = {}
        self.effects = []  # (release name, effect), all that were ever issued

    # --- what can happen -----------------------------------------------------------------

    @initialize(environment=environments, steps=st.integers(0, 14))
    def one_release_is_on_its_way(self, environment, steps):
        self.begin(environment, "v1", (), batch=False)
        for _ in range(steps):
            self.now += 4
            self.help_on("rel-1")

    @rule(
        environment=environments,
        version=st.sampled_from(["v1", "v2", "v3", "v4"]),
        rules=st.sampled_from([(), (), (GATE,)]),
        batch=st.sampled_from([False, False, False, False, True]),
    )
    def begin(self, environment, version, rules, batch):
        assume(len(self.releases) < 4)
        number = len(self.releases) + 1
        self.add(
            Release(
                f"rel-{number}",
                number,
                "wine",
                "wine/production",
                environment,
                version,
                f"wine-{version}",
                Cause("push", "ann", "git", "c" * 40),
                rules=rules,
                batch=batch,
            )
        )

    @precondition(lambda self: self.target.previous is not None and self.target.holder is None)
    @rule()
    def switch_back(self):
        before, number = self.target.previous, len(self.releases) + 1
        self.add(
            Release(
                f"rel-{number}",
                number,
                "wine",
                "wine/production",
                Environment(),
                before.version,
                before.backend,
                Cause("rollback", "bob"),
                (SWITCH,),
                switch=True,
            )
        )

    @rule(
        data=st.data(),
        value=st.sampled_from([0.95, 0.95, 0.95, 0.5, math.nan, None]),
        fails=st.sampled_from([False, False, False, False, True]),
    )
    def version_is_settled(self, data, value, fails):
        name = self.some(data)
        metrics = () if value is None else (("accuracy", value),)
        self.see(
            name, VersionFailed("no disk", self.now) if fails else VersionReady("sha", metrics, self.now)
        )

    @rule(data=st.data(), how=st.sampled_from(["well", "well", "odd", "odd", "fails"]))
    def answer_the_last_effect(self, data, how):
        name = self.some(data)
        waited = [(n, e) for n, e in self.effects if n == name and _answerable(e)]
        if waited:
            self.answer(name, waited[-1][1], how, data)

    @rule(data=st.data(), how=st.sampled_from(["well", "fails", "odd"]))
    def answer_any_effect_again_or_to_somebody_else(self, data, how):
        waited = [(n, e) for n, e in self.effects if _answerable(e)]
        if waited:
            name, effect = data.draw(st.sampled_from(waited))
            self.answer(data.draw(st.sampled_from([name, name, self.some(data)])), effect, how, data)

    @rule(data=st.data(), steps=st.integers(1, 4))
    def all_goes_well_for_a_while(self, data, steps):
        name = self.some(data)
        for _ in range(steps):
            self.now += 2
            self.help_on(name)

    @rule(data=st.data(), verdict=st.sampled_from([*[Verdict.CLEARED] * 6, *Verdict]))
    def evidence_comes(self, data, verdict):
        name = self.some_judged(data)
        self.see(name, EvidenceChanged(replace(self.good_evidence(name), verdict=verdict), self.now))

    @rule(data=st.data(), verdict=st.sampled_from([*[Verdict.CLEARED] * 5, *Verdict]))
    def strange_evidence_comes(self, data, verdict):
        name = self.some_judged(data)
        self.now += data.draw(st.sampled_from([0.0, 10.0]))
        good, judged = replace(self.good_evidence(name), verdict=verdict), None
        wrong = data.draw(
            st.sampled_from(
                ["weight", "epoch", "share", "share", "allowed", "allowed", "old", "future", "sequence"]
            )
        )
        match wrong:
            case "weight":
                good = replace(good, weight=data.draw(st.sampled_from([0, 5, 10, 50, 100]) | absurd))
            case "epoch":
                good = replace(good, epoch=good.epoch + data.draw(st.sampled_from([-1, 1, 1000])))
            case "share":
                good = replace(good, share=data.draw(st.sampled_from([None, 0.0, good.weight + 11]) | absurd))
            case "allowed":
                good = replace(good, allowed=data.draw(st.sampled_from([0.0, good.weight]) | absurd))
            case "old" | "future":
                off = data.draw(st.sampled_from([16.0, 1e9]))
                judged = self.now + (-off if wrong == "old" else off)
            case "sequence":
                good = replace(good, sequence=data.draw(st.sampled_from([-5, 0, good.sequence - 1])))
        self.see(name, EvidenceChanged(good, self.now, judged))

    @rule(data=st.data(), verb=st.sampled_from(["pause", "resume", "promote"]), actor=st.sampled_from(PEOPLE))
    def steer(self, data, verb, actor):
        self.see(self.some_judged(data), Command(verb, None, None, None, actor, "cli", self.now))

    @rule(data=st.data(), seconds=st.sampled_from([10.0, 200.0]))
    def a_paused_release_gets_all_that_it_needs(self, data, seconds):
        name = self.some_judged(data)
        self.see(name, Command("pause", None, None, None, "bob", "cli", self.now))
        self.now += seconds
        self.see(name, EvidenceChanged(self.good_evidence(name), self.now))
        self.see(name, Tick(self.now))

    @rule(data=st.data())
    def a_suspicion_is_followed_by_older_evidence(self, data):
        name = self.some_judged(data)
        older = self.good_evidence(name)
        suspect = replace(older, verdict=Verdict.SUSPECT, sequence=older.sequence + 5)
        self.see(name, EvidenceChanged(suspect, self.now))
        self.now += 10
        self.see(name, EvidenceChanged(older, self.now))
        self.see(name, Tick(self.now))

    @rule(
        data=st.data(),
        verb=st.sampled_from(["approve"] * 5 + ["reject", "abort", "retry", "rollback", "help"]),
        actor=st.sampled_from(PEOPLE),
        digest=st.sampled_from([None, "its own", "sha256:" + "0" * 12, "", "sha256:"]),
    )
    def say(self, data, verb, actor, digest):
        name = self.some(data)
        shown = self.releases[name].plan[:19] if digest == "its own" else digest
        self.see(name, Command(verb, name, shown, None, actor, "cli", self.now))

    @rule(data=st.data(), seconds=st.sampled_from([0.5, 5.0, 10.0, 16.0, 31.0, 130.0]))
    def time_passes(self, data, seconds):
        self.now += seconds
        self.see(self.some(data), Tick(self.now))

    @rule(data=st.data(), ago=st.sampled_from([0.0, 0.0, 1.0, 20.0, 1e6]))
    def a_tick_comes_late(self, data, ago):
        self.see(self.some_judged(data), Tick(self.now - ago))

    @rule(data=st.data(), event=st.sampled_from([TurnCame, TurnCame, Superseded]))
    def something_is_said_of_the_queue(self, data, event):
        told = TurnCame(self.now) if event is TurnCame else Superseded("rel-99", self.now)
        self.see(self.some(data), told)

    # --- how it is told ------------------------------------------------------------------

    def add(self, release):
        self.releases[release.name], self.books[release.name] = release, Books()

    def some(self, data):
        opened = [name for name, release in self.releases.items() if not release.final]
        holder = [self.target.holder] * 6 if self.target.holder else []
        return data.draw(st.sampled_from([*holder, *opened, *opened, *self.releases]))

    def some_judged(self, data):
        """The release whose evidence counts, most of the time."""
        judged = [name for name, release in self.releases.items() if release.phase in JUDGED]
        return judged[0] if judged else self.some(data)

    def good_evidence(self, name):
        release = self.releases[name]
        told = self.books[name].told
        sequence = 0 if told is None else told.sequence + 1
        finding = (Finding("errors", Verdict.CLEARED, "errors", (), None, 10, ""),)
        seen, allowed = release.observed, 100.0 if len(self.effects) % 2 else 20.0
        return Evidence(Verdict.CLEARED, finding, seen, release.epoch, allowed, seen, sequence)

    def answer(self, name, effect, how, data=None):
        if how == "fails":
            self.see(name, EffectFailed(effect.step, "no", self.now))
            return
        match effect:
            case CheckAuthority():
                release = self.releases[name]
                rule = release.environment.approvals
                answer = AuthorityChecked(effect.step, rule, release.approvals, (), self.now)
            case StartWorkload():
                answer = WorkloadReady(effect.step, "http://127.0.0.1:2", self.now)
            case CheckPreview():
                answer = CheckFinished(effect.step, "ok", self.now)
            case SetTraffic():
                answer = TrafficObserved(effect.step, effect.epoch, _weight(effect), self.now)
                if how == "odd":
                    answer = data.draw(
                        st.sampled_from(
                            [
                                replace(answer, epoch=answer.epoch + 1),
                                replace(answer, epoch=answer.epoch - 1),
                                replace(answer, candidate=answer.candidate + 5),
                                replace(answer, candidate=math.nan),
                            ]
                        )
                    )
        if how == "odd" and not isinstance(effect, SetTraffic):
            answer = replace(answer, step=answer.step + "0")
        self.see(name, answer)

    def see(self, name, event):
        """Apply an event, once for real and once more to see that a repetition repeats nothing."""
        before, target = self.releases[name], self.target
        done = advance(before, target, event)
        self.was_pending = bool(self.books[name].pending)
        self.note(name, before, done, event)
        self.compare(before, target, done, event)
        self.releases[name], self.target = done.release, done.target
        self.effects += [(name, effect) for effect in done.effects]
        twice = advance(done.release, done.target, event)
        repeated = [e for e in twice.effects if e in done.effects and not isinstance(e, Wake | ReportCommit)]
        assert repeated == [], "a repeated event repeats its effects"
        if not isinstance(event, Tick | Command):
            assert twice.release.phase is done.release.phase, "a repeated answer moves a release"
            assert twice.release.step == done.release.step
            assert twice.release.wanted <= done.release.wanted

    # --- the test's own books -------------------------------------------------------------

    def note(self, name, before, done, event):
        books, after = self.books[name], done.release
        match event:
            case EvidenceChanged(evidence=evidence) if before.phase in JUDGED:
                if evidence.epoch == before.epoch:
                    books.harmed |= evidence.verdict is Verdict.HARM
                    self.note_evidence(books, before, event)
            case Command(verb="approve") if before.phase is Phase.APPROVAL:
                if event.digest in {None, before.plan[:19]}:
                    books.approved.add((event.actor, before.plan))
            case TrafficObserved() if self.confirms(before, event):
                ended = before.phase is Phase.SHADOWING and not before.copied  # its time goes on
                books.forget(books.since if ended else event.at)
                books.pending = ""
        books.known = (books.told, books.told_at, books.since)
        if after.phase is Phase.WATCHING and before.phase is not Phase.WATCHING:
            books.forget(event.at)
        for effect in done.effects:
            if isinstance(effect, SetTraffic) and effect.step == after.step:
                books.pending = effect.step

    def note_evidence(self, books, before, event):
        settled = before.wanted == before.observed == event.evidence.weight
        if before.phase is Phase.SHADOWING and books.pending:
            return
        if settled and (books.told is None or event.evidence.sequence > books.told.sequence):
            books.told, books.told_at = event.evidence, event.at if event.judged is None else event.judged

    def confirms(self, before, event):
        """Whether the router's answer is the one that the release waits for."""
        return (
            before.phase in {Phase.SHADOWING, Phase.SHIFTING, Phase.RESTORING}
            and (event.step, event.epoch) == (before.step, self.target.epoch)
            and event.candidate == before.wanted
        )

    def stands(self, before, at):
        """Whether evidence was told that is fresh, of the present weight, without doubt and of its traffic."""
        told, told_at, _ = self.books[before.name].known
        return (
            told is not None
            and told.verdict is Verdict.CLEARED
            and abs(at - told_at) <= STALE_AFTER
            and told.share is not None
            and abs(told.share - before.observed) <= SHARE_TOLERANCE
        )

    def suspected(self, name):
        told = self.books[name].known[0]
        return told is not None and told.verdict is Verdict.SUSPECT

    # --- what must hold at each move ------------------------------------------------------

    def compare(self, before, target, done, event):
        after, name = done.release, before.name
        if before.final:
            assert done == replace(done, release=before, target=target, effects=())
        self.compare_target(before, target, done)
        self.compare_writes(done, target)
        self.compare_copies(before, done, event)
        if self.books[name].harmed:
            assert after.phase in {Phase.RESTORING, Phase.ROLLED_BACK}
            assert after.wanted == 0
        if after.wanted > before.wanted:
            self.compare_rise(before, after, event)
        if before.wanted != before.observed and before.phase in JUDGED:
            confirms = isinstance(event, TrafficObserved) and self.confirms(before, event)
            assert after.position == before.position or confirms
            assert after.wanted in {before.wanted, 0.0} or confirms
            assert after.phase in {before.phase, Phase.RESTORING} or confirms
            if isinstance(event, Tick | Command) and after.phase is before.phase:
                assert after.attempt == before.attempt, "it asked again for what is on its way"
        if after.observed != before.observed:
            assert isinstance(event, TrafficObserved)
            assert self.confirms(before, event)
            assert after.observed == before.wanted
        if after.phase is Phase.PROMOTED and before.phase is not Phase.PROMOTED:
            self.compare_promotion(before, after, event)

    def compare_target(self, before, target, done):
        assert done.target.epoch >= target.epoch
        assert done.target.newest >= target.newest
        if done.target.holder != target.holder:
            if target.holder is None:
                assert done.target.holder == before.name
                assert done.target.epoch == target.epoch + 1 == done.release.epoch
                assert before.number > target.newest, "an older release took the target"
            else:
                assert target.holder == before.name
                assert done.target.holder is None
                assert done.release.final
        if done.target.stable != target.stable:
            assert done.release.phase is Phase.PROMOTED
            assert target.stable is None or done.target.stable.number > target.stable.number
        if done.release.final and before.phase in HOLDING:
            assert done.release.wanted == done.release.observed, "it ended before the router confirmed"

    def compare_writes(self, done, target):
        for effect in done.effects:
            if isinstance(effect, SetTraffic):
                assert done.target.holder == done.release.name
                assert effect.epoch == done.target.epoch == done.release.epoch
                assert _weight(effect) == done.release.wanted
                assert effect.shares or target.stable is None, "the route of a stable version is removed"
                assert not effect.shares or sum(share.weight for share in effect.shares) == 100

    def compare_rise(self, before, after, event):
        assert before.wanted == before.observed or isinstance(event, TrafficObserved)
        name, by_hand = before.name, isinstance(event, Command) and event.verb == "promote"
        assert not before.paused or isinstance(event, Command)
        if before.phase is Phase.CHECKING:
            first = after.steps[0]
            resumed = isinstance(event, Command) and event.verb == "resume" and before.paused
            assert isinstance(event, CheckFinished) or (resumed and not before.step), "it was not checked"
            assert after.wanted == first.weights[0]
            assert first.guarded or before.switch or after.unproven
            return
        if before.phase is Phase.SHADOWING:
            self.compare_first_users(before, after, event)
            return
        if before.phase is Phase.WATCHING:  # what was held back follows
            assert before.environment.held_back
            assert after.wanted == 100
            self.compare_end_of_watch(before, after, event)
            return
        assert before.phase is Phase.SHIFTING
        step, (told, _, since) = before.steps[before.position], self.books[name].known
        assert by_hand or (step.dwell is not None and event.at >= since + step.dwell)
        if self.stands(before, event.at) and after.wanted <= told.allowed <= 100:
            return
        assert len(after.unproven) > len(before.unproven), "the weight rose on nothing"
        assert not self.suspected(name), "it rose under suspicion"
        if not by_hand:
            self.compare_time_limit(before, event, since + step.dwell)

    def compare_first_users(self, before, after, event):
        """Out of the shadow: by what cleared it there, or as the record says."""
        step, (told, told_at, since) = before.steps[before.position], self.books[before.name].known
        by_hand = isinstance(event, Command) and event.verb == "promote"
        begins = self.was_pending and before.copied  # what ends copying may be under way
        assert not begins, "it left the shadow before the router had begun to copy"
        assert by_hand or event.at >= since + step.seconds
        if told is not None and told.verdict is Verdict.CLEARED and abs(event.at - told_at) <= STALE_AFTER:
            return
        assert len(after.unproven) > len(before.unproven), "users saw it on nothing"
        assert not self.suspected(before.name), "users saw it under suspicion"
        if not by_hand:
            self.compare_time_limit(before, event, since + step.seconds)

    def compare_copies(self, before, done, event):
        """Copies go to a candidate in the shadow alone, and not for ever."""
        after = done.release
        assert not after.copied or after.phase is Phase.SHADOWING
        for effect in done.effects:
            if isinstance(effect, SetTraffic):
                copies = effect.recording is not None and effect.recording.copies
                assert copies == after.copied
                assert not copies or (_weight(effect) == 0 and len(effect.shares) == 2)
        if before.phase is Phase.SHADOWING and isinstance(event, Tick) and not self.was_pending:
            step = before.steps[before.position]
            late = self.books[before.name].known[2] + step.seconds + before.environment.patience
            assert event.at < late or not after.copied, "copying goes on for ever"

    def compare_promotion(self, before, after, event):
        name = before.name
        assert all(dict(after.metrics).get(gate.metric, -1) >= gate.value for gate in after.rules)
        if before.environment.approvals.count and not before.switch:
            given = {actor for actor, plan in self.books[name].approved if plan == after.plan}
            entitled = set(before.environment.approvals.people or PEOPLE) - {"ann"}
            assert len(given & entitled) >= before.environment.approvals.count
        if before.batch or before.switch:
            return
        if before.phase is Phase.SHIFTING:  # the watch was before what was held back followed
            assert before.environment.held_back
            assert isinstance(before.steps[-2], Watch)
            assert before.position == len(before.steps) - 1
            assert before.wanted == 100
            return
        assert before.wanted == before.observed == 100
        self.compare_end_of_watch(before, after, event)

    def compare_end_of_watch(self, before, after, event):
        name, step = before.name, before.steps[before.position]
        told, told_at, since = self.books[name].known
        assert not before.paused or isinstance(event, Command)
        assert before.wanted == before.observed
        assert before.phase is Phase.WATCHING
        by_hand = isinstance(event, Command) and event.verb == "promote"
        assert by_hand or event.at >= since + step.seconds
        assert not self.suspected(name), "it was promoted under suspicion"
        if self.stands(before, event.at):
            return
        assert after.unproven, "it was promoted on nothing, and the record calls it proven"
        assert all(reason.strip() for reason in after.unproven)
        looked = told is not None and abs(event.at - told_at) <= STALE_AFTER
        if not by_hand and (step.guarded or not looked):
            self.compare_time_limit(before, event, since + step.seconds)

    def compare_time_limit(self, before, event, due):
        assert before.environment.when_undecided is WhenUndecided.FINISH
        assert event.at >= due + before.environment.patience

    @invariant()
    def one_release_at_most_holds_the_target(self):
        holding = [name for name, release in self.releases.items() if release.phase in HOLDING]
        assert holding == ([] if self.target.holder is None else [self.target.holder])

    # --- whoever gets all answers ends ----------------------------------------------------

    def teardown(self):
        for _ in range(300):  # each of several, one after the other, may wait for its patience at each weight
            opened = [name for name, release in self.releases.items() if not release.final]
            if not opened:
                return
            self.now += 10
            for name in opened:
                self.help_on(name)
            self.give_turn()
        raise AssertionError([(r.name, r.phase, r.reason) for r in self.releases.values() if not r.final])

    def help_on(self, name):
        release = self.releases[name]
        match release.phase:
            case Phase.PENDING:
                self.see(name, VersionReady("sha", (("accuracy", 0.95),), self.now))
            case Phase.APPROVAL:
                for actor in ("bob", "eve"):
                    self.see(name, Command("approve", name, None, None, actor, "cli", self.now))
            case Phase.STARTING | Phase.CHECKING if release.paused:
                self.see(name, Command("resume", name, None, None, "bob", "cli", self.now))
            case Phase.STARTING | Phase.CHECKING | Phase.RESTORING:
                self.answer_step(name)
            case Phase.QUEUED if release.step:
                self.answer_step(name)
            case Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING if not release.settled:
                self.answer_step(name)
            case Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
                self.see(name, Command("resume", name, None, None, "bob", "cli", self.now))
                self.see(name, EvidenceChanged(self.good_evidence(name), self.now))
                self.see(name, Tick(self.now))
                self.promote_if_asked(name)

    def promote_if_asked(self, name):
        release = self.releases[name]
        if release.phase is not Phase.SHIFTING or release.wanted != release.observed:
            return
        if getattr(release.steps[release.position], "dwell", 0.0) is None:
            self.see(name, Command("promote", name, None, None, "bob", "cli", self.now))

    def answer_step(self, name):
        step = self.releases[name].step
        for known, effect in list(self.effects):
            if known == name and _answerable(effect) and effect.step == step:
                self.answer(name, effect, "well")

    def give_turn(self):
        waiting = [r for r in self.releases.values() if r.phase is Phase.QUEUED]
        if self.target.holder is None and waiting:
            newest = max(waiting, key=lambda release: release.number)
            self.see(newest.name, TurnCame(self.now))
            for release in waiting:
                if release.number < newest.number:
                    self.see(release.name, Superseded(newest.name, self.now))


def _answerable(effect):
    return isinstance(effect, CheckAuthority | StartWorkload | CheckPreview | SetTraffic)


def _weight(effect):
    return next((share.weight for share in effect.shares if share.backend == effect.candidate), 0.0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stable", [False, True], ids=["a first release", "beside a stable version"])
def test_nothing_moves_without_what_its_policy_asks_for(stable):
    class Beside(Machines):
        def __init__(self):
            super().__init__()
            if stable:
                serving = Serving("rel-0", 0, "v0", "sha", "wine-v0", "http://127.0.0.1:1", 0.0)
                warm = replace(serving, number=-1, version="v9", backend="wine-v9")
                self.target = replace(self.target, epoch=3, stable=serving, previous=warm)

    run_state_machine_as_test(
        Beside,
        settings=settings(max_examples=150, stateful_step_count=50, suppress_health_check=list(HealthCheck)),
    )


# --- the version machine ------------------------------------------------------------------------

WINE = Model(
    "wine",
    "",
    FromBuild("requirements.lock", None),
    ServeRun(("python", "serve.py"), 8080),
    Evaluate(("python", "evaluate.py"), None, Resources(), ()),
    Triggers(),
    (Environment(),),
)
CODE = CodeOrigin("git", "c" * 40, "", "t" * 40)
any_step = st.sampled_from(
    ["build-1", "build-2", "check-1", "check-2", "evaluate-1", "evaluate-2", "", "build-", "traffic-1-1"]
)
any_answer = (
    st.builds(BuildFinished, any_step, st.just("sha256:1"), st.just(()), st.just(1.0))
    | st.builds(ImageTrusted, any_step, st.just(1.0))
    | st.builds(EvaluationFinished, any_step, st.just((("accuracy", 0.9),)), st.just(1.0))
    | st.builds(EffectFailed, any_step, st.just("no"), st.just(1.0))
    | st.just("retry")
)


@settings(max_examples=300)
@given(st.lists(any_answer, max_size=12))
def test_a_version_is_ready_only_with_a_trusted_image_and_its_evaluation_and_always_gets_there(answers):
    state, effects = versions.begin(WINE, CODE, None)
    issued, trusted = list(effects), set()
    for answer in answers:
        before = state
        state, effects = versions.retry(state) if answer == "retry" else versions.advance(state, answer)
        issued += effects
        if answer != "retry":
            assert state == before or answer.step == before.step
            assert versions.advance(state, answer) == (state, ())
            assert before.settled is False or state == before
        if isinstance(answer, ImageTrusted) and state != before:
            trusted.add(before.attempt)
        if state.phase is VersionPhase.READY:
            assert state.image is not None
            assert any(isinstance(effect, RunEvaluation) for effect in issued)
            assert state.attempt in trusted
            assert state.metrics
    assert len(set(issued)) == len(issued)
    if state.phase is VersionPhase.FAILED:
        state, effects = versions.retry(state)
        issued += effects
    for _ in range(3):
        match issued[-1]:
            case Build(step=step):
                state, effects = versions.advance(state, BuildFinished(step, "sha256:1", (), 1.0))
            case CheckImage(step=step):
                state, effects = versions.advance(state, ImageTrusted(step, 1.0))
            case RunEvaluation(step=step):
                state, effects = versions.advance(state, EvaluationFinished(step, (("accuracy", 1.0),), 1.0))
        issued += effects
    assert state.phase is VersionPhase.READY


# --- the evidence itself -------------------------------------------------------------------------

GUARDED = Environment(
    guards=(
        Guard("errors", GuardKind.ERRORS),
        Guard("alive", GuardKind.ALIVE),
        Guard("share", GuardKind.SHARE),
    )
)
any_count = st.sampled_from([0.0, 1.0, 50.0, 5000.0, 1e13, math.nan, math.inf, -1.0])
any_counters = st.builds(Counters, any_count, any_count)
any_backends = st.lists(st.tuples(st.sampled_from(["new", "old", "other"]), any_counters), max_size=3).map(
    lambda pairs: tuple(dict(pairs).items())
)
any_sample = st.none() | st.builds(
    Sample,
    st.sampled_from([-1.0, 1.0, 2.0, 3.0, 4.0, 1e9, math.nan]),
    st.sampled_from([0.0, 0.0, 1.0]),
    any_backends,
)


@settings(max_examples=200)
@given(st.lists(any_sample, min_size=1, max_size=8), st.sampled_from([0.0, 10.0, 100.0, math.nan]))
def test_readings_that_say_nothing_or_nonsense_never_allow_a_weight(samples, weight):
    judge = Judge.of(GUARDED)
    state, before, counted = judge.start(0.0), None, 0.0
    for sequence, sample in enumerate(samples):
        if sample is None:
            what = Gap(sequence, state.at + 1, "no data", silent=True)
        else:
            stable = "old" if weight < 100 else None
            what = difference(
                before, sample, candidate="new", stable=stable, weight=weight, sequence=sequence
            )
            before = sample
        if isinstance(what, Increment):
            assert what.candidate.requests >= what.candidate.errors >= 0
            counted += what.candidate.requests
        state = judge.observe(state, what)
        found = judge.evidence(state, epoch=1)
        if isinstance(what, Gap) or counted == 0:
            assert found.verdict is not Verdict.CLEARED
            assert found.allowed <= max(0.0, state.weight)
        if counted == 0:
            assert found.allowed == 0
        assert judge.evidence(state, epoch=1, at=state.at + 16).verdict is not Verdict.CLEARED
