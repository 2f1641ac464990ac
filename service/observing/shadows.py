"""From pairs to what a judge is told of them: counts for each of its tests, and scores in bins. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from policies.guards.drift import Scored
from policies.guards.paired import Classed, Paired, Tally
from policies.guards.plan import OnPairs, Plan, ShadowTest
from service.recorder.spool import Lost, Note, Pair

ENOUGH_SCORES = 100  # of stable, from which the bins are made
BINS = 10


@dataclass(frozen=True, slots=True)
class Taken:
    """A release's notes: its pairs, and how many copies came to nothing."""

    pairs: tuple[Pair, ...]
    lost: int


def of_release(notes: Iterable[Note], candidate: str, stable: str | None, since: float) -> Taken:
    """Of a target's notes those that are about these two versions, since the release began."""
    fresh = [note for note in notes if note.at >= since]
    pairs = (n for n in fresh if isinstance(n, Pair) and (n.candidate, n.stable) == (candidate, stable))
    return Taken(tuple(pairs), sum(note.count for note in fresh if isinstance(note, Lost)))


def told(plan: Plan, taken: Taken, sequence: int, at: float) -> Paired:
    """The counts for each test of the plan."""
    tallies = tuple(_tally(test, taken.pairs) for test in plan.shadows if test.what is not OnPairs.FLIPS)
    return Paired(sequence, at, len(taken.pairs), taken.lost, tallies, _classes(taken.pairs))


def edges(scores: Sequence[float]) -> tuple[float, ...]:
    """Bounds of bins that each hold as many of stable's scores; none while there are too few."""
    if len(scores) < ENOUGH_SCORES:
        return ()
    return tuple(sorted(set(quantiles(scores, n=BINS))))


def scored(guard: str, bounds: Sequence[float], pairs: Iterable[Pair], sequence: int, at: float) -> Scored:
    """Both versions' scores in these bins."""
    mine, theirs = [0.0] * (len(bounds) + 1), [0.0] * (len(bounds) + 1)
    for one in pairs:
        if one.score is not None and one.stable_score is not None:
            mine[sum(bound < one.score for bound in bounds)] += 1
            theirs[sum(bound < one.stable_score for bound in bounds)] += 1
    return Scored(sequence, at, guard, tuple(mine), tuple(theirs))


def _tally(test: ShadowTest, pairs: Sequence[Pair]) -> Tally:
    outcomes = [found for one in pairs if (found := _outcome(test, one)) is not None]
    return Tally(
        test.name,
        len(outcomes),
        outcomes.count((True, False)),
        outcomes.count((False, True)),
        outcomes.count((True, True)),
    )


def _outcome(test: ShadowTest, one: Pair) -> tuple[bool, bool] | None:
    """For which version the pair is bad, the candidate first; None where it says nothing to this test."""
    failed, theirs_failed = _failed(one.status), _failed(one.stable_status)
    if test.what is OnPairs.ERRORS:
        return failed, theirs_failed
    if failed or theirs_failed:
        return None
    match test.what:
        case OnPairs.SLOW:
            return one.seconds > test.slower_than, one.stable_seconds > test.slower_than
        case OnPairs.SLOWER:
            slower = one.seconds > one.stable_seconds * test.growth
            return slower, not slower
        case _:
            return None if one.same is None else (not one.same, False)


def _classes(pairs: Sequence[Pair]) -> tuple[Classed, ...]:
    counts: dict[str, list[int]] = {}
    for one in pairs:
        if one.same is not None and one.stable_said is not None and not _failed(one.stable_status):
            count = counts.setdefault(one.stable_said, [0, 0])
            count[0] += 1
            count[1] += not one.same
    return tuple(Classed(name, *count) for name, count in counts.items())


def _failed(status: int) -> bool:
    return status == 0 or status >= 500
