"""The labels and annotations of all that Segue makes in a cluster, and whose an object is.

Every object says which target, which backend and which installation it belongs to: two installations
in one cluster never touch each other's.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from service.ports.outcomes import Refused

MANAGED_BY = "app.kubernetes.io/managed-by"
SEGUE = "segue"
TARGET = "segue.dev/target"
BACKEND = "segue.dev/backend"
OWNER = "segue.dev/owner"
EPOCH = "segue.dev/epoch"
ATTEMPT = "segue.dev/attempt"
SPEC = "segue.dev/spec"
_LONGEST = 63  # characters of a label's value
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


def labels(target: str, backend: str, owner: str) -> dict[str, str]:
    """All labels of an object of ours. `target` is model/environment, `backend` the name of the
    Service (what stands before the dot in a backend's name), `owner` the installation."""
    found = {MANAGED_BY: SEGUE, TARGET: value(target), BACKEND: value(backend), OWNER: value(owner)}
    return {key: said for key, said in found.items() if said}


def selector(labels: Mapping[str, str]) -> str:
    """The label selector of an API call that finds objects with all of these labels."""
    return ",".join(f"{key}={said}" for key, said in sorted(labels.items()))


def value(text: str) -> str:
    """The text as a label's value: model/environment becomes model.environment. What is too long or
    holds other characters is cut or replaced, and told apart by a digest of the whole text."""
    plain = text.replace("/", ".")
    fit = _UNFIT.sub("-", plain).strip("-_.")
    if fit == plain and len(fit) <= _LONGEST:
        return fit
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{fit[: _LONGEST - 9].rstrip('-_.')}-{digest}".lstrip("-")


def digest(rendered: Mapping[str, Any]) -> str:
    """The digest of what we rendered, for the annotation `SPEC`: the same order, the same digest."""
    text = json.dumps(rendered, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def check_owner(found: Mapping[str, Any], owner: str) -> None:
    """Raises `Refused` where an object of a name that we want is not of this installation."""
    metadata = found.get("metadata", {})
    said = metadata.get("labels", {})
    if said.get(MANAGED_BY) == SEGUE and said.get(OWNER, "") == value(owner):
        return
    place = f"{metadata.get('namespace')}/{metadata.get('name')}"
    whose = said.get(OWNER) if said.get(MANAGED_BY) == SEGUE else said.get(MANAGED_BY)
    by = f" of {whose!r}" if whose else " that Segue did not make"
    raise Refused(
        f"{found.get('kind', 'an object')} {place} is there already: one{by}; rename or delete that one,"
        " or give the model another name"
    )
