"""The results as tables in Markdown, which are read on a terminal too."""

from collections.abc import Sequence

import numpy as np

from bench.guards import fixed, numbers, whole, worlds
from bench.guards.targets import Found, Line

CONTROLLERS = (whole.SEGUE, whole.ARGO, whole.FLAGGER, whole.KAYENTA)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))


def false_rollbacks(found: Found) -> str:
    """Equal versions that were rolled back within two hours."""
    rows = []
    for case in worlds.EQUAL:
        cell = found["equal", case.name]
        shares = (
            numbers.percent(numbers.share(int(np.isfinite(cell[m].at).sum()), len(cell[m].at)))
            for m in fixed.METHODS
        )
        rows.append([case.name, *shares, f"{len(cell[fixed.OURS].at):,}"])
    return _table(["equal versions", *fixed.METHODS, "runs"], rows)


def requests_until_caught(found: Found) -> str:
    """The candidate's requests until a worse version is rolled back, and how often it is within two hours."""
    rows = []
    for case in worlds.WORSE:
        cell = found["worse", case.name]
        row = [case.name]
        for method in fixed.METHODS:
            got = cell[method]
            caught = np.isfinite(got.at)
            requests = numbers.median(np.where(caught, got.requests, np.inf))
            row.append(f"{numbers.count(requests)}, {100 * caught.mean():.0f} %")
        rows.append([*row, f"{len(cell[fixed.OURS].at):,}"])
    return _table(["worse versions", *fixed.METHODS, "runs"], rows)


def rollouts(found: Found) -> str:
    """Whole rollouts by each controller."""
    rows = []
    for trip in whole.TRIPS:
        cell = found["whole", trip.name]
        row = [trip.name]
        for controller in CONTROLLERS:
            went = cell[controller]
            back = numbers.percent(numbers.share(int(np.isfinite(went.back).sum()), len(went.back)))
            if trip.good:
                row.append(f"{numbers.count(numbers.median(went.full / 60), 1)} min; rolled back {back}")
            else:
                row.append(f"{numbers.count(numbers.mean(went.wrong), 1)}; caught {back}")
        rows.append([*row, f"{len(cell[whole.SEGUE].back):,}"])
    return _table(["rollouts", *CONTROLLERS, "runs"], rows)


def reached(lines: Sequence[Line]) -> str:
    """The promises."""
    rows = [
        [
            line.what,
            line.measured,
            line.limit,
            f"{line.ratio:.2f}",
            "reached" if line.reached else "**MISSED**",
        ]
        for line in lines
    ]
    return _table(["must reach", "measured", "limit", "ratio", ""], rows)
