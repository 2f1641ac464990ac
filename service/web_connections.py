"""Connections over HTTP: made, changed and taken away by who is admin of everything, without any secret.

What would send this machine's secrets or files to an address of the caller's is for who has the machine.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, g, jsonify
from werkzeug.exceptions import ServiceUnavailable

from service import web_bodies
from service.arrivals import asking_to_connect, disconnecting, receivers
from service.arrivals.asking_to_connect import KINDS, Asked, Misfit
from service.bootstrap import Parts
from service.machine import installation
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.sources import shown

RETRY_AFTER = 5  # seconds, while another is connected
# A connection's fields here, and the same of `Asked`.
_SAME = ("url", "name", "owns", "people", "turns", "to", "organisation")
FIELDS = {"from": "sender", **dict(zip(_SAME, _SAME, strict=True))}
T = TypeVar("T")


def add(api: Blueprint, parts: Parts) -> None:
    """Their addresses. One is made at a time: what is connected may be slow to answer."""
    alone = threading.Lock()

    @api.post("/sources")
    def connect() -> Response:
        asked = _asked(web_bodies.body(("kind",), tuple(FIELDS)))
        with _one(alone):
            source, told = _done(lambda: _connected(parts, asked, g.caller.name))
        made = {"name": source.name, "kind": source.kind, "url": shown(source), "owns": list(source.owns)}
        return jsonify(**made, told=told)

    @api.delete("/sources/<name>")
    def disconnect(name: str) -> Response:
        if not any(one.name == name for one in parts.store.sources()):
            abort(404, f"there is no connection {name}")
        with _one(alone):
            told = _done(lambda: disconnecting.disconnect(parts.settings, parts.store, name, g.caller.name))
        return jsonify(name=name, told=told)


def _connected(parts: Parts, asked: Asked, by: str) -> tuple[Source, list[str]]:
    source = asking_to_connect.source_of(asked)
    asking_to_connect.check_from_elsewhere(parts.settings, parts.store, asked, source)
    hooks = installation.place(parts.settings).intake
    return asking_to_connect.connect(parts.settings, parts.store, source, hooks, by)


@contextmanager
def _one(alone: threading.Lock) -> Iterator[None]:
    if not alone.acquire(blocking=False):
        raise ServiceUnavailable("somebody else is connecting something", retry_after=RETRY_AFTER)
    try:
        yield
    finally:
        alone.release()


def _done(what: Callable[[], T]) -> T:
    try:
        return what()
    except Misfit as wrong:
        abort(422, wrong.said({field: f"`{name}`" for name, field in FIELDS.items()}))
    except Refused as reason:
        abort(422, str(reason))
    except Retry as reason:
        raise ServiceUnavailable(str(reason), retry_after=max(1, round(reason.after))) from None
    except OSError as reason:  # secrets and the list of sources are files, which lie elsewhere for some
        abort(
            422, f"its files cannot be written by this process ({reason.strerror}); connect it where they lie"
        )


def _asked(told: dict[str, Any]) -> Asked:
    """What is asked for: 400 for what is of another form."""
    if web_bodies.text(told, "kind") not in KINDS:
        abort(400, f"`kind` must be one of {', '.join(sorted(KINDS))}")
    organisation = told.get("organisation", False)
    if not isinstance(organisation, bool):
        abort(400, "`organisation` must be true or false")
    owns, people, turns, to = (_texts(told, key) for key in ("owns", "people", "turns", "to"))
    if set(turns) - set(receivers.TURNS):
        abort(400, f"`turns` are of {', '.join(receivers.TURNS)}")
    url, name, sender = (web_bodies.word(told, key) for key in ("url", "name", "from"))
    return Asked(told["kind"], url, name, owns, people, turns, sender or "", to, organisation)


def _texts(told: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(web_bodies.texts(told, key)) if key in told else ()
