"""Where exactly traffic moves, holds or is written anew: the limits of time, of share and of weight."""

import math
from dataclasses import replace

import pytest

from policies.effects import ReportCommit, SetTraffic, Wake
from policies.events import Command, Drifted, EvidenceChanged, Tick, TrafficObserved
from policies.evidence import Evidence, Verdict
from policies.release import HELD, Cause, Phase, Release, Serving, Target
from policies.rollout import advance
from policies.shifting import SHARE_TOLERANCE, STALE_AFTER, shared
from policies.spec.declaration import Environment, Shadow, StepSpec, Strategy, WhenUndecided
from policies.split import Decision
from policies.strategy import Shift, Watch, plan

RULES = Environment(dwell=10.0, watch=30.0, patience=100.0, ladder=(10, 50, 100))
FINISH = replace(RULES, when_undecided=WhenUndecided.FINISH)
COPIES = replace(RULES, strategy=Strategy.SHADOW, shadow=Shadow(seconds=20.0))
STABLE = Serving("rel-1", 1, "v1", "sha256:1", "wine-v1", "http://1", 0.0)
TARGET = Target("wine/prod", epoch=4, holder="rel-2", newest=2, stable=STABLE)
BEGAN = 100.0  # when the router confirmed the weight of now


def shifting(rules=RULES, **changes):
    """A release at the first weight of its steps, which the router has confirmed."""
    steps = plan(rules, first=False)
    given = Release(
        "rel-2", 2, "wine", "wine/prod", rules, "v2", "wine-v2", Cause("push", "ann", "git", "c0")
    )
    begun = replace(
        given, phase=Phase.SHIFTING, steps=steps, position=0, epoch=4, wanted=10.0, observed=10.0, peak=10.0,
        since=BEGAN, url="http://2",
    )  # fmt: skip
    return replace(begun, **changes)


def shadowing(rules=COPIES, **changes):
    kept = {"phase": Phase.SHADOWING, "copied": True, "wanted": 0.0, "observed": 0.0, "peak": 0.0}
    return shifting(rules, **{**kept, **changes})


def watching(rules=RULES, **changes):
    kept = {"phase": Phase.WATCHING, "wanted": 100.0, "observed": 100.0, "peak": 100.0}
    steps = plan(rules, first=False)
    position = next(number for number, step in enumerate(steps) if isinstance(step, Watch))
    return shifting(rules, position=position, **{**kept, **changes})


def evidence(release, verdict=Verdict.CLEARED, allowed=100.0, **changes):
    told = Evidence(verdict, (), release.observed, 4, allowed, release.observed, 1, current=True)
    return replace(told, **changes)


def see(release, event, target=TARGET):
    return advance(release, target, event)


def knows(release, verdict=Verdict.CLEARED, at=BEGAN, **changes):
    """The release with evidence of this moment, before its time is over."""
    return replace(release, evidence=evidence(release, verdict, **changes), evidence_at=at)


@pytest.mark.parametrize(("after", "moves"), [(9.99, False), (10.0, True)])
def test_traffic_moves_when_the_dwell_is_over_and_not_before(after, moves):
    release = shifting()
    later = see(release, EvidenceChanged(evidence(release), BEGAN + after)).release
    assert later.wanted == (100.0 if moves else 10.0)


