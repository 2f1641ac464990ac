"""What every address of the web asks of who comes: one table, and the check in front of all of them.

An address that is not in the table answers nobody. What somebody may not see is not there for them: 404,
the same as for a name that nobody has; what they see and may not do is 403, with the role that could.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog
from flask import Request

from policies import roles
from policies.roles import Rights
from service.identity.callers import Caller
from service.store.states import number_of
from service.store.store import Store

log = structlog.get_logger()
PAGE, API = "/-", "/api/v1"


class Scope(StrEnum):
    """What an address is about, and so where its role must hold."""

    OPEN = "open"  # nothing: anybody may come
    OWN = "own"  # what the caller may see of it; the view chooses that
    ALL = "all"  # the whole installation
    RELEASE = "release"  # the release <name>
    TARGET = "target"  # <model>/<environment>
    MODEL = "model"  # the model <name>


@dataclass(frozen=True, slots=True)
class Needed:
    """What must be allowed to the caller, and where."""

    action: str
    scope: Scope


OPEN = Needed("", Scope.OPEN)
_OWN, _ALL, _RELEASE, _TARGET = (
    Needed("see", scope) for scope in (Scope.OWN, Scope.ALL, Scope.RELEASE, Scope.TARGET)
)
ADMITS = Needed("admit", Scope.ALL)
ROUTES: dict[str, Needed] = {
    "GET /": OPEN,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
    f"GET {API}/openapi.json": OPEN,
    f"GET {API}/me": Needed("", Scope.OWN),
    f"GET {API}/releases": _OWN,
    f"GET {API}/releases/<name>": _RELEASE,
    f"GET {API}/releases/<name>/stream": _RELEASE,
    f"GET {API}/releases/<name>/logs": _RELEASE,
    f"GET {API}/releases/<name>/report": _RELEASE,
    f"GET {API}/releases/<name>/increments": _RELEASE,
    f"GET {API}/releases/<name>/lineage": _RELEASE,
    f"GET {API}/targets": _OWN,
    f"GET {API}/targets/<model>/<environment>/lineage": _TARGET,
    f"GET {API}/targets/<model>/<environment>/served": _TARGET,
    f"GET {API}/commands/<delivery>": _OWN,
    f"GET {API}/sources": _ALL,
    f"POST {API}/sources": ADMITS,
    f"DELETE {API}/sources/<name>": ADMITS,
    f"GET {API}/clusters": _ALL,
    f"GET {API}/settings": ADMITS,
    f"GET {API}/models": _OWN,
    f"GET {API}/models/<name>/labels": Needed("see", Scope.MODEL),
    f"GET {API}/events": _ALL,
    f"GET {API}/events/<name>": _ALL,
    f"GET {API}/record": _ALL,
    f"GET {API}/record/export": _ALL,
    f"GET {API}/record/proof": _ALL,
    f"POST {API}/record/proof": _ALL,
    f"POST {API}/links": _OWN,
    f"GET {API}/tokens": _OWN,
    f"POST {API}/tokens": ADMITS,
    f"DELETE {API}/tokens/<name>": _OWN,  # of others the view asks for more
    f"GET {API}/logins": _OWN,
    f"DELETE {API}/logins/<name>": _OWN,
    f"GET {API}/grants": ADMITS,
    f"POST {API}/grants": ADMITS,
    f"DELETE {API}/grants": ADMITS,
    f"GET {API}/persons": ADMITS,
    f"PUT {API}/persons/<name>": ADMITS,
    f"DELETE {API}/persons/<name>": ADMITS,
    f"POST {API}/simulations": _OWN,  # of a target's policy the view asks for more
    f"GET {API}/verdicts/<model>/<environment>": Needed("ask", Scope.TARGET),
    f"POST {API}/gates/<gate>/<model>/<environment>": Needed("ask", Scope.TARGET),
    f"GET {PAGE}/": _OWN,
    f"GET {PAGE}/targets/<model>/<environment>": _TARGET,
    f"GET {PAGE}/releases": _OWN,
    f"GET {PAGE}/releases/<name>": _RELEASE,
    f"GET {PAGE}/releases/<name>/live": _RELEASE,
    f"GET {PAGE}/releases/<name>/pictures": _RELEASE,
    f"GET {PAGE}/releases/<name>/stream": _RELEASE,
    f"GET {PAGE}/releases/<name>/logs": _RELEASE,
    f"GET {PAGE}/events": _ALL,
    f"GET {PAGE}/events/<name>": _ALL,
    f"GET {PAGE}/record": _ALL,
    f"GET {PAGE}/installation": _ALL,
    f"GET {PAGE}/simulator": _OWN,
    f"GET {PAGE}/tokens": _OWN,
    f"POST {PAGE}/tokens": ADMITS,
    f"POST {PAGE}/tokens/end": _OWN,  # of others the view asks for more
    f"POST {PAGE}/logins/end": _OWN,
    f"GET {PAGE}/answers/<delivery>": _OWN,
    f"POST {PAGE}/commands": _OWN,  # the engine checks what the command needs when it obeys
    f"POST {PAGE}/logout": _OWN,
    f"GET {PAGE}/login": OPEN,
    f"POST {PAGE}/login": OPEN,
    f"GET {PAGE}/login/provider": OPEN,
    f"GET {PAGE}/login/back": OPEN,
    f"POST {PAGE}/logout/provider": OPEN,
    f"GET {PAGE}/links": OPEN,
    f"POST {PAGE}/login/link": OPEN,
    f"GET {PAGE}/static/<name>": OPEN,
}
_READS = frozenset({"HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Denied:
    """Why not: 403, or 404 for what the caller may not know of."""

    status: int
    why: str


def needed(asked: Request) -> Needed | None:
    """The row of the address that is asked for; None where there is none."""
    if asked.url_rule is None:
        return None
    methods = ("GET", "POST") if asked.method in _READS else (asked.method,)
    return next(
        (ROUTES[key] for key in (f"{one} {asked.url_rule.rule}" for one in methods) if key in ROUTES), None
    )


def denied(store: Store, caller: Caller, asked: Request, needs: Needed | None = None) -> Denied | None:
    """Why the caller may not do what the address is for, or what a view asks for besides; None where they
    may. It is logged."""
    found = why_not(store, caller.rights, needs or needed(asked), asked.view_args or {})
    if found is not None:
        rule = asked.url_rule.rule if asked.url_rule is not None else ""
        log.info("access denied", who=caller.name, asked=f"{asked.method} {rule}", status=found.status)
    return found


def why_not(store: Store, rights: Rights, needs: Needed | None, named: Mapping[str, str]) -> Denied | None:
    """The same of somebody with these rights, and a row of the table."""
    if needs is None:
        return Denied(403, "nobody may do this here")
    if rights.may_everywhere(needs.action) or not needs.action:
        return None
    match needs.scope:
        case Scope.OPEN:
            return None
        case Scope.OWN:
            return None if rights.may_somewhere(needs.action) else _refused(needs.action, "something")
        case Scope.ALL:
            return _refused(needs.action, "everything")
        case Scope.RELEASE:
            row = store.release(number_of(named["name"]))
            known = row is not None and rights.may(needs.action, row.target)
            return None if known else Denied(404, f"there is no release {named['name']}")
        case Scope.TARGET:
            target = f"{named['model']}/{named['environment']}"
            return None if rights.may(needs.action, target) else Denied(404, f"there is no target {target}")
        case Scope.MODEL:
            known = rights.may_of_model(needs.action, named["name"])
            return None if known else Denied(404, f"there is no model {named['name']}")


def _refused(action: str, where: str) -> Denied:
    return Denied(403, f"this needs the role {roles.who_may(action)} on {where}; see: segue whoami")
