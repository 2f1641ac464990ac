"""A policy over recorded intervals: what it would have done and when, and how often it would have been wrong.

The judge is the one that decides in a rollout, fed the same numbers in the same order. The traffic stays
as it was recorded: what another policy would have done to the weights is not made up.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from policies import ramp
from policies.evidence import Verdict
from policies.guards import stakes, trail
from policies.guards.heartbeat import Alive
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.guards.trail import Recorded, Seen
from policies.spec.declaration import Environment
from service.reporting.data import capped
from service.showing import views


def outcome(environment: Environment, recorded: Recorded) -> dict[str, Any]:
    """What a policy says of recorded intervals: `verdict` is the last; `harm`: when and by what, or null.

    Counts end where it would have rolled back: afterwards the candidate would have had no traffic.
    """
    judge = Judge.of(environment, history=recorded.history, noise=recorded.noise)
    requests = failed = highest = 0.0
    held = seen = 0
    look = None
    for look in trail.follow(judge, recorded):
        seen += 1
        if isinstance(look.what, Increment) and look.what.weight > 0:
            requests += look.what.candidate.requests
            failed += look.what.candidate.errors
        together = stakes.combined(judge.plan, look.state)
        highest = max(highest, capped(together.log_e))
        held += together.suspect and not look.state.harm
        if look.state.harm:
            break
    found: dict[str, Any] = {
        "intervals": seen,
        "requests": requests,
        "failed": failed,
        "held": held,
        "highest_evidence": highest,
        "harm_at": 1 / environment.false_rollbacks,
        "verdict": Verdict.UNDECIDED.value,
        "harm": None,
        "findings": [],
    }
    if look is None:
        return found
    evidence = judge.evidence(look.state, epoch=0, at=look.state.at, needs=False)
    found |= {"verdict": evidence.verdict.value, "findings": [views.finding(f) for f in evidence.findings]}
    if look.state.harm:
        after = look.state.at - recorded.at
        found["harm"] = {"guards": list(look.state.harm), "at": look.state.at, "after": after}
    return found


def wrong_rollbacks(
    environment: Environment, recorded: Recorded, *, splits: int, share: float, seed: int
) -> dict[str, Any]:
    """How often the policy rolls back stable against itself: its requests dealt into two arms at random.

    `share` (fraction) goes to the pretended candidate. Requests are dealt one by one, so what differs between
    pods is not in it: it tells whether the policy bears this traffic, not whether it bears these pods.
    """
    dice = np.random.default_rng(seed)
    wrong = sum(
        outcome(environment, replace(recorded, seen=tuple(_split(recorded, share, dice))))["harm"] is not None
        for _ in range(splits)
    )
    low, high = ramp.bounds(wrong, splits)
    return {"splits": splits, "rolled_back": wrong, "interval": [low, high], "share": share, "seed": seed}


def _split(recorded: Recorded, share: float, dice: np.random.Generator) -> Iterator[Seen]:
    """Stable's own requests as two versions; intervals in which stable had none are left out."""
    for what, _ in recorded.seen:
        if not isinstance(what, Increment) or what.stable is None or what.stable.requests < 1:
            continue
        requests, errors = round(what.stable.requests), round(what.stable.errors)
        mine = int(dice.binomial(requests, share))
        bad = int(dice.hypergeometric(errors, requests - errors, mine)) if mine else 0
        arms = Arm(float(mine), float(bad)), Arm(float(requests - mine), float(errors - bad))
        # Durations were counted apart from failures, so they are dealt apart.
        yield replace(what, weight=100 * share, candidate=arms[0], stable=arms[1], bounds=()), Alive()
