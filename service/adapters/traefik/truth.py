"""The truth about all routes: one file under a lock, changed by compare-and-swap on the epoch.

Traefik's file provider has no such write; so the file is the truth, and what Traefik reads is
rendered from it while the lock is held. It must not ask Traefik anything.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from policies import recording
from service.adapters import routes as order
from service.adapters.traefik.layout import Layout
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a target. A removed one keeps its epoch, so that nobody older brings it back."""

    epoch: int
    route: Route | None
    attempt: int = 0


Routes = dict[str, Entry]


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the truth alone, among threads and processes; the kernel lets go for whoever dies."""
    layout.make()
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def load(layout: Layout) -> Routes:
    """All entries; a file that cannot be read is never taken for an empty one."""
    try:
        text = layout.state.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        stored = json.loads(text)
        schema = stored["schema"]
        found = {target: _entry(target, entry) for target, entry in stored["targets"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{layout.state} cannot be read: {type(error).__name__} {error}") from error
    if schema != SCHEMA:
        raise Refused(f"{layout.state} has schema {schema}; this version of Segue reads {SCHEMA}")
    return found


def save(layout: Layout, routes: Routes) -> None:
    """Replace the file. The caller holds the lock."""
    targets = {target: _stored(entry) for target, entry in sorted(routes.items())}
    layout.replace(layout.state, json.dumps({"schema": SCHEMA, "targets": targets}, indent=1) + "\n")


def with_route(routes: Routes, route: Route) -> Routes:
    """The routes after this write; `Refused` where a later one is stored."""
    check_order(routes, route.target, (route.epoch, route.attempt))
    order.check_apart(route, [entry.route for entry in routes.values() if entry.route is not None])
    return {**routes, route.target: Entry(route.epoch, route, route.attempt)}


def without(routes: Routes, target: str, epoch: int, attempt: int) -> Routes:
    """The routes after the target's removal, which remembers the epoch."""
    check_order(routes, target, (epoch, attempt))
    return {**routes, target: Entry(epoch, None, attempt)}


def check_order(routes: Routes, target: str, write: tuple[int, int]) -> None:
    """Raise `Refused` where a write of a greater epoch, or a later attempt of this one, is stored."""
    stored = routes.get(target)
    order.check_order(target, write, None if stored is None else (stored.epoch, stored.attempt))


def _stored(entry: Entry) -> dict[str, Any]:
    if entry.route is None:
        return {"epoch": entry.epoch, "attempt": entry.attempt, "removed": True}
    stored: dict[str, Any] = {
        "epoch": entry.epoch,
        "attempt": entry.attempt,
        "sticky": entry.route.sticky,
        "backends": [asdict(backend) for backend in entry.route.backends],
    }
    if entry.route.recording is not None:
        stored |= {"recording": recording.to_json(entry.route.recording), "copied": entry.route.copied}
    return stored


def _entry(target: str, stored: dict[str, Any]) -> Entry:
    epoch, attempt = int(stored["epoch"]), int(stored.get("attempt", 0))
    if stored.get("removed"):
        return Entry(epoch, None, attempt)
    backends = tuple(Backend(b["name"], b["url"], float(b["weight"])) for b in stored["backends"])
    route = Route(target, epoch, backends)
    if "recording" in stored:
        asked = recording.from_json(stored["recording"])
        route = replace(route, recording=asked, copied=stored["copied"])
    return Entry(epoch, replace(route, sticky=stored["sticky"], attempt=attempt), attempt)
