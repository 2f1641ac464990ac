"""Many rollouts judged together come to what each comes to alone, to the last bit."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.guards import wagers
from policies.guards.heartbeat import Alive
from policies.guards.increment import Arm, Gap, Increment
from policies.guards.judge import Judge
from policies.guards.noise import PROVISIONAL, Noise
from policies.guards.rate import Bet
from policies.spec.declaration import Environment, Guard, GuardKind

BOUNDS = (0.1, 0.5)
ERRORS, LATENCY = Guard("errors", GuardKind.ERRORS), Guard("latency", GuardKind.LATENCY)
LOOSE = replace(ERRORS, worse_by=0.5)
SLOW = Guard("slow", GuardKind.LATENCY, slower_than=BOUNDS[0])
CALM = Noise(1.0, 0.05, provisional=False, calm=True)
NOISY = Noise(2.0, 0.6, provisional=False, block=900.0)
GUARDS = st.sampled_from([(ERRORS,), (LATENCY,), (ERRORS, LATENCY), (LATENCY, LOOSE), (ERRORS, SLOW), ()])
NOISES = st.sampled_from([PROVISIONAL, CALM, NOISY])


@st.composite
def judges(draw):
    guards, noise = draw(GUARDS), draw(NOISES)
    environment = Environment(guards=guards, false_rollbacks=draw(st.sampled_from([0.01, 0.05])))
    warmup = draw(st.sampled_from([0.0, 25.0]))
    return Judge.of(environment, noise={guard.name: noise for guard in guards}, warmup=warmup)


@st.composite
def arms(draw, *, timed):
    buckets = tuple(float(draw(st.integers(0, 40))) for _ in range(len(BOUNDS) + 1))
    requests = sum(buckets)
    errors = min(requests, draw(st.sampled_from([0.0, 0.0, 1.0, 12.0])))
    return Arm(requests, errors, buckets if timed else ())


@st.composite
def intervals(draw):
    """Without a place in a sequence."""
    if draw(st.integers(0, 9)) == 0:
        return Gap(0, 0.0, "nothing came", silent=True)
    timed, stable = draw(st.booleans()), draw(st.integers(0, 5)) > 0
    return Increment(
        0,
        0.0,
        10.0,
        draw(st.sampled_from([10.0, 50.0, 100.0])) if stable else 100.0,
        draw(arms(timed=timed)),
        draw(arms(timed=timed)) if stable else None,
        BOUNDS if timed else (),
    )


ROLLOUTS = st.lists(
    st.tuples(judges(), st.lists(intervals(), min_size=6, max_size=6)), min_size=1, max_size=9
)


@settings(max_examples=60)
@given(ROLLOUTS)
def test_rollouts_that_are_judged_together_come_to_the_bits_of_each_alone(rollouts):
    alone = together = [judge.start(0.0) for judge, _ in rollouts]
    for look in range(6):
        seen = [replace(rows[look], sequence=look, at=10.0 * (look + 1)) for _, rows in rollouts]
        alone = [
            judge.observe(state, what) for (judge, _), state, what in zip(rollouts, alone, seen, strict=True)
        ]
        together = wagers.settled(
            [
                judge.observing(state, what, Alive())
                for (judge, _), state, what in zip(rollouts, together, seen, strict=True)
            ]
        )
        assert together == alone
        judged = [judge for judge, _ in rollouts]
        found = wagers.settled(
            [judge.saying(state, epoch=1) for judge, state in zip(judged, together, strict=True)]
        )
        assert found == [judge.evidence(state, epoch=1) for judge, state in zip(judged, alone, strict=True)]


def test_each_keeps_its_place_however_often_it_bets():
    def asking(number):
        for _ in range(number % 3):
            yield []
        return number

    assert wagers.settled([asking(number) for number in range(20)]) == list(range(20))


def test_alike_bets_are_settled_in_one_go(monkeypatch):
    """Or there would be no use in it: of a hundred rollouts with one guard each, one calculation."""
    judge = Judge.of(Environment(guards=(ERRORS,)))
    states, sizes = [judge.start(0.0)] * 100, []
    settle = wagers._SETTLE[Bet]

    def counted(bets):
        sizes.append(len(bets))
        return settle(bets)

    monkeypatch.setitem(wagers._SETTLE, Bet, counted)
    what = Increment(0, 1.0, 1.0, 50.0, Arm(100.0, 3.0), Arm(100.0, 2.0))
    wagers.settled([judge.observing(state, what) for state in states])
    assert sizes == [100]


def test_what_a_judge_cannot_do_is_heard_of():
    def failing():
        yield []
        raise ValueError("not this one")

    with pytest.raises(ValueError, match="not this one"):
        wagers.settled([failing()])


def test_what_older_code_stored_is_asked_beside_what_this_code_did():
    """Its interval had a finer grid, until the next bet."""
    judge = Judge.of(Environment(guards=(ERRORS,)))
    what = Increment(0, 1.0, 10.0, 10.0, Arm(50.0, 1.0), Arm(450.0, 1.0))
    state = judge.observe(judge.start(0.0), what)
    (one,) = state.comparisons
    older = replace(state, comparisons=(replace(one, fits=(0.0,) * (2 * len(one.fits) + 9)),))
    first, second = wagers.settled([judge.saying(which, epoch=1) for which in (state, older)])
    assert [found.needed for found in first.findings] == [found.needed for found in second.findings]
