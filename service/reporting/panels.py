"""A report's numbers as panels: which there are, in which order, and what each says. Draws nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from service.reporting import words
from service.showing.panel import Axis, Band, Level, Line, Moment, Panel, Tone

BEFORE, AFTER = "The version before", "The new version"
LEAST_E = 0.1  # what speaks for the candidate is drawn down to a tenth: it is never needed more exactly
_MORE = (Tone.THIRD, Tone.FOURTH, Tone.FIFTH, Tone.STABLE)
_UNITS = (("days", 86_400.0, 3.0), ("hours", 3600.0, 3.0), ("minutes", 60.0, 3.0), ("seconds", 1.0, 0.0))


class Clock:
    """Times of a report as people read them: since its beginning, in a fitting unit."""

    def __init__(self, began: float, ended: float) -> None:
        self.began = began
        length = ended - began
        self.unit, self.size = next(
            (unit, size) for unit, size, least in _UNITS if length >= least * size or size == 1.0
        )
        self.high = max(length / self.size, 1e-9)

    def at(self, time: float) -> float:
        return (time - self.began) / self.size

    @property
    def axis(self) -> Axis:
        return Axis(f"{self.unit} since it was first watched", 0.0, self.high * 1.02)


def of(report: Mapping[str, Any]) -> list[Panel]:
    """All panels for which there are numbers; none before the first interval."""
    if report["began"] is None:
        return []
    last = max([report["ended"], *(at for at, _ in report["weights"])])
    clock = Clock(report["began"], last)
    moments = _end(report, clock)
    found = [_evidence(report, clock, moments), _weights(report, clock, moments)]
    found += [_rates(one, clock, moments) for one in report["guards"] if one["rates"] and _worth_it(one)]
    found += [_latency(report["latency"])] if report["latency"] else []
    found += [_cost(report["cost"], clock, moments)] if report["cost"]["points"] else []
    return found


def _worth_it(guard: Mapping[str, Any]) -> bool:
    """Whether its rates are drawn: of a guard's many segments those that look hurt."""
    return " in " not in guard["guard"] or guard["verdict"] in {"harm", "suspect"}


def _end(report: Mapping[str, Any], clock: Clock) -> tuple[Moment, ...]:
    """Where it was taken back: the line that stands in every picture over time."""
    harmed = [one for one in report["guards"] if one["verdict"] == "harm"]
    if report["release"]["phase"] == "rolled back" or harmed:
        return (Moment("rolled back here", clock.at(report["ended"]), Tone.HARM),)
    return ()


def _evidence(report: Mapping[str, Any], clock: Clock, moments: tuple[Moment, ...]) -> Panel:
    budget = report["budget"]
    harm_at, highest = budget["harm_at"], max((e for _, e in budget["points"]), default=1.0)
    top = max(highest, harm_at) * 6
    bets = [one for one in report["guards"] if one["evidence"]]
    lines = [Line("all guards together", _over(budget["points"], clock), Tone.ALL)]
    if len(bets) > 1:
        lines += [
            Line(one["guard"], _over(one["evidence"], clock), _MORE[index % len(_MORE)], thin=True)
            for index, one in enumerate(bets)
        ]
    reached = "reached" if highest >= harm_at else "did not reach"
    says = (
        f"Evidence that the new version is worse, over time. It {reached} {words.times(harm_at)},"
        f" where a release is rolled back; its highest value was {words.times(highest)}."
    )
    return Panel(
        "Is the new version worse?",
        says,
        clock.axis,
        Axis("so many times more likely than chance allows", LEAST_E, top, log=True, ticks=_decades(top)),
        tuple(lines),
        levels=(
            Level(f"{words.times(harm_at)}: rolled back here", harm_at, Tone.HARM, beyond=True),
            Level(f"{words.times(budget['hold_at'])}: held, no more traffic", budget["hold_at"], Tone.HOLD),
        ),
        moments=tuple(replace(one, words="") for one in moments),  # the level has said it
        spans=_spans(report, clock),
    )


def _over(points: Sequence[Sequence[float]], clock: Clock) -> tuple[tuple[float, float], ...]:
    return tuple((clock.at(at), max(e, LEAST_E)) for at, e in points)


def _decades(top: float) -> tuple[tuple[float, str], ...]:
    most = math.floor(math.log10(top))
    every = max(1, math.ceil((most + 1) / 6))
    found = [(0.1, "1/10"), (1.0, "1")]
    return (*found, *((10.0**power, _power(power)) for power in range(every, most + 1, every)))


def _power(power: int) -> str:
    names = {6: "1 million", 9: "1 billion", 12: "10^12"}
    return names.get(power, f"{10**power:,}" if power < 7 else f"10^{power}")


def _spans(report: Mapping[str, Any], clock: Clock) -> tuple[tuple[float, float], ...]:
    """Times without numbers, where they are long enough to be seen."""
    least = clock.high * clock.size / 200
    return tuple(
        (clock.at(gap["from"]), clock.at(gap["to"]))
        for gap in report["gaps"]
        if gap["to"] - gap["from"] > least
    )


def _weights(report: Mapping[str, Any], clock: Clock, moments: tuple[Moment, ...]) -> Panel:
    points = [(clock.at(at), weight) for at, weight in report["weights"]]
    if points and report["release"]["ended"] is None:
        points.append((clock.at(report["ended"]), points[-1][1]))
    peak = max((weight for _, weight in points), default=0.0)
    return Panel(
        "How much traffic it had",
        f"The new version's share of requests over time; at most {peak:g} percent.",
        clock.axis,
        Axis("% of requests went to the new version", 0, _room(peak), ticks=_round_ticks(_room(peak), " %")),
        (Line("", tuple(points), Tone.CANDIDATE, stepped=True, filled=True),),
        moments=moments,
    )