@pytest.mark.parametrize(("age", "moves"), [(STALE_AFTER, True), (STALE_AFTER + 0.01, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_evidence_is_of_now_for_so_long(age, sign, moves):
    release = knows(shifting(), at=BEGAN + 50)
    assert see(release, Tick(BEGAN + 50 + sign * age)).release.wanted == (100.0 if moves else 10.0)


def test_evidence_that_comes_twice_is_no_newer_for_it():
    release = shifting()
    told = evidence(release)
    once = see(release, EvidenceChanged(told, BEGAN + 1)).release
    assert once.evidence == told
    assert see(once, EvidenceChanged(told, BEGAN + 30)).release == once


def test_evidence_of_another_weight_is_not_taken_in():
    release = shifting()
    assert see(release, EvidenceChanged(evidence(release, weight=50), BEGAN + 30)).release == release


def test_evidence_is_as_old_as_what_it_was_judged_by():
    release = shifting()
    judged = BEGAN + 30 - STALE_AFTER - 1
    later = see(release, EvidenceChanged(evidence(release), BEGAN + 30, judged)).release
    assert (later.evidence_at, later.wanted) == (judged, 10.0)
    harmed = see(release, EvidenceChanged(evidence(release, Verdict.HARM), BEGAN + 30, judged)).release
    assert (harmed.evidence_at, harmed.since) == (judged, BEGAN + 30)
    assert harmed.reason == "a guard found harm"


@pytest.mark.parametrize(
    ("observed", "sticky", "share", "holds"),
    [
        (40.0, "none", 40.0 - SHARE_TOLERANCE, True),
        (40.0, "none", 40.0 - SHARE_TOLERANCE - 0.01, False),
        (40.0, "none", 40.0 + SHARE_TOLERANCE, True),
        (40.0, "none", 40.0 + SHARE_TOLERANCE + 0.01, False),
        (40.0, "none", None, False),
        (40.0, "user", 0.01, True),  # who is kept on stable stays there
        (40.0, "user", 0.0, False),
        (40.0, "user", 40.0 + SHARE_TOLERANCE + 0.01, False),
        (100.0, "user", 100.0 - SHARE_TOLERANCE - 0.01, False),
        (100.0, "user", 100.0 - SHARE_TOLERANCE, True),
    ],
)
def test_the_seen_share_may_miss_the_weight_by_so_much(observed, sticky, share, holds):
    release = shifting(replace(RULES, sticky=sticky), observed=observed)
    assert shared(release, evidence(release, share=share)) is holds


@pytest.mark.parametrize(
    ("allowed", "wanted"), [(49.99, 10.0), (50.0, 50.0), (99.99, 50.0), (100.0, 100.0), (-1.0, 10.0)]
)
def test_traffic_goes_to_the_largest_weight_that_is_allowed(allowed, wanted):
    release = knows(shifting(), allowed=allowed)
    assert see(release, Tick(BEGAN + 10)).release.wanted == wanted


@pytest.mark.parametrize(
    ("allowed", "wanted"), [(0.5, 0.5), (0.4, 0.1), (-1.0, 0.1), (math.nan, 0.1), (101.0, 0.1)]
)
def test_small_weights_are_no_exception(allowed, wanted):
    release = shifting(replace(RULES, ladder=(0.1, 0.5, 1, 100)), wanted=0.1, observed=0.1)
    assert see(knows(release, allowed=allowed), Tick(BEGAN + 10)).release.wanted == wanted


def test_a_new_weight_counts_from_when_it_was_decided():
    assert see(knows(shifting()), Tick(BEGAN + 10)).release.since == BEGAN + 10
    assert see(shifting(FINISH), Tick(BEGAN + 110)).release.since == BEGAN + 110
    assert promote(knows(shifting(), allowed=50.0)).since == promote(shifting()).since == BEGAN + 5
    unguarded = (Shift((10.0, 100.0), 10.0, guarded=False),)
    assert see(shifting(steps=unguarded), Tick(BEGAN + 10)).release.since == BEGAN + 10


def test_between_steps_that_people_wrote_it_goes_to_the_next_one_and_no_further():
    steps = (StepSpec(10, 10.0), StepSpec(20, 10.0), StepSpec(100, 10.0))
    later = see(knows(shifting(replace(RULES, steps=steps))), Tick(BEGAN + 10)).release
    assert (later.position, later.wanted) == (1, 20.0)
    held = see(knows(shifting(replace(RULES, steps=steps)), allowed=19.0), Tick(BEGAN + 10)).release
    assert (held.position, held.wanted) == (0, 10.0)


def test_a_step_without_an_end_waits_for_people():
    steps = (StepSpec(10, None), StepSpec(100, 0.0))
    release = shifting(replace(FINISH, steps=steps))
    assert see(knows(release, at=1e6), Tick(1e6)).release.wanted == 10.0
    confirmed = see(replace(release, step="w"), TrafficObserved("w", 4, 10.0, BEGAN))
    assert confirmed.effects == ()  # nothing to wake up for


def test_a_confirmed_weight_says_when_to_look_again():
    release = knows(shifting(step="w", waits="its pods"))
    after = see(release, TrafficObserved("w", 4, 10.0, BEGAN + 5))
    assert after.effects == (Wake(BEGAN + 15), Wake(BEGAN + 115))
    assert (after.release.since, after.release.evidence, after.release.waits) == (BEGAN + 5, None, "")


def test_a_confirmed_split_that_is_not_wanted_is_written_anew():
    after = see(shifting(step="w"), TrafficObserved("w", 4, 50.0, BEGAN + 5))
    assert [share.weight for share in after.effects[0].shares] == [90.0, 10.0]
    assert (after.release.observed, after.release.since) == (10.0, BEGAN)


@pytest.mark.parametrize(("after", "gone_on"), [(109.99, False), (110.0, True)])
@pytest.mark.parametrize("verdict", [Verdict.UNDECIDED, Verdict.SUSPECT])
def test_a_policy_that_finishes_does_so_when_patience_ends_and_never_under_suspicion(verdict, after, gone_on):
    later = see(knows(shifting(FINISH), verdict), Tick(BEGAN + after)).release
    assert later.wanted == (50.0 if gone_on and verdict is Verdict.UNDECIDED else 10.0)
    said = ("the time limit at 10 % came before the evidence",) if later.wanted == 50.0 else ()
    assert later.unproven == said


@pytest.mark.parametrize(("after", "said"), [(109.99, False), (110.0, True)])
def test_what_holds_for_longer_than_its_patience_says_so_once(after, said):
    once = see(shifting(), Tick(BEGAN + after))
    assert once.release.reason.startswith(HELD) is said
    assert any(isinstance(effect, ReportCommit) for effect in once.effects) is said
    assert see(once.release, Tick(BEGAN + after)).effects == ()


@pytest.mark.parametrize(("after", "ends"), [(29.99, False), (30.0, True)])
def test_a_watch_ends_when_its_time_is_over(after, ends):
    later = see(knows(watching(), at=BEGAN + after), Tick(BEGAN + after)).release
    assert later.phase is (Phase.PROMOTED if ends else Phase.WATCHING)


@pytest.mark.parametrize("strategy", [Strategy.CANARY, Strategy.BLUEGREEN])
@pytest.mark.parametrize("verdict", [Verdict.CLEARED, Verdict.UNDECIDED, Verdict.SUSPECT, None])
def test_a_watch_that_nothing_is_compared_in_ends_without_a_clearance_and_never_without_evidence(
    strategy, verdict
):
    release = watching(replace(RULES, strategy=strategy))
    if verdict is not None:
        release = knows(release, verdict, at=BEGAN + 31)
    enough = verdict is Verdict.CLEARED or (strategy is Strategy.BLUEGREEN and verdict is Verdict.UNDECIDED)
    assert (see(release, Tick(BEGAN + 31)).release.phase is Phase.PROMOTED) is enough


def test_a_watch_whose_traffic_is_elsewhere_does_not_end():
    release = knows(watching(), at=BEGAN + 31, share=100 - SHARE_TOLERANCE - 1)
    assert see(release, Tick(BEGAN + 31)).release.phase is Phase.WATCHING


@pytest.mark.parametrize(("after", "phase"), [(129.99, Phase.WATCHING), (130.0, Phase.PROMOTED)])
def test_a_watch_that_may_finish_without_evidence_does_when_patience_ends(after, phase):
    later = see(watching(FINISH), Tick(BEGAN + after)).release
    assert later.phase is phase
    assert later.unproven == (
        ("the time limit at 100 % came before the evidence",) if phase is Phase.PROMOTED else ()
    )


@pytest.mark.parametrize(("after", "phase"), [(19.99, Phase.SHADOWING), (20.0, Phase.SHIFTING)])
def test_users_see_a_candidate_that_its_copies_cleared_when_their_time_is_over(after, phase):
    later = see(knows(shadowing(), at=BEGAN + after), Tick(BEGAN + after)).release
    assert (later.phase, later.position, later.unproven) == (phase, int(phase is Phase.SHIFTING), ())


@pytest.mark.parametrize(("after", "copied"), [(119.99, True), (120.0, False)])
def test_copying_ends_with_the_patience_and_says_so(after, copied):
    first = see(shadowing(), Tick(BEGAN + after))
    assert (first.release.copied, first.release.reason.startswith(HELD)) == (copied, not copied)
    assert any(isinstance(effect, SetTraffic) for effect in first.effects) is not copied


def test_copying_that_has_ended_does_not_end_again():
    ended = shadowing(copied=False)
    assert see(ended, Tick(BEGAN + 130)) == Decision(ended, TARGET)


def test_copying_ends_while_it_is_paused_and_keeps_the_reason():
    later = see(shadowing(paused=True, reason="bob paused"), Tick(BEGAN + 120)).release
    assert (later.copied, later.reason) == (False, "bob paused")


@pytest.mark.parametrize(("after", "phase"), [(119.99, Phase.SHADOWING), (120.0, Phase.SHIFTING)])
def test_copies_that_did_not_clear_it_let_a_policy_that_finishes_go_on_when_patience_ends(after, phase):
    rules = replace(COPIES, when_undecided=WhenUndecided.FINISH)
    later = see(shadowing(rules), Tick(BEGAN + after)).release
    assert later.phase is phase
    assert later.unproven == (
        ("the time limit in the shadow came before the evidence",) if phase is Phase.SHIFTING else ()
    )


def test_what_is_waited_for_after_copying_is_counted_from_when_copying_began():
    release = shadowing(copied=False, step="w")
    after = see(release, TrafficObserved("w", 4, 0.0, BEGAN + 121))
    assert (after.release.since, after.effects) == (BEGAN, ())
    told = knows(replace(after.release, paused=True), Verdict.UNDECIDED)
    resumed = see(told, Command("resume", "rel-2", None, None, "bob", "cli", 300))
    assert (resumed.release.copied, resumed.release.since, resumed.release.paused) == (True, 300, False)
    assert resumed.release.evidence is None  # what was found before says nothing of these copies


def test_a_pause_holds_a_watch_and_copies_whatever_they_clear():
    for release in (watching(paused=True), shadowing(paused=True)):
        later = see(knows(release, at=BEGAN + 31), Tick(BEGAN + 31)).release
        assert (later.phase, later.wanted) == (release.phase, release.wanted)


def test_somebody_elses_change_is_told_once_and_only_while_nothing_is_on_its_way():
    once = see(shifting(), Drifted("ann set 30 %", BEGAN + 1))
    assert once.release.paused
    assert len(once.effects) == 1
    assert see(once.release, Drifted("ann set 30 %", BEGAN + 2)).effects == ()
    assert not see(shifting(wanted=50.0), Drifted("ann set 30 %", BEGAN + 1)).release.paused


def promote(release, verb="promote", reason=None):
    return see(release, Command(verb, "rel-2", None, reason, "bob", "cli", BEGAN + 5)).release


def test_people_go_on_to_the_next_weight_and_what_was_allowed_is_not_held_against_them():
    allowed, early = promote(knows(shifting(), allowed=50.0)), promote(knows(shifting(), allowed=49.0))
    assert (allowed.wanted, allowed.unproven) == (50.0, ())
    assert (early.wanted, early.unproven) == (50.0, ("bob went on",))
    assert promote(shifting(wanted=50.0)) == shifting(wanted=50.0)  # the router has not answered yet


def test_who_goes_on_by_hand_ends_a_pause():
    after = promote(shifting(paused=True, reason="bob paused", waits="its pods"))
    assert (after.paused, after.reason, after.waits, after.wanted) == (False, "", "", 50.0)


def test_people_end_a_watch_and_the_shadow():
    assert promote(watching()).phase is Phase.PROMOTED
    assert promote(watching()).unproven == ("bob went on",)
    cleared = promote(knows(shadowing(), at=BEGAN + 5))
    assert (cleared.phase, cleared.wanted, cleared.unproven) == (Phase.SHIFTING, 10.0, ())
    assert promote(shadowing()).unproven == ("bob went on",)
    assert promote(knows(shadowing(), Verdict.SUSPECT)).phase is Phase.SHADOWING
    override = promote(knows(shadowing(), Verdict.SUSPECT), "override", "INC-1")
    assert override.unproven == ("bob overrode its rules: INC-1", "bob went on: INC-1")


def test_the_largest_weight_that_it_ever_had_is_kept():
    later = see(knows(shifting(peak=70.0), allowed=50.0), Tick(BEGAN + 10)).release
    assert (later.wanted, later.peak) == (50.0, 70.0)
    assert see(knows(shifting()), Tick(BEGAN + 10)).release.peak == 100.0
