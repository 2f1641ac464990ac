"""A report's numbers: what a release's recorded intervals come to, over time, as one plain JSON object.

Everything is computed anew from what the observer stored, by the judge that decided then. Findings are
read by the names of their numbers and never by their kind: what bets has `evidence` and `harm_at`, what
counts has `bad` and `requests`, what compares has `stable_bad` and `stable_requests`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from policies import ramp
from policies.evidence import Evidence, Finding
from policies.guards import allowed, budget, stakes, trail
from policies.guards.increment import Arm, Gap, Increment
from policies.guards.judge import Judge
from policies.guards.trail import Look, Recorded
from policies.release import Release
from policies.spec.declaration import Environment
from service.reporting import words
from service.showing import views

POINTS = 240  # at most so many moments are shown of a line; a picture has no more pixels for them
MOST_E = 1e12  # evidence above this is drawn as this: JSON and pictures know no infinity


def of(release: Release, recorded: Recorded) -> dict[str, Any]:
    """The report of a release, final or not. Without a recorded interval its lists are empty."""
    found = {
        "release": views.release(release),
        **numbers(release.environment, recorded, epoch=release.epoch),
    }
    if found["weights"] and release.ended is not None:
        found["weights"].append([release.ended, release.observed])
    return {"sentence": words.sentence(release, found), **found}


def numbers(environment: Environment, recorded: Recorded, *, epoch: int = 0) -> dict[str, Any]:
    """What recorded intervals come to under a policy, whoever recorded them."""
    judge = Judge.of(environment, history=recorded.history, noise=recorded.noise)
    looks = list(trail.follow(judge, recorded))
    shown = [(look, _evidence(judge, look, epoch)) for look in _thinned(looks)]
    return {
        "began": looks[0].what.at if looks else None,
        "ended": looks[-1].what.at if looks else None,
        "weights": _weights(looks),
        "gaps": _gaps(looks),
        "budget": _budget(judge, [look for look, _ in shown]),
        "guards": _guards(shown, 1 / judge.plan.false_rollbacks),
        "latency": _latency(looks),
        "cost": _cost(looks, _stable_rate(looks, recorded)),
    }


def _evidence(judge: Judge, look: Look, epoch: int) -> Evidence:
    return judge.evidence(look.state, epoch=epoch, at=look.state.at, needs=False)


def _thinned(looks: Sequence[Look]) -> list[Look]:
    """Every so many looks, and those where something changed: a weight, what was found harmful, the end."""
    every = max(1, math.ceil(len(looks) / POINTS))
    kept = []
    before = None
    for index, look in enumerate(looks):
        now = (look.state.weight, look.state.harm)
        if index % every == 0 or now != before or index == len(looks) - 1:
            kept.append(look)
        before = now
    return kept


def _weights(looks: Sequence[Look]) -> list[list[float]]:
    """The candidate's weight from each time on, in percent."""
    found: list[list[float]] = []
    for look in looks:
        if isinstance(look.what, Increment) and (not found or found[-1][1] != look.what.weight):
            found.append([look.what.at - look.what.seconds, look.what.weight])
    return found