def _room(peak: float) -> float:
    return next(room for room in (6.0, 12.0, 30.0, 60.0, 108.0) if peak < room)


def _round_ticks(top: float, unit: str) -> tuple[tuple[float, str], ...]:
    step = next(step for step in (1.0, 2.0, 5.0, 10.0, 25.0) if top / step <= 6 or step == 25.0)
    return tuple((step * n, f"{step * n:g}{unit}") for n in range(int(top // step) + 1))


def _rates(guard: Mapping[str, Any], clock: Clock, moments: tuple[Moment, ...]) -> Panel:
    rates, lines, bands, said = guard["rates"], [], [], []
    for arm, name, tone in (
        ("stable", BEFORE, Tone.STABLE),
        ("candidate", AFTER, Tone.CANDIDATE),
    ):
        if rates[arm]:
            points = rates[arm]
            lines.append(Line(name, tuple((clock.at(at), rate) for at, _, rate, _ in points), tone))
            bands.append(Band(tuple((clock.at(at), low, high) for at, low, _, high in points), tone))
            _, low, rate, high = points[-1]
            said.append(
                f"{name}: {words.share(rate)}, very likely between {words.share(low)} and {words.share(high)}"
            )
    return Panel(
        f"Share of bad requests: {guard['guard']}",
        f"What was bad by the guard {guard['guard']}, as a share of all requests so far. {'. '.join(said)}.",
        clock.axis,
        Axis("of the requests so far; shaded: what it may really be", 0.0, _top(rates), percent=True),
        tuple(lines),
        tuple(bands),
        moments=moments,
    )


def _top(rates: Mapping[str, Any]) -> float:
    """High enough for both lines and the end of the bands, however wildly these begin."""
    shown: list[float] = [point[2] for arm in rates.values() for point in arm[len(arm) // 4 :]]
    ends: list[float] = [arm[-1][3] for arm in rates.values() if arm]
    return max(1e-4, min(1.0, 1.25 * max(*ends, *shown)))


def _latency(latency: Mapping[str, Any]) -> Panel:
    bounds, lines, said = latency["bounds"], [], []
    edges = [bounds[0] / 2, *bounds, bounds[-1] * 2]
    used = [0, 0]
    for arm, name, tone in (
        ("stable", BEFORE, Tone.STABLE),
        ("candidate", AFTER, Tone.CANDIDATE),
    ):
        counts, total = latency[arm], sum(latency[arm])
        if not total:
            continue
        shares = [count / total for count in counts]
        seen = [index for index, part in enumerate(shares) if part >= 0.001]
        used = [min([used[0] or seen[0], seen[0]]), max(used[1], seen[-1])]
        lines.append(
            Line(name, tuple(zip(edges, [*shares, shares[-1]], strict=True)), tone, stepped=True, filled=True)
        )
        said.append(f"{name}: half within {quantile(latency, arm, 0.5)}, 99 of 100 within"
                    f" {quantile(latency, arm, 0.99)}")  # fmt: skip
    low, high = edges[used[0]], edges[used[1] + 1]
    return Panel(
        "How long answers took",
        f"Durations of requests while both versions served. {'. '.join(said)}.",
        Axis("time for one answer", low, high, log=True, ticks=_durations(low, high), seconds=True),
        Axis("of the requests took so long", 0.0, None, percent=True),
        tuple(lines),
    )


def quantile(latency: Mapping[str, Any], arm: str, part: float) -> str:
    """The bucket's bound within which that part of the requests was answered, in words."""
    counts, total, seen = latency[arm], sum(latency[arm]), 0.0
    for bound, count in zip(latency["bounds"], counts, strict=False):
        seen += count
        if total and seen >= part * total:
            return duration(bound)
    return f"more than {duration(latency['bounds'][-1])}"


def duration(seconds: float) -> str:
    """5 ms, 2.5 s."""
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


def _durations(low: float, high: float) -> tuple[tuple[float, str], ...]:
    steps = [base * 10.0**power for power in range(-4, 4) for base in (1, 2, 5)]
    inside = [round(step, 6) for step in steps if low <= step * 1.0001 and step <= high]
    every = max(1, math.ceil(len(inside) / 6))
    return tuple((step, duration(step)) for step in inside[::every])


def _cost(cost: Mapping[str, Any], clock: Clock, moments: tuple[Moment, ...]) -> Panel:
    points = tuple((clock.at(at), lost) for at, lost, _ in cost["points"])
    chance = tuple((clock.at(at), -room, room) for at, _, room in cost["points"])
    last, values = points[-1][1], [lost for _, lost in points]
    room = chance[-1][2]
    low = max(-room, min(values)) if abs(last) > room else -1.2 * room
    return Panel(
        "What it cost users",
        f"Requests that failed because of the new version, beyond what the version before would have failed:"
        f" {words.give_or_take(last, room)}, the second number being what chance explains (shaded).",
        clock.axis,
        Axis(
            "failed requests more than before; shaded: mere chance",
            min(0.0, low, *values),
            max(5.0, 1.2 * max(*values, room)),
        ),
        (Line("", points, Tone.CANDIDATE),),
        (Band(chance, Tone.MUTED),),
        moments=moments,
    )
