"""What a judge is told when its rollout starts, stable's history and the noise, in its form for the store.

Stored beside the states, so that a judge can be made again as it was, bit for bit, whatever has been
learned since.
"""

from collections.abc import Mapping
from typing import Any

from policies.guards.noise import Noise
from policies.guards.plan import History

NAMES = ("history", "noise", "calm")


def to_json(history: History | None, noise: Mapping[str, Noise]) -> dict[str, Any]:
    """A plain mapping, exact to the last bit; noise that was not learned is not in it."""
    learned = {name: n for name, n in noise.items() if not n.provisional}
    told = {
        "noise": {name: [n.burst, n.spread, n.block] for name, n in learned.items()},
        # Beside it, as code that knows no calm noise reads the rest.
        "calm": sorted(name for name, n in learned.items() if n.calm),
    }
    if history is None:
        return {"history": None, **told}
    timed = [list(history.buckets), list(history.bounds)] if history.buckets else []
    return {"history": [history.requests, history.errors, *timed], **told}


def from_json(row: Mapping[str, Any]) -> tuple[History | None, dict[str, Noise]]:
    """What `to_json` wrote; older code wrote no noise, or not whether it was calm: then it is not."""
    past = row["history"]
    history = None if past is None else History(past[0], past[1], *map(tuple, past[2:]))
    learned, calm = row.get("noise") or {}, row.get("calm") or ()
    return history, {
        name: Noise(burst, spread, provisional=False, block=block, calm=name in calm)
        for name, (burst, spread, block) in learned.items()
    }