def _gaps(looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Times that say nothing, neighbours with one reason together."""
    found: list[dict[str, Any]] = []
    after_gap = False
    for look in looks:
        if not isinstance(look.what, Gap):
            after_gap = False
            continue
        if after_gap and found[-1]["reason"] == look.what.reason:
            found[-1] |= {"to": look.what.at, "intervals": found[-1]["intervals"] + 1}
        else:
            one = {"from": look.what.at, "to": look.what.at, "reason": look.what.reason, "intervals": 1}
            found.append(one)
        after_gap = True
    return found


def _budget(judge: Judge, looks: Sequence[Look]) -> dict[str, Any]:
    """All betting guards together, against the evidence at which the release is taken back."""
    found = [[look.state.at, capped(stakes.combined(judge.plan, look.state).log_e)] for look in looks]
    return {
        "false_rollbacks": judge.plan.false_rollbacks,
        "harm_at": 1 / judge.plan.false_rollbacks,
        "hold_at": budget.SUSPICION,
        "points": found,
    }


def capped(log_e: float) -> float:
    """E as a number that JSON and a picture can hold."""
    return math.exp(min(log_e, math.log(MOST_E)))


def _guards(shown: Sequence[tuple[Look, Evidence]], harm_at: float) -> list[dict[str, Any]]:
    """Each guard's last finding, its evidence over time as its part of the budget, and its rates."""
    names = list(dict.fromkeys(f.guard for _, seen in shown for f in seen.findings))
    found = []
    for name in names:
        series = list(_of_guard(name, shown))
        last = series[-1][1]
        found.append(
            {
                **views.finding(last),
                "evidence": [[at, e] for at, one in series if (e := _part(one, harm_at)) is not None],
                "rates": _rates(series),
            }
        )
    return found


def _of_guard(name: str, shown: Sequence[tuple[Look, Evidence]]) -> Iterator[tuple[float, Finding]]:
    for look, seen in shown:
        for finding in seen.findings:
            if finding.guard == name:
                yield look.state.at, finding


def _part(finding: Finding, harm_at: float) -> float | None:
    """A guard's evidence, scaled so that it alone means harm where all together do."""
    numbers = dict(finding.numbers)
    if not numbers.get("harm_at") or "evidence" not in numbers:
        return None
    return min(MOST_E, numbers["evidence"] * harm_at / numbers["harm_at"])


def _rates(series: Sequence[tuple[float, Finding]]) -> dict[str, list[list[float]]] | None:
    """Shares of bad requests so far with their intervals, as [time, least, share, largest]."""
    found: dict[str, list[list[float]]] = {"candidate": [], "stable": []}
    for at, finding in series:
        numbers = dict(finding.numbers)
        for arm, prefix in (("candidate", ""), ("stable", "stable_")):
            bad, requests = numbers.get(f"{prefix}bad"), numbers.get(f"{prefix}requests")
            if bad is not None and requests is not None and requests > 0:
                low, high = ramp.bounds(bad, requests)
                found[arm].append([at, low, bad / requests, high])
    return found if found["candidate"] else None


def _counted(looks: Sequence[Look]) -> Iterator[Increment]:
    """Intervals in which users' requests went to the candidate."""
    return (w for look in looks if isinstance(w := look.what, Increment) and w.weight > 0)


def _latency(looks: Sequence[Look]) -> dict[str, Any] | None:
    """How long requests took while both versions served: counts for each bucket, the last is open."""
    both = [w for w in _counted(looks) if w.stable is not None and w.bounds]
    if not both:
        return None
    bounds = both[-1].bounds
    same = [w for w in both if w.bounds == bounds]
    arms = {"candidate": [w.candidate for w in same], "stable": [w.stable for w in same if w.stable]}
    return {"bounds": list(bounds), **{name: _summed(found, len(bounds) + 1) for name, found in arms.items()}}


def _summed(arms: Sequence[Arm], width: int) -> list[float]:
    rows = [arm.buckets for arm in arms if len(arm.buckets) == width]
    return [sum(column) for column in zip(*rows, strict=True)] if rows else [0.0] * width


def _stable_rate(looks: Sequence[Look], recorded: Recorded) -> float | None:
    """What failed of stable's requests beside the candidate, else before."""
    arms = [w.stable for w in _counted(looks) if w.stable is not None]
    requests = sum(arm.requests for arm in arms)
    if requests >= allowed.LEAST_STABLE:
        return sum(arm.errors for arm in arms) / requests
    return recorded.history.rate if recorded.history else None


def _cost(looks: Sequence[Look], stable_rate: float | None) -> dict[str, Any]:
    """Requests that failed because of the candidate: its failures less those that stable would have had.

    `points` are [time, that number, what chance explains of it: two standard deviations].
    """
    requests = failed = 0.0
    points = []
    for what in _counted(looks):
        requests += what.candidate.requests
        failed += what.candidate.errors
        expected = requests * (stable_rate or 0.0)
        points.append([what.at, failed - expected, 2 * math.sqrt(expected)])
    every = max(1, math.ceil(len(points) / POINTS))
    return {
        "requests": requests,
        "failed": failed,
        "stable_rate": stable_rate,
        "expected": None if stable_rate is None else requests * stable_rate,
        "points": points[::every] + ([points[-1]] if points and (len(points) - 1) % every else []),
    }
