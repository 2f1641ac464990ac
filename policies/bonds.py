"""What an approval is bound to: a release, the time it was asked for, its plan and its evidence.

Each is kept in parts with names, so that whoever comes too late is told what has changed since, not only
that something has.
"""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from policies.approvals import Bond
from policies.release import Release

LEAST_DIGEST = len("sha256:") + 12  # of a digest that people type
MOST_KEPT = 5  # times that one release was asked for, of which is told what has changed
_LONGEST = 80  # of a part that is told in full
_MOST_TOLD = 4
_ASIDE = frozenset({"when_newer", "tell", "freeze", "budget"})


def bond(release: Release, step: str = "") -> Bond:
    """What is approved now. `step` names the time it is asked for: one approval is for one of them.

    The plan's digest covers the evidence's, so whoever names the plan has named both.
    """
    results, plan = _results(release), _plan(release)
    evidence = _digest(results)
    named = {"release": release.name, "target": release.target, "step": step, "evidence": evidence}
    parts = {**plan, **results}
    told = tuple((name, _short(value)) for name, value in parts.items())
    return Bond(step, _digest({**named, **plan}), evidence, told)


def asked_anew(release: Release) -> Bond:
    """The bond of the next time that this release is asked for."""
    last = int(release.asked[-1].step.rpartition("-")[2]) if release.asked else 0
    return bond(release, f"approval-{last + 1}")


def names(digest: str | None, plan: str) -> bool:
    """Whether this digest, or its beginning, is the plan's. None names what the release shows now."""
    return digest is None or (len(digest) >= LEAST_DIGEST and plan.startswith(digest))


def since(release: Release, digest: str) -> str:
    """What has changed since the release was asked for with this digest, in words; "" where nobody knows."""
    if len(digest) < LEAST_DIGEST or not release.asked:
        return ""
    seen = next((one for one in reversed(release.asked) if one.plan.startswith(digest)), None)
    return "" if seen is None or seen == release.asked[-1] else changes(seen, release.asked[-1])


def changes(before: Bond, after: Bond) -> str:
    """What differs, in words."""
    old, new = dict(before.parts), dict(after.parts)
    differ = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    told = [_change(name, old.get(name), new.get(name)) for name in differ[:_MOST_TOLD]]
    more = len(differ) - len(told)
    told += [f"and {more} more"] if more else []
    return "; ".join(told) or "nothing but that it was asked for once more"


def _change(name: str, old: str | None, new: str | None) -> str:
    if old is None or new is None:
        return f"{name} is {new}, and was not there" if old is None else f"{name} was {old}, and is gone"
    long = old.startswith("sha256:") or new.startswith("sha256:")
    return f"{name} is another one" if long and name != "image" else f"{name} was {old} and is {new}"


def _plan(release: Release) -> dict[str, Any]:
    """Version, image, steps and every rule but what it does to others, who is told and when nothing is
    released: that is no part of what serves, nor of how it is judged."""
    rules = {key: value for key, value in asdict(release.environment).items() if key not in _ASIDE}
    return {
        "version": release.version,
        "image": release.image,
        "steps": [asdict(step) for step in release.steps],
        **{f"rule `{key}`": value for key, value in rules.items()},
    }


def _results(release: Release) -> dict[str, Any]:
    """What the evaluation found, and what the gates said of it beside stable."""
    metrics = {f"result `{name}`": value for name, value in release.metrics}
    gates = {f"gate {number}": line for number, line in enumerate(release.gates, 1)}
    return {**metrics, **gates, "what was not compared": list(release.unproven)}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else _text(value)
    return text if len(text) <= _LONGEST else _digest(value)[:19]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def _digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(_text(value).encode()).hexdigest()
