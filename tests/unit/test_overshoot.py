"""What a bet could win beyond harm is bet on reaching it: a fair bet still, and the earlier at its goal."""

import math

import numpy as np
import pytest

from policies.guards import betting, budget, noise, overshoot, rate, stakes
from policies.guards.fixed import from_json, to_json
from policies.guards.judge import Judge
from policies.guards.noise import Noise, Pair
from policies.guards.plan import History
from policies.spec.declaration import Environment, Guard, GuardKind

GOAL = math.log(150)
CALM = Noise(1.0, 0.05, provisional=False, calm=True)
STEADY, BURSTS = (
    Noise(1.0, 0.35, provisional=False, calm=True),
    Noise(1.2, 0.05, provisional=False, calm=True),
)
NEAR = (11.0, 35.0)  # of a first interval, after which the goal is near
SOON, LATER = 20.0, 400.0  # in the same block of time, and in the next
LIFTED = overshoot.lifted


def after(bad, *, of, kind=CALM, goal=GOAL, state=None, at=SOON):
    """E after an interval with so many bad requests of both versions, and the state; a tenth of all requests are the
    candidate's."""
    state = rate.update(
        state or rate.start(),
        bad=bad,
        requests=1000.0,
        stable_bad=of - bad,
        stable_requests=9000.0,
        at=at,
        seconds=10.0,
        worse_by=0.0,
        noise=kind,
        goal=goal,
    )
    return math.exp(state.log_e), state


def near(kind):
    """A state from which one interval may lead to the goal."""
    before, state = after(NEAR[0], of=NEAR[1], kind=kind, goal=math.inf, at=10.0)
    assert math.exp(GOAL - 4) < before < math.exp(GOAL)
    return before, state


def chances(state, total, spread, at):
    """Of 0, 1, ... of the next bad requests being the candidate's: a beta-binomial, by its gammas; without
    any spread a binomial."""
    ways = [math.comb(total, x) for x in range(total + 1)]
    if spread == 0:
        return np.array([n * 0.1**x * 0.9 ** (total - x) for x, n in enumerate(ways)])
    size = 1 / (0.09 * spread**2) - 1
    drawn = state.information / 0.09 if at == SOON else 0.0
    mine = 0.1 * size + min(max(state.score + 0.1 * drawn, 0.0), drawn)
    theirs = size + drawn - mine
    logs = [
        math.log(n)
        + math.lgamma(mine + x)
        + math.lgamma(theirs + total - x)
        - math.lgamma(mine + theirs + total)
        - math.lgamma(mine)
        - math.lgamma(theirs)
        + math.lgamma(mine + theirs)
        for x, n in enumerate(ways)
    ]
    return np.exp(logs)


def outcomes(state, total, kind, goal=GOAL, at=SOON):
    """E after each outcome of an interval."""
    row = [after(float(x), of=total, kind=kind, goal=goal, state=state, at=at)[0] for x in range(total + 1)]
    return np.array(row)


@pytest.mark.parametrize("at", [SOON, LATER], ids=["in the block", "in a new block"])
@pytest.mark.parametrize("kind", [CALM, STEADY, BURSTS], ids=["calm", "a wide model", "counts divided"])
@pytest.mark.parametrize("total", [1, 3, 12, 60])
def test_what_is_cut_off_at_the_goal_is_worth_what_is_added_below_it(total, kind, at):
    before, state = near(kind)
    plain = outcomes(state, total, kind, math.inf, at)
    lifted = outcomes(state, total, kind, GOAL, at)
    changes = []
    for spread in (0.0, kind.spread / 2, kind.spread):  # noise as the model has it, or less of it
        chance = chances(state, total, spread, at)
        assert chance.sum() == pytest.approx(1)
        assert (chance * lifted).sum() <= before * (1 + 1e-8)
        assert (chance * (lifted - plain)).sum() <= before * 1e-8
        changes.append((chance * (lifted - plain)).sum())
    assert (np.diff(lifted) >= -1e-9 * before).all()
    if (lifted != plain).any():
        # What is cut off is added, by the chances that make it worth less.
        assert max(changes[0], changes[-1]) == pytest.approx(0, abs=1e-5 * before)
        assert lifted.max() == pytest.approx(math.exp(GOAL))


