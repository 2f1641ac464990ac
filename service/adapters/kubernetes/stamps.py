"""Who answers, said by a route of Segue's own: to the model, which may log it, and to the caller.

Each reference to a version sets the header X-Segue-Served-By in its requests and answers. Pure functions
over decoded specs. Contract: https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPBackendRef.filters, whose
support is a data plane's own choice: only those of which it was seen get any).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from policies.place import SERVED_BY, served_by
from service.adapters.kubernetes.recorders_manifest import is_recorder
from service.adapters.kubernetes.routes_manifest import key_of

# A filter's type, and the field that says what it does. A reference has each type once at most.
_MODIFIERS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
}
Ref = dict[str, Any]


def stamped(spec: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The spec of a route in that namespace whose every version says who it is."""
    rules = [
        {**rule, "backendRefs": [_stamped(ref, namespace) for ref in rule["backendRefs"]]}
        if "backendRefs" in rule
        else rule
        for rule in spec["rules"]
    ]
    return {**spec, "rules": rules}


def unstamped(ref: Mapping[str, Any], namespace: str) -> list[Any]:
    """The filters of a reference but for its own stamp: a route of an earlier Segue has none, and that is
    nobody's change. One with another's name stays, since answers would count for the wrong version."""
    said = _said(ref, namespace)
    return [rest for one in ref.get("filters") or [] if (rest := _without(one, said)) is not None]


def _stamped(ref: Ref, namespace: str) -> Ref:
    if is_recorder(key_of(ref, namespace) or ""):
        return ref  # it says itself whose answer it passes on
    filters: list[Ref] = list(ref.get("filters") or [])
    for kind, field in _MODIFIERS.items():
        there: Ref = next((one for one in filters if one["type"] == kind), {"type": kind, field: {}})
        made = {**there, field: {**there[field], "set": [_said(ref, namespace)]}}
        filters = [*(one for one in filters if one is not there), made]
    return {**ref, "filters": filters}


def _said(ref: Mapping[str, Any], namespace: str) -> dict[str, str]:
    return {"name": SERVED_BY, "value": served_by(key_of(ref, namespace) or "")}


def _without(one: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any] | None:
    """The filter without that header; None where nothing else is in it."""
    field = _MODIFIERS.get(str(one.get("type")), "")
    if field not in one:
        return dict(one)
    body = {**one[field], "set": _others(one[field].get("set") or [], said)}
    rest = {key: value for key, value in body.items() if value}
    return {**one, field: rest} if rest else None


def _others(headers: Iterable[Any], said: Mapping[str, str]) -> list[Any]:
    return [header for header in headers if header != said]
