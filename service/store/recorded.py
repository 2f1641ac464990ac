"""What the observer stored of a release, as the judge was given it, and its form in JSON.

The form is the stored one, so that a replay elsewhere judges the very same numbers. Nothing is judged here.
"""

from collections.abc import Mapping
from typing import Any

from policies.guards import fixed
from policies.guards.fed import Fed, from_json, to_json
from policies.guards.heartbeat import Alive
from policies.guards.trail import Recorded
from service.store.series import Series


def of_release(series: Series, release: str) -> Recorded:
    """All that is still stored of a release; its increments are removed `SEGUE_KEEP_DAYS` after its end."""
    judge = series.judge(release)
    state = judge.state if judge is not None else {}
    rows = [one.body for one in series.increments(release)]
    known = {name: state.get(name) for name in (*fixed.NAMES, "started")}
    return read({**known, "increments": rows})


def read(plain: Mapping[str, Any]) -> Recorded:
    """What `written` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    history, noise = fixed.from_json(plain)
    rows = plain["increments"]
    found = tuple(map(seen, rows))
    first = found[0][0].at if found else 0.0
    at, restarts = plain["started"] or (first, 0)  # older code stored neither
    return Recorded(history, at, restarts, found, noise)


def seen(row: Mapping[str, Any]) -> tuple[Fed, Alive]:
    """One increment, and the health that was known when it came."""
    return from_json(row), Alive(*row.get("alive", ()), *row.get("said", ()))


def written(recorded: Recorded) -> dict[str, Any]:
    """A plain mapping, exact to the last bit."""
    rows = [to_json(what) | of_health(alive) for what, alive in recorded.seen]
    return {
        **fixed.to_json(recorded.history, recorded.noise),
        "started": [recorded.at, recorded.restarts],
        "increments": rows,
    }


def of_health(alive: Alive) -> dict[str, Any]:
    """What is stored beside an interval. Words stand apart: older code reads the rest without them."""
    said = (alive.ended, alive.unwell)
    numbers: dict[str, Any] = {"alive": [alive.restarts, alive.answers]}
    return {**numbers, "said": list(said)} if any(said) else numbers
