"""What every traffic router demands of a route before it writes anything; no I/O."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route

_TARGET = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_BACKEND = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-f:]+")


def check(route: Route, capabilities: frozenset[str]) -> None:
    """Raise `Refused` with the first thing that this router could not serve as written."""
    check_target(route.target)
    if route.epoch < 0:
        raise Refused(f"{route.target}: the epoch {route.epoch} is negative")
    if route.sticky != "none" and f"sticky:{route.sticky}" not in capabilities:
        known = ", ".join(sorted(word for word in capabilities if word.startswith("sticky:"))) or "none"
        raise Refused(f"{route.target}: this router cannot do sticky:{route.sticky}; it can do: {known}")
    for backend in route.backends:
        _check_backend(route.target, backend)
    _check_whole(route)
    _check_recording(route, capabilities)


def check_apart(route: Route, others: Iterable[Route]) -> None:
    """Raise `Refused` where another target has a backend of that name: their counts would mix."""
    names = {backend.name for backend in route.backends}
    for other in others:
        shared = names & {backend.name for backend in other.backends}
        if other.target != route.target and shared:
            raise Refused(f"{route.target}: the backend {min(shared)} belongs to {other.target}")


def check_order(target: str, write: tuple[int, int], stored: tuple[int, int] | None) -> None:
    """Raise `Refused` where a later write is stored; a write is known by its epoch and attempt."""
    if stored is None or stored <= write:
        return
    if stored[0] > write[0]:
        raise Refused(f"{target} is held under epoch {stored[0]}; a write under epoch {write[0]} is too old")
    raise Refused(f"{target} was written {stored[1]} times under epoch {stored[0]}; this is an older write")


def check_seen(route: Route, drift: str | None) -> None:
    """Raise `Refused` where the route is for one drift alone, and what is there now is not that."""
    if route.over and route.over != drift:
        now = "is as it was written again" if drift is None else f"is another one now: {drift}"
        raise Refused(f"{route.target}: what was changed by somebody else {now}")


def check_target(target: str) -> None:
    """Raise `Refused` for a target that is not `model/environment`."""
    if not _TARGET.fullmatch(target):
        raise Refused(
            f"{target!r} is not a target; write model/environment in small letters, digits and hyphens"
        )


def _check_backend(target: str, backend: Backend) -> None:
    if not _BACKEND.fullmatch(backend.name):
        raise Refused(
            f"{target}: {backend.name!r} is not a backend's name; use letters, digits, '.', '_', '-'"
        )
    if not _usable(backend.url):
        raise Refused(f"{target}: {backend.url!r} is not a backend's URL; write http://host:port")
    if not math.isfinite(backend.weight) or not 0 <= backend.weight <= 100:
        raise Refused(f"{target}: the weight {backend.weight} of {backend.name} is not between 0 and 100")


def _check_whole(route: Route) -> None:
    if not route.backends:
        raise Refused(f"{route.target}: a route needs at least one backend; remove it to serve nothing")
    name, times = Counter(backend.name for backend in route.backends).most_common(1)[0]
    if times > 1:
        raise Refused(f"{route.target}: the backend {name} is named {times} times")
    total = math.fsum(backend.weight for backend in route.backends)
    if abs(total - 100) > 1e-6:
        raise Refused(f"{route.target}: the weights add to {total:g}, not to 100")


def _check_recording(route: Route, capabilities: frozenset[str]) -> None:
    copies = route.recording is not None and route.recording.copies
    if copies and "copies" not in capabilities:
        raise Refused(f"{route.target}: nothing copies the requests of this router")
    if route.recording is not None and route.recording.assigns and "assigns" not in capabilities:
        raise Refused(f"{route.target}: nothing notes who answered the requests of this router")
    if copies != bool(route.copied):
        raise Refused(
            f"{route.target}: a copy of each request needs a version that it goes to, and a recorder"
        )
    if copies and route.copied not in {backend.name for backend in route.backends if backend.weight == 0}:
        raise Refused(f"{route.target}: {route.copied} gets copies, so it must be a version without traffic")


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username or parts.path not in {"", "/"})
    printable = url.isascii() and url.isprintable() and " " not in url
    host = parts.hostname or ""
    return (
        parts.scheme in {"http", "https"}
        and plain
        and printable
        and port != 0
        and bool(_HOST.fullmatch(host))
    )