def test_an_interval_that_may_lead_beyond_the_goal_leads_to_it_sooner():
    _, state = near(CALM)
    plain, lifted = outcomes(state, 12, CALM, math.inf), outcomes(state, 12, CALM)
    below = plain < math.exp(GOAL)
    assert (lifted[below] > plain[below] * 1.001).all()
    assert lifted[~below] == pytest.approx(math.exp(GOAL))
    assert (lifted >= math.exp(GOAL)).sum() >= (~below).sum()


@pytest.mark.parametrize("total", [12, 40])
def test_what_is_added_is_chosen_before_anybody_knows_whose_the_bad_requests_are(total):
    _, state = near(CALM)
    kept = 1 - rate.betting.spent(np.float64(20.0))
    plain, lifted = outcomes(state, total, CALM, math.inf), outcomes(state, total, CALM)
    factor = ((lifted - kept) / (plain - kept))[lifted < math.exp(GOAL) * (1 - 1e-6)]
    assert len(factor) > 1
    assert factor[0] > 1
    assert factor == pytest.approx(np.full(len(factor), factor[0]), rel=1e-9)


def test_outcomes_counted_one_after_the_other_are_those_of_draws():
    """Of large urns and small ones, whole counts and divided ones, many and one."""
    dice, runs = np.random.default_rng(4), 60
    share, spread = 10.0 ** dice.uniform(-4, -0.01, runs), 10.0 ** dice.uniform(-3, 0.17, runs)
    burst = np.where(np.arange(runs) % 3, 1 + dice.exponential(1.0, runs), 1.0)
    bad = dice.integers(1, overshoot.MOST, runs, endpoint=True)
    kinds = Noise(burst, spread[:, None], provisional=False, calm=True)
    shares = betting.shares((share / (1 - share))[:, None] * np.append(1.0, betting.RATIOS))
    base = betting.balls(
        (betting.ALL, betting.Urn(*np.zeros((3, runs)))), null=share, shares=shares, noise=kinds
    )
    found = overshoot._ratios(base, bad, burst, overshoot.MOST)
    for run, (total, part) in enumerate(zip(bad, 1 / burst, strict=True)):
        mine = np.arange(total + 1.0)[:, None]
        more = np.stack([mine * part, (total - mine) * part, total * part + 0 * mine])
        rising = betting.log_rising(base[:, run, None] + 0 * more, more + 0 * base[:, run, None])
        logs = rising[0] + rising[1] - rising[2]
        drawn = np.exp(logs[:, 1:] - logs[:, :1]).T
        assert found[run, :, : total + 1] == pytest.approx(drawn, rel=1e-9)
        alone = overshoot._ratios(base[:, run], bad[run], burst[run], int(total))
        assert (alone == found[run, :, : total + 1]).all()


