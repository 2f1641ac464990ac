"""Everything that a judge is fed, in one order of sequences, and its exact form for the store."""

from collections.abc import Mapping
from typing import Any

from policies.guards import counted, drift, increment, labelled, paired
from policies.guards.counted import Counted
from policies.guards.drift import Scored
from policies.guards.increment import Gap, Increment
from policies.guards.labelled import Labelled
from policies.guards.paired import Paired

Fed = Increment | Gap | Labelled | Scored | Counted | Paired


def to_json(what: Fed) -> dict[str, Any]:
    """A plain mapping, exact to the last bit."""
    match what:
        case Labelled():
            return labelled.to_json(what)
        case Scored():
            return drift.to_json(what)
        case Counted():
            return counted.to_json(what)
        case Paired():
            return paired.to_json(what)
        case Increment() | Gap():
            return increment.to_json(what)


def from_json(row: Mapping[str, Any]) -> Fed:
    """What `to_json` wrote."""
    if "labelled" in row:
        return labelled.from_json(row)
    if "counted" in row:
        return counted.from_json(row)
    if "paired" in row:
        return paired.from_json(row)
    return drift.from_json(row) if "scored" in row else increment.from_json(row)
