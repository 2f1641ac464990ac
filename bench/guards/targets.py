"""What the guards must reach, line by line, with what was measured and the ratio to the limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.guards import fixed, numbers, whole, worlds

Found = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """One promise. `ratio` at most 1 is reached; `certain`: so is its interval's kind end not."""

    what: str
    measured: str
    limit: str
    ratio: float
    certain: bool = False
    promised: bool = False  # a share of false rollbacks

    @property
    def reached(self) -> bool:
        return self.ratio <= 1


def lines(found: Found) -> list[Line]:
    """All that can be measured here."""
    return [
        *_caught(found),
        *_costs(found),
        *_false(found),
        *_speed(found),
        *_after(found),
    ]


def _caught(found: Found) -> Iterator[Line]:
    for case, limit, all_of in (
        ("errors 0.1 -> 0.2 %, 100/s", 17_500, True),
        ("errors 0.1 -> 0.2 %, 1000/s", 17_500, True),
        ("latency +10 %, one kind of requests, 100/s", 600, False),
        ("p99 doubled, one kind of requests, 100/s", 500, False),
        ("latency +10 %, 100/s", 600, False),
        ("p99 doubled, 100/s", 500, False),
    ):
        for method, looks in _looked(found, case):
            got = found[looks, case][method]
            each = ", a look each second" if looks == "often" else ""
            requests = numbers.median(np.where(np.isfinite(got.at), got.requests, np.inf))
            yield Line(
                f"{case}{each}: requests until caught, {method}",
                numbers.count(requests),
                f"{limit:,}",
                requests[0] / limit,
                certain=requests[1] > limit,
            )
            if all_of:
                caught = numbers.share(int(np.isfinite(got.at).sum()), len(got.at))
                yield Line(
                    f"{case}{each}: caught within 2 h, {method}",
                    numbers.percent(caught),
                    "100 %",
                    1 / caught[0] if caught[0] else np.inf,
                    certain=caught[2] < 1,
                )


def _looked(found: Found, case: str) -> list[tuple[str, str]]:
    """Segue's methods in that world, and where what they did is found: by looks each 10 s, or each second."""
    often = [(fixed.OURS_LEARNED, "often")] if ("often", case) in found else []
    return [(fixed.OURS, "worse"), (fixed.OURS_LEARNED, "worse"), *often]


def _costs(found: Found) -> Iterator[Line]:
    for rate in (10, 100, 1000):
        got = found["whole", f"5 % errors, {rate}/s"][whole.SEGUE]
        failed = numbers.median(got.failed)
        yield Line(
            f"5 % errors at {rate}/s: failed requests in total",
            numbers.count(failed),
            "6",
            failed[0] / 6,
            certain=failed[1] > 6,
        )


def _false(found: Found) -> Iterator[Line]:
    for case in worlds.EQUAL:
        if case.most is None:
            continue
        for method in (fixed.OURS_LEARNED,) if case.learned else (fixed.OURS, fixed.OURS_LEARNED):
            got = found["equal", case.name][method]
            what = f"{case.name}: false rollbacks in 2 h, {method}"
            yield _rolled_back(what, got.at, case.most, promised=True)
    for trip in whole.TRIPS:
        if trip.good:
            got = found["whole", trip.name][whole.SEGUE]
            yield _rolled_back(f"{trip.name}: rolled back on its way", got.back, 0.01, promised=True)


def _rolled_back(what: str, at: np.ndarray, most: float, *, promised: bool) -> Line:
    """Good versions that were taken back; certain only at 99.9 %, as there are many such lines in a run."""
    hits = int(np.isfinite(at).sum())
    rolled = numbers.share(hits, len(at))
    certain = numbers.share(hits, len(at), numbers.SURE)[1] > most
    return Line(what, numbers.percent(rolled), f"{100 * most:g} %", rolled[0] / most, certain, promised)


def _speed(found: Found) -> Iterator[Line]:
    for rate, limit in ((100, 12), (1000, 6)):
        full = numbers.median(found["whole", f"good, {rate}/s"][whole.SEGUE].full / 60)
        yield Line(
            f"a good version at {rate}/s: minutes to 100 %",
            numbers.count(full, 1),
            f"{limit}",
            full[0] / limit,
            certain=full[1] > limit,
        )


def _after(found: Found) -> Iterator[Line]:
    failed = numbers.median(found["whole", "after promotion"][whole.SEGUE].failed)
    yield Line(
        "all traffic, errors 0.1 -> 2 %: failed requests until rolled back",
        numbers.count(failed),
        "60",
        failed[0] / 60,
        certain=failed[1] > 60,
    )
