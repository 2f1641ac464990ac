"""The numbers on the page about guards are those of the code."""

import math
from dataclasses import replace

import pytest

from policies import ramp
from policies.evidence import Verdict
from policies.guards import betting, budget, noise, plan, planning, share, slo, threshold
from policies.guards.counted import Counted, Row
from policies.guards.drift import Scored
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.shifting import SHARE_TOLERANCE, STALE_AFTER
from policies.spec.declaration import Environment, Guard, GuardKind
from service import segue_yaml
from tests.docs.pages import text

ALIVE, SHARE = Guard("alive", GuardKind.ALIVE), Guard("share", GuardKind.SHARE)
STAKES = {kind.value: stake for kind, stake in planning.STAKES.items()}
SAID = (
    f"Default {Environment().false_rollbacks:.0%}".replace("%", " %"),
    f"(evidence of {budget.SUSPICION:g} or more)",
    f"for {len(betting.RATIOS)} alternatives, {min(betting.RATIOS):.2f} to {max(betting.RATIOS):g} times",
    f"per block of {noise.BLOCK / 60:g} minutes",
    f"at least {noise.LEAST_BLOCKS} blocks",
    f"they are {noise.PROVISIONAL.burst} and {noise.PROVISIONAL.spread}",
    f"half of it within {betting.ONSET / 60:g} observed minutes",
    f"more than {plan.EMERGENCY_LIMIT * 100:g} %",
    f"at least {slo.FLOOR * 100:g} %",
    f"A limit above {slo.CEILING * 100:g} %",
    f"`no_data_for` ({ALIVE.no_data_for:g} s), or more than `restarts` ({ALIVE.restarts})",
    f"`tolerance` ({SHARE.tolerance * 100:g} %",
    f"an evidence of {math.exp(share.ALARM):.0f};",
    f"Gamma({ramp.PRIOR_EVENTS}, {ramp.PRIOR_REQUESTS:g})",
    f"does not exclude at {ramp.WRONG * 100:g} %",
    f"larger of {ramp.LEAST_RISK * 100:g} % and half",
    f"400 requests bound the rate at {ramp.upper_bound(0, 400) * 100:.2f} %",
    f"4,000 at\n{ramp.upper_bound(0, 4000) * 100:.2f} %",
    f"errors {STAKES['errors']:g}, latency {STAKES['latency']:g}, labels {STAKES['labels']:g}, slo {STAKES['slo']:g}",
    f"the emergency guard of a warm-up {plan.EMERGENCY_STAKE:g}",
)


def judged(guards, looks):
    """When the named guard first says `suspect` and when something is harm (seconds), and its evidence after
    each look, by default guards and these, with provisional noise and without a warm-up."""
    file = f"name: a\nbuild: {{lock: a}}\nserve: {{run: a}}\nwarm_up: 0s\nguards: {guards[1]}\n"
    judge = Judge.of(segue_yaml.load(file.encode(), "a")[0].environments[0])
    state, held, evidence = judge.start(0.0), None, []
    for at, look in looks:
        for what in look:
            state = judge.observe(state, replace(what, sequence=state.sequence + 1, at=float(at)))
        found = next(one for one in judge.evidence(state, epoch=1).findings if one.guard == guards[0])
        evidence.append(dict(found.numbers).get("evidence"))
        if held is None and found.verdict is Verdict.SUSPECT:
            held = at
        if state.harm:
            return held, at, evidence
    return held, None, evidence


def looks(mine, theirs, *more, seconds=1, weight=10.0):
    """A minute and a half of the same look each so many seconds."""
    router = Increment(0, 0.0, float(seconds), weight, Arm(*mine), theirs and Arm(*theirs))
    return [(at, (router, *more)) for at in range(seconds, 91, seconds)]


def test_its_worked_examples_are_what_the_judge_does():
    page = " ".join(text("docs/reference/guards.md").split())
    held, back, evidence = judged(("errors", "{}"), looks((40, 2), (360, 0)))
    assert (held, back) == (2, 3)
    assert (
        "an evidence of {:.1f}, {:.0f} and {:.0f} after one, two and three seconds".format(*evidence) in page
    )
    held, back, _ = judged(("slo", "{slo: 1%}"), looks((100, 3), None, weight=100.0))
    assert f"held from second {held} on, and rolled back in second {back}" in page
    held, back, _ = judged(("share", "{}"), looks((30, 0), (70, 0)))
    assert back is None
    assert f"30 of 100 are `suspect` after {held} seconds" in page
    assert judged(("share", "{}"), looks((13, 0), (87, 0)))[0] is None
    scores = Scored(0, 0.0, "scores", (40.0, 40.0, 20.0), (540.0, 270.0, 90.0))
    guards = "scores", "{scores: {query: s_bucket, drift: show}}"
    _, back, evidence = judged(guards, looks((100, 0), (900, 0), scores, seconds=10))
    assert back is None
    assert f"after 20 s the evidence is {evidence[1]:,.0f}" in page
    empty = Counted(0, 0.0, 10.0, 10.0, "empty", (Row("", Arm(100, 8), Arm(900, 18)),))
    guards = "empty", "{empty: {query: e_total, of: p_total, worse_by: 10%}}"
    held, back, _ = judged(guards, looks((100, 0), (900, 0), empty, seconds=10))
    assert f"held after {held} s and rolled back after {back} s" in page


@pytest.mark.parametrize("said", SAID)
def test_each_number_is_the_codes(said):
    assert said in text("docs/reference/guards.md")


def test_the_fifth_minute_is_harm():
    assert threshold.MOST_FAILED == 5
    assert "the fifth minute above it is harm" in text("docs/reference/guards.md")


def test_how_old_and_how_far_off_evidence_may_be():
    page = " ".join(text("docs/how-it-works.md").split())
    assert f"at most {STALE_AFTER:g} seconds old" in page
    assert f"within {SHARE_TOLERANCE:g} points" in page
