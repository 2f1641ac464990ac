"""The simulated worlds: seeded, as they say they are; and judged and moved as in production."""

from dataclasses import replace

import numpy as np
import pytest

from policies.events import CheckFinished, EvidenceChanged, TrafficObserved, VersionReady, WorkloadReady
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from policies.guards.plan import History
from policies.release import Cause, Phase, Release, Serving, Target
from policies.rollout import advance
from policies.spec.declaration import Environment, Guard, GuardKind, StepSpec, Strategy, WhenUndecided
from service.worlds.latency import Latency
from service.worlds.many import Many, knows
from service.worlds.panels import OneByOne, increment_of
from service.worlds.rollouts import NEVER, walk
from service.worlds.traffic import Traffic, World

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0)
GUARDS = (
    Guard("errors", GuardKind.ERRORS),
    Guard("latency", GuardKind.LATENCY),
    Guard("alive", GuardKind.ALIVE),
    Guard("share", GuardKind.SHARE),
)
CANARY = Environment(guards=GUARDS, dwell=60.0, watch=120.0, patience=600.0)
STEPS = replace(
    CANARY,
    steps=(StepSpec(5, 120.0), StepSpec(25, 180.0), StepSpec(60, 60.0)),
    when_undecided=WhenUndecided.FINISH,
    guards=(*GUARDS, Guard("hard", GuardKind.SLO, limit=0.02)),
)
BOUND = replace(CANARY, guards=(GUARDS[0], replace(GUARDS[1], slower_than=0.25, worse_by=0.1), *GUARDS[2:]))
SLOW = replace(
    BOUND,
    guards=(
        *BOUND.guards,
        Guard("written", GuardKind.SLO, limit=0.1, slower_than=0.25),
        Guard("from the past", GuardKind.SLO, slower_than=0.25),
        Guard("of no bucket", GuardKind.SLO, limit=0.1, slower_than=0.3),
    ),
)
LENIENT = replace(CANARY, guards=(GUARDS[0], replace(GUARDS[1], worse_by=0.5), *GUARDS[2:]))
SWITCH = replace(CANARY, strategy=Strategy.BLUEGREEN)
PAST = History(40_000, 80)
WORLDS = {
    "good": World(60, 0.002),
    "twice as bad": World(200, 0.004, worse=2),
    "broken": World(60, 0.002, worse=30),
    "late": World(100, 0.002, worse=20, onset=300),
    "waves and an incident": World(80, 0.003, waves=0.5, incident=8, rising=4),
    "bursts and luck": World(80, 0.01, bursts=3, luck=0.8),
    "cold": World(80, 0.01, cold=5),
    "slower": World(80, 0.001, slower=Latency(slower=1.3)),
    "quiet": World(0.5, 0.02),
}


def judges(environment, runs, history=PAST, warmup=0.0):
    """Each with noise of its own, as if each had learned from a history of its own."""
    blocks = (300.0, 900.0)
    noises = [
        Noise(1 + run / 7, 0.03 + run / 9, provisional=False, block=blocks[run % 2], calm=run > 1)
        for run in range(runs)
    ]
    return [
        Judge.of(
            environment,
            history=history,
            warmup=warmup,
            noise={g.name: n for g in environment.guards} if run else None,
        )
        for run, n in enumerate(noises)
    ]


