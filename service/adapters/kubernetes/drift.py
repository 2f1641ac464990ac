"""Who else writes an object that Segue writes, and what to tell people about it. Pure functions."""

from collections.abc import Mapping
from typing import Any

from service.adapters.kubernetes.api import MANAGER

_ARGO = """\
In Argo CD, add to the Application's spec:
  ignoreDifferences:
    - group: "{group}"
      kind: {kind}
      namespace: {namespace}
      name: {name}
      jqPathExpressions: ['{jq}']
  syncPolicy:
    syncOptions: [RespectIgnoreDifferences=true]"""
_FLUX = """\
In Flux, add to the Kustomization's spec (2.9 or newer; before, annotate the {kind} in Git with
kustomize.toolkit.fluxcd.io/ssa: IfNotPresent):
  ignore:
    - paths: [{pointer}]
      target: {{kind: {kind}, name: {name}, namespace: {namespace}}}"""


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


def war(live: Mapping[str, Any], who: str, jq: str, pointer: str) -> str:
    """What to tell people where each write is undone; `jq` and `pointer` name the fields that are ours."""
    metadata = live["metadata"]
    words = {
        "group": str(live.get("apiVersion", "")).rpartition("/")[0],
        "kind": live.get("kind", ""),
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "jq": jq,
        "pointer": pointer,
    }
    return (
        f"{place(live)} is changed back each time that Segue writes it, last by {who}; Segue stops here,"
        f" and what it says now stays. Let its owner leave these fields alone, then retry.\n"
        f"{_ARGO.format(**words)}\n{_FLUX.format(**words)}"
    )


def _holds(fields: Mapping[str, Any], path: list[str]) -> bool:
    inner = fields.get(f"f:{path[0]}")
    if inner is None:
        return False
    return len(path) == 1 or _holds(inner, path[1:])
