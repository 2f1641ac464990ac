"""What a release's guards say, as rows of a table: evidence on its scale, rates with what they may really be.

Findings are read by the names of their numbers and never by their kind, as in reports. Values only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from policies import ramp
from policies.evidence import Evidence, Finding
from policies.guards.budget import SUSPICION
from service.reporting import words
from service.showing.counted import said

LEAST = 0.1  # what speaks for the candidate is shown down to a tenth
_ON_THE_GAUGE = frozenset({"evidence", "harm_at", "p_value"})
_IN_RATES = frozenset({"bad", "requests", "stable_bad", "stable_requests"})


@dataclass(frozen=True, slots=True)
class Gauge:
    """Evidence on a log scale from `LEAST` to what means harm; positions in percent of its width."""

    says: str
    at: float
    hold: float
    even: float  # where the evidence says nothing either way


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of bad requests and what it may really be, in words; positions in percent of the widest."""

    who: str
    tone: str
    says: str
    low: float
    at: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One guard."""

    guard: str
    verdict: str
    rule: str
    samples: int
    needed: str
    gauge: Gauge | None
    rates: tuple[Rate, ...]
    counted: tuple[str, ...]  # what is not drawn


def rows(shown: Evidence) -> tuple[Row, ...]:
    """All guards, in the order of their findings."""
    return tuple(_row(finding) for finding in shown.findings)


def _row(found: Finding) -> Row:
    numbers = dict(found.numbers)
    gauge, rates = _gauge(numbers), _rates(numbers)
    drawn = (_ON_THE_GAUGE if gauge else frozenset()) | (_IN_RATES if rates else frozenset())
    told = said({name: value for name, value in numbers.items() if name not in drawn}, found.interval)
    return Row(
        found.guard,
        found.verdict.value,
        found.rule,
        found.samples,
        _needed(found.needed),
        gauge,
        rates,
        tuple(told),
    )


def _needed(text: str) -> str:
    """What would change the verdict; where nothing need change, why."""
    nothing, _, why = text.partition("nothing: ")
    return why if not nothing and why else f"to change this: {text}" if text else ""


def _gauge(numbers: Mapping[str, float]) -> Gauge | None:
    harm_at, evidence = numbers.get("harm_at"), numbers.get("evidence")
    if not harm_at or evidence is None:
        return None

    def at(value: float) -> float:
        part = math.log(max(value, LEAST) / LEAST) / math.log(max(harm_at, 10 * LEAST) / LEAST)
        return round(100 * min(1.0, part), 1)

    says = f"{words.times(evidence)}, rolled back at {words.times(harm_at)}"
    return Gauge(says, at(evidence), at(min(SUSPICION, harm_at)), at(1.0))


def _rates(numbers: Mapping[str, float]) -> tuple[Rate, ...]:
    found = []
    for who, tone, prefix in (("new", "candidate", ""), ("before", "stable", "stable_")):
        bad, requests = numbers.get(f"{prefix}bad"), numbers.get(f"{prefix}requests")
        if bad is not None and requests:
            low, high = ramp.bounds(bad, requests)
            found.append((who, tone, low, bad / requests, high, requests))
    widest = max((one[4] for one in found), default=0.0) or 1.0

    def at(value: float) -> float:
        return round(100 * min(1.0, value / widest), 1)

    return tuple(
        Rate(
            who,
            tone,
            f"{words.share(rate)} of {words.many(requests)},"
            f" between {words.share(low)} and {words.share(high)}",
            at(low),
            at(rate),
            at(high),
        )
        for who, tone, low, rate, high, requests in found
    )
