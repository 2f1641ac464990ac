"""What a bet could win beyond harm is bet on reaching it: a fair bet still, and the earlier at its goal."""

import math

import numpy as np
import pytest

from policies.guards import noise, rate
from policies.guards.fixed import from_json, to_json
from policies.guards.noise import Noise, Pair

CALM = Noise(1.0, 0.05, provisional=False, calm=True)
GOAL = math.log(150)
BAD, STABLE_BAD = 9.0, 24.0  # of a first interval, after which the goal is near


def after(bad, *, of, kind=CALM, goal=GOAL, state=None):
    """E after an interval with so many bad requests of both versions, and the state; a tenth are hers."""
    state = rate.update(
        state or rate.start(),
        bad=bad,
        requests=1000.0,
        stable_bad=of - bad,
        stable_requests=9000.0,
        at=10.0 if state is None else 20.0,
        seconds=10.0,
        worse_by=0.0,
        noise=kind,
        goal=goal,
    )
    return math.exp(state.log_e), state


def chances(state, total, spread):
    """Of 0, 1, ... of the next bad requests being the candidate's: a beta-binomial, by its gammas."""
    size = 1 / (0.09 * spread**2) - 1
    drawn = state.information / 0.09
    mine = 0.1 * size + min(max(state.score + 0.1 * drawn, 0.0), drawn)
    theirs = size + drawn - mine
    logs = [
        math.log(math.comb(total, x))
        + math.lgamma(mine + x)
        + math.lgamma(theirs + total - x)
        - math.lgamma(mine + theirs + total)
        - math.lgamma(mine)
        - math.lgamma(theirs)
        + math.lgamma(mine + theirs)
        for x in range(total + 1)
    ]
    return np.exp(logs)


@pytest.mark.parametrize("total", [1, 3, 12, 60])
def test_what_is_cut_off_at_the_goal_is_added_below_it_and_no_more(total):
    kind = CALM
    before, state = after(BAD + 2, of=BAD + 2 + STABLE_BAD, kind=kind)
    assert math.exp(GOAL - 4) < before < math.exp(GOAL)
    chance = chances(state, total, 0.05)
    plain = np.array(
        [after(float(x), of=total, kind=kind, goal=math.inf, state=state)[0] for x in range(total + 1)]
    )
    lifted = np.array([after(float(x), of=total, kind=kind, state=state)[0] for x in range(total + 1)])
    assert (chance * plain).sum() == pytest.approx(before, rel=1e-6)
    assert (chance * lifted).sum() == pytest.approx(before, rel=1e-6)
    assert plain.max() > math.exp(GOAL) >= lifted.max() * (1 - 1e-8)
    assert (lifted[plain < math.exp(GOAL)] > plain[plain < math.exp(GOAL)]).all()
    assert (np.diff(lifted) >= 0).all()


def test_only_calm_noise_and_a_near_goal_change_a_bet():
    _, far = after(2.0, of=20.0)
    assert far == after(2.0, of=20.0, goal=math.inf)[1]
    _, near = after(BAD + 2, of=BAD + 2 + STABLE_BAD)
    restless = Noise(1.0, 0.05, provisional=False)
    assert after(1.0, of=5.0, kind=restless, state=near) == after(1.0, of=5.0, goal=math.inf, state=near)
    assert after(1.0, of=5.0, state=near) != after(1.0, of=5.0, goal=math.inf, state=near)


def test_a_history_of_luck_alone_is_calm_and_the_store_knows():
    dice = np.random.default_rng(5)

    def learned(spread):
        pairs = []
        for block in range(48):
            luck = math.exp(dice.normal(0, spread))
            pairs += [
                Pair(
                    block * 300.0 + 10 * i,
                    dice.binomial(500, 0.01 * luck),
                    500,
                    dice.binomial(500, 0.01),
                    500,
                )
                for i in range(30)
            ]
        return noise.estimate(pairs)

    calm, restless = learned(0.0), learned(0.5)
    assert calm.calm
    assert not restless.calm
    kept = to_json(None, {"errors": calm, "slow": restless})
    assert from_json(kept)[1] == {"errors": calm, "slow": restless}
    assert not from_json({"history": None, "noise": {"errors": [1.1, 0.1, 300.0]}})[1]["errors"].calm
