"""Who else writes an object that Segue writes, and what to tell people about it. Pure functions."""

from collections.abc import Mapping
from typing import Any

from service.adapters.kubernetes import gitops
from service.adapters.kubernetes.api import MANAGER


def place(live: Mapping[str, Any]) -> str:
    """Kind, namespace and name, as people say it."""
    metadata = live["metadata"]
    return f"{live.get('kind', 'object')} {metadata.get('namespace')}/{metadata['name']}"


def changed_by(live: Mapping[str, Any], *fields: str) -> str:
    """Who last wrote one of these fields (`spec.rules`) beside us, by the server's own account.

    Contract: `metadata.managedFields`, https://kubernetes.io/docs/reference/using-api/server-side-apply/
    """
    others = [
        entry
        for entry in live["metadata"].get("managedFields") or []
        if entry.get("manager") != MANAGER
        and not entry.get("subresource")
        and any(_holds(entry.get("fieldsV1") or {}, field.split(".")) for field in fields)
    ]
    if not others:
        return "somebody whom the server does not name"
    newest = max(others, key=lambda entry: str(entry.get("time", "")))
    return f"{newest.get('manager')} ({newest.get('operation')}) at {newest.get('time')}"


def changed(live: Mapping[str, Any], who: str, what: str) -> str:
    """What to tell people where it is not as it was written; with the lines that mend it, where `who`, as
    `changed_by` says it, is a tool that would do so each time."""
    told = f"{place(live)} was changed by {who}: {what}"
    return f"{told}\n{_mend(live)}" if who.partition(" ")[0] in gitops.FIELD_MANAGERS else told


def war(live: Mapping[str, Any], who: str) -> str:
    """What to tell people where each write is undone."""
    return (
        f"{place(live)} is changed back each time that Segue writes it, last by {who}; Segue stops here,"
        f" and what it says now stays. Let its owner leave these fields alone, then retry.\n{_mend(live)}"
    )


def _mend(live: Mapping[str, Any]) -> str:
    metadata = live["metadata"]
    kind, namespace = live.get("kind", ""), metadata.get("namespace", "")
    return gitops.mend(gitops.manager_of(live), kind, namespace, metadata["name"])


def _holds(fields: Mapping[str, Any], path: list[str]) -> bool:
    inner = fields.get(f"f:{path[0]}")
    if inner is None:
        return False
    return len(path) == 1 or _holds(inner, path[1:])