def test_bets_near_the_goal_are_the_same_bits_for_many_and_for_one():
    """Whatever noise its neighbours have, and however many bad requests."""
    kinds, totals = [CALM, STEADY, BURSTS, Noise(1.0, 0.05, provisional=False)], [0, 1, 7, 40]
    states = [near(kind)[1] for kind in kinds for _ in totals]
    rows = [(kind, float(total)) for kind in kinds for total in totals]
    tracks = [rate.tracks([state]) for state in states]
    bets, fits, seconds, pool = (
        np.array([getattr(one, name) for one in tracks]) for name in ("bets", "fits", "seconds", "pool")
    )
    urn = rate.Urn(*(np.array(part) for part in zip(*(one.urn for one in tracks), strict=True)))
    of_all = [np.array([getattr(kind, name) for kind, _ in rows]) for name in ("burst", "spread", "calm")]
    burst, spread, calm = of_all
    found = rate.advance(
        rate.Track(bets, fits, urn, seconds, pool, urn),
        np.array([total // 8 for _, total in rows]),
        np.full(len(rows), 1000.0),
        np.array([total - total // 8 for _, total in rows]),
        np.full(len(rows), 9000.0),
        at=np.full(len(rows), SOON),
        seconds=10.0,
        worse_by=0.0,
        noise=Noise(burst, spread[:, None], provisional=False, calm=calm),
        goal=GOAL,
    )
    alone = [
        after(total // 8, of=total, kind=kind, state=state)[1]
        for (kind, total), state in zip(rows, states, strict=True)
    ]
    assert found.bets.tolist() == [list(one.bets) for one in alone]
    assert found.fits.tolist() == [list(one.fits) for one in alone]


def capital(goal):
    """E of equal versions when it stops: at the goal, or after 25 intervals with a bad request or so each."""
    runs = 1000
    dice, track = np.random.default_rng(8), rate.start_track((runs,))
    stopped = np.zeros(runs)
    for look in range(25):
        total = dice.poisson(1.0, runs)
        bad = dice.binomial(total, 0.03)
        track = rate.advance(
            track._replace(fits=np.zeros((runs, 0))),
            bad,
            np.full(runs, 300.0),
            total - bad,
            np.full(runs, 9700.0),
            at=np.full(runs, 10.0 * (look + 1)),
            seconds=10.0,
            worse_by=0.0,
            noise=CALM,
            goal=goal,
        )
        found = np.exp(rate.log_evidence(track))
        stopped = np.where((stopped == 0) & (found >= math.exp(goal)), found, stopped)
    return np.where(stopped == 0, found, stopped), stopped > 0


def errors_above_one(found):
    """How many standard errors the mean capital is above what it was at first."""
    return (found.mean() - 1) / (found.std() / math.sqrt(len(found)))


def test_equal_versions_reach_the_goal_no_more_often_than_it_allows():
    plain, _ = capital(math.inf)
    found, reached = capital(math.log(4))
    assert plain.max() > 4
    assert found.max() == pytest.approx(4)
    assert abs(errors_above_one(found)) < 3  # fair, whenever one stops
    assert 0 < reached.mean() < 0.25


def twice(bets, after, goal, factor):
    return LIFTED(bets, after, goal, None if factor is None else factor**2)


def by_the_outcome(bets, after, goal, factor):
    """More where something was won."""
    won = rate.betting.log_evidence(bets, after) > math.log(1.5)
    return LIFTED(bets, after, goal, None if factor is None else np.where(won, factor**3, 1.0))


@pytest.mark.parametrize("cheat", [twice, by_the_outcome])
def test_a_gain_taken_twice_or_by_the_outcome_would_be_seen(monkeypatch, cheat):
    monkeypatch.setattr(overshoot, "lifted", cheat)
    found, _ = capital(math.log(4))
    assert errors_above_one(found) > 3


def test_beyond_the_goal_a_bet_is_as_ever():
    _, state = after(60.0, of=60.0, at=10.0)
    assert state.log_e > GOAL + 50
    assert after(60.0, of=60.0, state=state) == after(60.0, of=60.0, goal=math.inf, state=state)


def test_only_calm_noise_and_a_near_goal_change_a_bet():
    _, far = after(2.0, of=20.0)
    assert far == after(2.0, of=20.0, goal=math.inf)[1]
    _, state = near(CALM)
    restless = Noise(1.0, 0.05, provisional=False)
    assert after(1.0, of=5.0, kind=restless, state=state) == after(1.0, of=5.0, goal=math.inf, state=state)
    assert after(1.0, of=5.0, state=state) != after(1.0, of=5.0, goal=math.inf, state=state)
    # Neither what was no count, nor so many that their outcomes would take long, is worked out.
    for total in (5.5, overshoot.MOST + 1.0):
        plain = after(1.0, of=total, goal=math.inf, state=state)
        assert after(1.0, of=total, state=state) == plain


def test_the_goal_is_where_the_guard_alone_is_harm_beside_stable():
    guards = (
        Guard("errors", GuardKind.ERRORS, segments=("region",)),
        Guard("latency", GuardKind.LATENCY),
        Guard("slow", GuardKind.LATENCY, slower_than=0.5),
        Guard("labels", GuardKind.LABELS, drop=0.01, within=600.0),
        Guard("hard", GuardKind.SLO, limit=0.02),
    )
    for warmup in (0.0, 120.0):
        plan = Judge.of(Environment(guards=guards), history=History(1e5, 100), warmup=warmup).plan
        parts = stakes.stakes(plan, Judge(plan).start(0.0))
        total = sum(part.weight for part in parts)
        for guard in plan.comparisons:
            assert plan.harm_at(guard.stake) == pytest.approx(
                budget.threshold(guard.stake, total, plan.false_rollbacks), rel=1e-12
            )


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
    # A release that began before this was known goes on as it began.
    assert not from_json({"history": None, "noise": {"errors": [1.1, 0.1, 300.0]}})[1]["errors"].calm
