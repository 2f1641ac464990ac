"""The numbers on the page about guards are those of the code."""

import math

import pytest

from policies import ramp
from policies.guards import betting, budget, noise, plan, share, slo, threshold
from policies.shifting import SHARE_TOLERANCE, STALE_AFTER
from policies.spec.declaration import Environment, Guard, GuardKind
from tests.docs.pages import text

ALIVE, SHARE = Guard("alive", GuardKind.ALIVE), Guard("share", GuardKind.SHARE)
STAKES = {kind.value: stake for kind, stake in plan.STAKES.items()}
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