@pytest.mark.parametrize(
    ("environment", "warmup"),
    [(CANARY, 0.0), (LENIENT, 120.0), (BOUND, 0.0), (SLOW, 60.0), (STEPS, 0.0)],
    ids=["canary", "lenient with a warm-up", "one bound", "limits on slow requests", "steps"],
)
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_many_runs_in_arrays_are_judged_as_one_by_one_to_the_last_bit(world, environment, warmup):
    each = judges(environment, 4, None if world.rate < 1 else PAST, warmup)
    arrays, plain = Many(each, BOUNDS), OneByOne(each, BOUNDS)
    traffic, everyone = Traffic(world, 4, seed=17, bounds=BOUNDS), np.arange(4)
    for look in range(45):
        weights = np.array([2.0, 10.0, min(100.0, 5.0 * (look // 7 + 1) * 3), 0.0 if look < 5 else 100.0])
        tick = traffic.step(everyone, weights, 10.0)
        for panel in (arrays, plain):
            panel.observe(everyone, tick, weights)
        for index, bets in enumerate(arrays._rates):
            assert bets.log_e.tolist() == [s.comparisons[index].log_e for s in plain.states]
            assert bets.bets.tolist() == [list(s.comparisons[index].bets) for s in plain.states]
        for index, durations in enumerate(arrays._durations):
            assert durations.log_e.tolist() == [s.distributions[index].log_e for s in plain.states]
            assert durations.seen[0].tolist() == [s.distributions[index].bad for s in plain.states]
        for index, bets in enumerate(arrays._limits):
            assert bets.log_e.tolist() == [s.limits[index].log_e for s in plain.states]
        said, truth = arrays.verdicts(everyone), plain.verdicts(everyone)
        assert arrays.harmful(everyone).tolist() == plain.harmful(everyone).tolist()
        for mine, theirs in zip(said, truth, strict=True):
            np.testing.assert_array_equal(mine, theirs)


class Machine:
    """One run under the real machine, with a router that does at once what it is told."""

    def __init__(self, environment) -> None:
        stable = Serving("rel-1", 1, "v1", "sha256:1", "wine-v1", "http://127.0.0.1:1", 0.0)
        self.target = Target("wine/production", epoch=1, newest=1, stable=stable)
        cause = Cause("push", "ann", "git", "c" * 40)
        self.release = Release("rel-2", 2, "wine", "wine/production", environment, "v2", "wine-v2", cause)
        self.full = NEVER
        self.see(VersionReady("sha256:2", (), 0.0))
        self.see(WorkloadReady(self.release.step, "http://127.0.0.1:2", 0.0))
        self.obey(0.0)
        self.see(CheckFinished(self.release.step, "ok", 0.0))
        self.obey(0.0)

    def see(self, event) -> None:
        decision = advance(self.release, self.target, event)
        self.release, self.target = decision.release, decision.target

    def obey(self, at) -> None:
        one = self.release
        self.see(TrafficObserved(one.step, one.epoch, one.wanted, at))
        if self.release.observed == 100 and self.release.phase is not Phase.RESTORING:
            self.full = min(self.full, at)


@pytest.mark.parametrize("environment", [CANARY, STEPS, SWITCH], ids=["canary", "steps", "switch"])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_a_simulated_rollout_goes_the_way_of_the_release_machine(world, environment):
    horizon, runs = 1500.0, 2
    each = [Judge.of(environment, history=PAST)] * runs
    panel = Many(each, BOUNDS)
    seen: list[tuple] = []
    real_observe = panel.observe

    def remembered(who, tick, weights):
        seen.append((who, tick, weights))
        real_observe(who, tick, weights)

    panel.observe = remembered
    traffic = Traffic(world, runs, seed=23, bounds=BOUNDS)
    outcome = walk(environment, panel, traffic, every=10.0, horizon=horizon)
    for run in range(runs):
        machine, judge = Machine(environment), each[run]
        state = judge.start(0.0)
        ended = NEVER
        for who, tick, weights in seen:
            if run not in who:
                break
            row = who.tolist().index(run)
            assert machine.release.observed == weights[row], tick.at
            what = increment_of(tick, row, float(weights[row]), state.sequence + 1, BOUNDS)
            state = judge.observe(state, what)
            evidence = judge.evidence(state, epoch=machine.release.epoch, needs=False)
            machine.see(EvidenceChanged(evidence, tick.at))
            if machine.release.wanted != machine.release.observed:
                machine.obey(tick.at)
            if machine.release.final:
                ended = tick.at
        back = ended if machine.release.phase is Phase.ROLLED_BACK else NEVER
        assert (outcome.back[run], outcome.full[run]) == (back, machine.full)
        assert outcome.done[run] == (NEVER if machine.release.phase is Phase.ROLLED_BACK else ended)
        assert bool(outcome.unproven[run]) == any("time limit" in why for why in machine.release.unproven)


def test_an_unknown_kind_of_guard_is_left_to_the_judges_one_by_one():
    plain = Guard("old", GuardKind.THRESHOLD, limit=0.01)
    assert knows(Judge.of(CANARY))
    assert not knows(Judge.of(replace(CANARY, guards=(*GUARDS, plain))))


def ticks(world, seed, runs=50, looks=40, weight=10.0):
    traffic, everyone = Traffic(world, runs, seed, bounds=BOUNDS), np.arange(runs)
    return [traffic.step(everyone, np.full(runs, weight), 10.0) for _ in range(looks)]


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_seed_alone_decides(world):
    first, again, other = ticks(world, 1), ticks(world, 1), ticks(world, 2)
    for one, same in zip(first, again, strict=True):
        assert one.candidate.errors.tolist() == same.candidate.errors.tolist()
        assert one.stable.buckets.tolist() == same.stable.buckets.tolist()
    assert any(
        a.stable.requests.tolist() != b.stable.requests.tolist() for a, b in zip(first, other, strict=True)
    )


def test_counts_come_out_as_the_world_says():
    seen = ticks(World(500, 0.02, worse=3), 4)
    requests = sum(t.candidate.requests.sum() for t in seen)
    assert requests == pytest.approx(500 * 0.1 * 400 * 50, rel=0.01)
    assert sum(t.candidate.errors.sum() for t in seen) / requests == pytest.approx(0.06, rel=0.05)
    assert sum(t.wrong.sum() for t in seen) == pytest.approx(0.04 * requests, rel=0.05)
    stable = sum(t.stable.requests.sum() for t in seen)
    assert sum(t.stable.errors.sum() for t in seen) / stable == pytest.approx(0.02, rel=0.05)
    for tick in seen:
        assert (tick.candidate.buckets.sum(axis=-1) == tick.candidate.requests).all()


def test_bursts_keep_the_rate_and_make_failures_come_in_bunches():
    def spread(world):
        errors = np.concatenate([t.stable.errors for t in ticks(world, 5, looks=100)])
        return errors.mean(), errors.var() / errors.mean()

    (plain_mean, plain), (bursts_mean, bunched) = spread(World(100, 0.01)), spread(World(100, 0.01, bursts=3))
    assert bursts_mean == pytest.approx(plain_mean, rel=0.1)
    assert plain < 1.2
    assert bunched > 3


def test_luck_is_between_the_arms_and_an_incident_is_not():
    def log_ratio(world):
        seen = ticks(world, 6, runs=200, looks=12, weight=50.0)
        mine = sum(t.candidate.errors for t in seen)
        theirs = sum(t.stable.errors for t in seen)
        return np.log(mine / theirs).std()

    assert log_ratio(World(5000, 0.02, luck=0.5)) > 0.3
    assert log_ratio(World(5000, 0.02, incident=10, incident_seconds=7200)) < 0.1


def test_a_version_turns_bad_at_its_onset():
    seen = ticks(World(1000, 0.01, worse=20, onset=200), 7)
    before = sum(t.candidate.errors.sum() / t.candidate.requests.sum() for t in seen[:20]) / 20
    after = sum(t.candidate.errors.sum() / t.candidate.requests.sum() for t in seen[20:]) / 20
    assert before == pytest.approx(0.01, rel=0.1)
    assert after == pytest.approx(0.2, rel=0.05)


def test_latency_is_stretched_where_it_should_be():
    plain = Latency()
    slower, tail = replace(plain, slower=1.1), replace(plain, tail=2.0)
    for share in (0.5, 0.9, 0.99):
        assert slower.quantile(share) == pytest.approx(1.1 * plain.quantile(share), rel=1e-3)
    assert tail.quantile(0.99) == pytest.approx(2 * plain.quantile(0.99), rel=1e-3)
    assert tail.quantile(0.5) < 1.1 * plain.quantile(0.5)
    like = Latency.like(0.08, 0.9)
    assert (like.quantile(0.5), like.quantile(0.99)) == (
        pytest.approx(0.08, rel=1e-3),
        pytest.approx(0.9, rel=1e-3),
    )
    assert plain.shares(BOUNDS).sum() == pytest.approx(1)


def test_what_a_run_costs_is_what_its_candidate_got():
    each = [Judge.of(CANARY, history=PAST)] * 20
    outcome = walk(
        CANARY, Many(each, BOUNDS), Traffic(WORLDS["broken"], 20, 3, bounds=BOUNDS), every=10.0, horizon=3600
    )
    assert np.isfinite(outcome.back).all()
    assert not np.isfinite(outcome.full).any()
    assert (outcome.failed <= outcome.requests).all()
    assert 0 < np.median(outcome.failed) < 12
