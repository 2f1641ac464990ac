"""A simulation in words and as a picture: what people read before they trust a policy."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from policies.guards import coarse
from policies.guards.coarse import Coarse
from policies.spec.declaration import Environment
from service.rehearsing.simulating import Forecast
from service.showing.panel import Axis, Line, Panel, Tone

TONES = (Tone.STABLE, Tone.CANDIDATE, Tone.THIRD, Tone.FOURTH, Tone.FIFTH)
LONG = 3600.0  # seconds to 100 % from which the wait is said plainly


def title(name: str, environment: Environment, rate: float, errors: float) -> str:
    """What is simulated, in a line."""
    return f"{name}, {environment.name}: {rate:g} requests per second, {100 * errors:g} % of stable's fail"


def values(
    about: str,
    seed: int,
    left_out: Sequence[str],
    hidden: Sequence[Coarse],
    kinds: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A simulation as plain values; `kinds` are its forecasts as JSON."""
    found = [blind(one) for one in hidden]
    return {"title": about, "seed": seed, "left_out": list(left_out), "coarse": found, "kinds": list(kinds)}


def blind(found: Coarse) -> dict[str, Any]:
    """A guard that does not see something: durations in seconds; `unseen` null where nothing is ever seen."""
    unseen = found.unseen if math.isfinite(found.unseen) else None
    return asdict(found) | {"unseen": unseen, "missing": list(found.missing), "text": coarse.words(found)}


def duration(seconds: float | None) -> str:
    """Short, with one unit that people think in."""
    if seconds is None:
        return "longer than was simulated"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def share(found: dict[str, float]) -> str:
    """`97 % (93 to 99 %)`"""
    value, low, high = (100 * found[name] for name in ("share", "low", "high"))
    return f"{value:.3g} % ({low:.2g} to {high:.3g} %)"


def lines(forecasts: list[Forecast], false_rollbacks: float) -> Iterator[str]:
    """What each kind of version comes to."""
    for forecast in forecasts:
        said = forecast.as_json()
        yield f"a version {said['kind']}"
        yield from _good(said, false_rollbacks) if said["good"] else _bad(said)
        if said["undecided"]["share"] > 0:
            yield f"  still undecided after {duration(forecast.outcome.seconds)}: {share(said['undecided'])}"
        if said["not_proven"]["share"] > 0:
            yield f"  went on without proof, by its time limit: {share(said['not_proven'])}"


def _good(said: dict[str, Any], false_rollbacks: float) -> Iterator[str]:
    full = said["seconds_to_100"]
    if full["median"] is None or full["median"] > LONG:
        yield f"  needs about {duration(full['median'])} at this rate: evidence needs requests"
    within = duration(full["nine_in_ten"])
    yield f"  has all traffic after {duration(full['median'])}; nine in ten within {within}"
    yield f"  promoted after {duration(said['seconds_to_promotion']['median'])}: {share(said['promoted'])}"
    allowed = f"the policy allows {100 * false_rollbacks:g} %"
    yield f"  rolled back by mistake: {share(said['rolled_back'])}; {allowed}"


def _bad(said: dict[str, Any]) -> Iterator[str]:
    cost, back = said["failed_beyond_stable"], said["seconds_to_rollback"]["median"]
    after = f", after {duration(back)}" if back is not None else ""
    yield f"  caught: {share(said['rolled_back'])}{after}, {said['requests']['median']:,.0f} requests on it"
    most, least = (max(0.0, cost[name]) for name in ("nine_in_ten", "median"))
    yield f"  costs {least:,.0f} failed requests beyond stable's rate; nine in ten at most {most:,.0f}"
    if said["promoted"]["share"] > 0:
        yield f"  promoted all the same: {share(said['promoted'])}"


def panels(forecasts: list[Forecast]) -> list[Panel]:
    """When good versions have all traffic, and when worse ones are taken back."""
    horizon = max(_last(f) for f in forecasts)
    hours = horizon > 7200
    unit = 3600.0 if hours else 60.0
    found = []
    for forecast, tone in zip(forecasts, TONES, strict=False):
        times = forecast.outcome.full if forecast.kind.good else forecast.outcome.back
        words = f"{forecast.kind.words}: {'has all traffic' if forecast.kind.good else 'taken back'}"
        found.append(Line(words, _steps(times, unit, horizon), tone, stepped=True))
    axis = Axis("hours" if hours else "minutes since the first request", low=0, high=horizon / unit)
    y = Axis("share of rollouts", low=0, high=1.02, percent=True)
    return [Panel("What becomes of a rollout", "Shares of rollouts over time.", axis, y, tuple(found))]


def _last(forecast: Forecast) -> float:
    times = np.concatenate([forecast.outcome.full, forecast.outcome.back])
    ended = times[np.isfinite(times)]
    return float(ended.max()) if len(ended) else forecast.outcome.seconds


def _steps(times: Any, unit: float, horizon: float) -> tuple[tuple[float, float], ...]:
    ended = np.sort(times[np.isfinite(times)])
    count = len(times)
    points = [(0.0, 0.0), *((float(at) / unit, (n + 1) / count) for n, at in enumerate(ended))]
    return (*points, (horizon / unit, len(ended) / count))
