"""The requests that a target gets now, and how long its release needs at this rate; for who waits."""

from dataclasses import dataclass

from policies import forecast
from policies.forecast import Forecast, Traffic
from policies.guards.fed import from_json
from policies.guards.increment import Increment
from policies.release import Phase, Release, Target
from service.store.series import Series

LATELY = 120  # increments of a rollout that count as now
HOURS = 24 * 3600.0  # of the target's past that count before one is judged
LEAST = 100.0  # requests below which a share of errors is only a guess


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long, and from which traffic."""

    forecast: Forecast
    traffic: Traffic
    text: str


def of(series: Series, release: Release, target: Target, now: float) -> Estimate | None:
    """None where no evidence decides, or nobody knows how many requests come."""
    if release.final or release.only_watched:
        return None
    traffic = _lately(series, release) if release.phase in {Phase.SHIFTING, Phase.WATCHING} else None
    traffic = traffic or _before(series, target, now)
    found = None if traffic is None else forecast.of_release(release, traffic)
    if traffic is None or found is None:
        return None
    return Estimate(found, traffic, forecast.words(found, traffic, release.environment))


def _lately(series: Series, release: Release) -> Traffic | None:
    """Of the rollout's own intervals."""
    rows = series.increments(release.name, after=series.newest(release.name) - LATELY)
    seen = [what for row in rows if isinstance(what := from_json(row.body), Increment)]
    seconds = sum(one.seconds for one in seen)
    arms = [arm for one in seen for arm in (one.candidate, one.stable) if arm is not None]
    stable = [one.stable for one in seen if one.stable is not None]
    return _traffic(
        sum(arm.requests for arm in arms),
        seconds,
        sum(arm.requests for arm in stable),
        sum(arm.errors for arm in stable),
    )


def _before(series: Series, target: Target, now: float) -> Traffic | None:
    """Of stable's last day; each row is an hour, the last of them is not over."""
    if target.stable is None:
        return None
    rows = series.history(target.name, target.stable.backend, since=now - HOURS)
    requests, errors = sum(row.requests for row in rows), sum(row.errors for row in rows)
    begun = max(target.stable.since, min((row.at for row in rows), default=now))
    return _traffic(requests, now - begun, requests, errors)


def _traffic(requests: float, seconds: float, compared: float, errors: float) -> Traffic | None:
    if requests <= 0 or seconds <= 0:
        return None
    known = compared >= LEAST
    return Traffic(requests / seconds, errors / compared if known else forecast.USUAL_ERRORS)
