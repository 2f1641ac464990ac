"""What one reading of the router's counters says of a rollout: an interval, or why it says nothing."""

from dataclasses import replace

from policies import seen_share
from policies.guards.increment import Gap, Increment, difference
from service.observing.judged import Judged
from service.observing.watched import Watched
from service.ports.metrics import NoData, Sample


def interval(
    one: Watched, known: Judged, before: Sample | None, sample: Sample | NoData, now: float
) -> Increment | Gap:
    """What happened since the last reading, or why it says nothing."""
    sequence = known.state.sequence + 1
    if isinstance(sample, NoData):
        return Gap(sequence, now, sample.reason, silent=True)
    if one.release.only_watched:
        return _shifted_by_others(one, known, before, sample)
    if known.moment != one.moment or one.release.wanted != one.release.observed:
        return Gap(sequence, sample.at, "the weight was moving", silent=False)
    if before is not None and before.at < known.moved:  # a Prometheus tells what it counted a while ago
        return Gap(sequence, sample.at, "it was counted before the weight moved", silent=False)
    return _gained(one, known, before, sample, one.release.observed)


def _shifted_by_others(one: Watched, known: Judged, before: Sample | None, sample: Sample) -> Increment | Gap:
    """The same at whatever weight the counters show: nobody says when it moves."""
    what = _gained(one, known, before, sample, known.share.weight)
    if isinstance(what, Gap):
        return what
    known.share = seen_share.after(known.share, what)
    return replace(what, weight=known.share.weight)


def _gained(
    one: Watched, known: Judged, before: Sample | None, sample: Sample, weight: float
) -> Increment | Gap:
    return difference(
        before,
        sample,
        candidate=one.release.backend,
        stable=one.stable,
        weight=weight,
        sequence=known.state.sequence + 1,
    )


def stable_alone(what: Increment) -> Increment | None:
    """What it would be with stable in the candidate's place; None where its bounds may not be stable's."""
    if what.stable is None or not what.stable.buckets:
        return None
    return Increment(0, what.at, what.seconds, 100.0, what.stable, None, what.bounds)
