"""Intake: verifies deliveries, stores them, answers 202. It calls nothing and decides nothing.

The address names the source, and with it the secrets; the body is not read for anything but its
signature. An unknown source and a wrong signature get the same answer.
"""

import json
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import structlog
from flask import Flask, Request, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from handlers import labels
from handlers.commands import BY_VERB
from handlers.errors import Malformed, Unverified
from handlers.strict_json import load as load_json
from policies import roles
from service import plugins, problems
from service.errors import StoreError
from service.identity.callers import Caller
from service.problems import RETRY_AFTER, problem
from service.settings import Settings
from service.sources import UNHEARD_KINDS
from service.store.inbox import Delivery, Inbox, KeyUsed, Stored

log = structlog.get_logger()
PEOPLE = "people"
LABELS = "labels"
HOOKS = "/hooks/"
_TOLD = ("verb", "subject", "digest", "reason", "channel", "arguments")
CHANNELS = ("api", "cli")  # that whoever has a token may say they speak by
# A browser must take no answer for a page, keep none, and frame none.
PLAIN = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
KEPT = ("user-agent", "content-type")  # headers that are kept beside those of the signature
SIGNED = ("x-", "webhook-", "ce-")
# Some senders put a login into a header of theirs: it is not kept. (`X-Event-Key` of Bitbucket is none.)
LOGINS = ("token", "secret", "auth", "cookie", "password", "api-key")
LONGEST_KEY = 255  # characters of what makes a request the same one
UNKNOWN = "the delivery is not signed by a known source"
LEAST_FREE = 500 << 20
LEAST_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Door:
    """What the intake knows of a source: its kind and the secrets that are live now."""

    kind: str
    secrets: tuple[bytes, ...]


Doors = Callable[[str], Door | None]
Actors = Callable[[str], Caller | None]


class Refusal(Exception):
    """An answer other than 202, as problem+json."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def create_intake(
    settings: Settings, inbox: Inbox, doors: Doors, actors: Actors, clock: Callable[[], float] = time.time
) -> Flask:
    """The application. `doors` finds a source's kind and secrets, `actors` the owner of a token."""
    app = Flask("segue-intake")
    desk = _Desk(settings, inbox, _Meters(), clock)
    _for_senders(app, desk, doors)
    _for_people(app, desk, actors)
    _for_operators(app, desk)
    _errors(app, desk.meters)
    return app


def _for_senders(app: Flask, desk: "_Desk", doors: Doors) -> None:
    @app.post("/hooks/<source>", provide_automatic_options=False)
    def hook(source: str) -> Response:
        body = _body(request, desk.settings.body_bytes)
        headers = dict(request.headers)
        handler = _verified(desk.settings, doors(source), headers, body, desk.clock())
        try:
            return _taken(desk, source, handler, headers, body)
        except Malformed as error:
            raise Refusal(400, str(error)) from None

    @app.route("/hooks/<source>", methods=["OPTIONS"])
    def handshake(source: str) -> Response:
        """Yes to whoever asks whether it may send here (HTTP 1.1 Web Hooks, 4); what it sends is verified."""
        del source
        allowed = {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*", "Allow": "POST, OPTIONS"}
        return Response(status=200, headers=allowed)


def _taken(desk: "_Desk", source: str, handler: Any, headers: Mapping[str, str], body: bytes) -> Response:
    """The answer to a verified delivery, stored unless it only asks for one. Raises `Malformed` where a
    sender's own form of answer, or what must not be stored of it, cannot be told."""
    reply = getattr(handler, "reply", None)
    own = reply(headers, body) if reply is not None else None
    if own is not None:
        return Response(own[1], status=own[0], content_type="text/plain")
    name, kept = _named(handler, headers, body), getattr(handler, "kept", None)
    acknowledge = getattr(handler, "acknowledge", None)
    shown = None if acknowledge is None else acknowledge(headers, body)
    taken = desk.take(source, name, body if kept is None else kept(headers, body), _kept(headers))
    if shown is None:
        return taken
    return Response(shown[2], status=shown[0], content_type=shown[1])


def _for_people(app: Flask, desk: "_Desk", actors: Actors) -> None:
    @app.post("/api/v1/commands")
    def command() -> Response:
        caller = _caller(actors)
        told = _command(_body(request, desk.settings.body_bytes), caller)
        return desk.take_once(PEOPLE, caller, json.dumps(told, sort_keys=True).encode())

    @app.post("/api/v1/labels")
    def true_labels() -> Response:
        caller = _caller(actors)
        body = _body(request, desk.settings.body_bytes)
        try:
            batch = labels.parse(body)
        except Malformed as error:
            raise Refusal(400, str(error)) from None
        # True labels judge a model wherever it serves, so a role in one environment is not enough.
        if not caller.rights.may_throughout_model("label", batch.model):
            raise _denied("label", f"{batch.model}/*")
        return desk.take_once(LABELS, caller, body)


def _for_operators(app: Flask, desk: "_Desk") -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> Response:
        usage = shutil.disk_usage(desk.settings.home)
        if usage.free < LEAST_FREE or usage.free < LEAST_SHARE * usage.total:
            raise Refusal(503, "the disk is nearly full")
        desk.inbox.newest()
        return jsonify(status="ready")

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(desk.meters.registry), content_type=CONTENT_TYPE_LATEST)


# --- what a request must be ------------------------------------------------------------------


def _caller(actors: Actors) -> Caller:
    """Whose token it is."""
    caller = actors(request.headers.get("Authorization", ""))
    if caller is None:
        log.info("unknown token", asked=f"{request.method} {request.path}")
        raise Refusal(401, "a token is needed: Authorization: Bearer <token>")
    return caller


def _denied(action: str, where: str) -> Refusal:
    return Refusal(403, f"this needs the role {roles.who_may(action)} on {where}; see: segue whoami")


def _key() -> str | None:
    """What makes a request the same one when it is sent again."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise Refusal(400, f"`Idempotency-Key` must have 1 to {LONGEST_KEY} characters, such as a UUID")
    return key


def _body(asked: Request, most: int) -> bytes:
    """The whole body, which must say its length first."""
    if asked.headers.get("Transfer-Encoding") or asked.content_length is None:
        raise Refusal(411, "a Content-Length is needed")
    if asked.headers.get("Content-Encoding", "identity") != "identity":
        raise Refusal(415, "an encoded body is not accepted")
    if asked.content_length > most:
        raise Refusal(413, f"the body is larger than {most} bytes")
    body = asked.get_data(cache=False)
    if len(body) != asked.content_length:
        raise Refusal(400, "the body is shorter than its Content-Length")
    return body


def _verified(
    settings: Settings, door: Door | None, headers: Mapping[str, str], body: bytes, now: float
) -> Any:
    """The source's handler, once it has verified the delivery; the same refusal whatever is wrong."""
    if door is not None and door.kind in UNHEARD_KINDS:
        door = None  # what we signed for a receiver could be sent back here else
    handler = plugins.load("event_sources", door.kind if door is not None else "bare")
    live = door.secrets if door is not None else ()
    if door is not None and not live and settings.allow_unsigned:
        return handler
    try:
        # Without a door there is no secret, and nothing verifies: the work is the same.
        handler.verify(headers, body, live, now)
    except Unverified:
        raise Refusal(401, UNKNOWN) from None
    return handler


def _named(handler: Any, headers: Mapping[str, str], body: bytes) -> str:
    """The sender's id of the delivery; where nothing need be signed, an id must still be there."""
    try:
        found: str = handler.delivery_id(headers, body)
    except Unverified:
        raise Refusal(401, UNKNOWN) from None
    return found


def _command(body: bytes, caller: Caller) -> dict[str, Any]:
    try:
        told = load_json(body)
    except Malformed as error:
        raise Refusal(400, str(error)) from None
    strange = next((key for key in told if key not in _TOLD), None)
    if strange is not None:
        raise Refusal(400, f"`{strange[:40]}` is no key of a command; known: {', '.join(_TOLD)}")
    verb = told.get("verb")
    if not isinstance(verb, str) or verb not in BY_VERB:
        raise Refusal(400, f"`verb` must be one of {', '.join(BY_VERB)}")
    if not caller.rights.may_somewhere(verb):
        raise _denied(verb, "something")
    for key in ("subject", "digest", "reason", "channel"):
        value = told.get(key)
        if value is not None and (not isinstance(value, str) or len(value) > 2000):
            raise Refusal(400, f"`{key}` must be a text")
    if told.get("channel") not in {None, *CHANNELS}:
        raise Refusal(400, f"`channel` must be one of {', '.join(CHANNELS)}: no other can be claimed")
    arguments = told.get("arguments", {})
    if not isinstance(arguments, dict) or not all(isinstance(v, str) for v in arguments.values()):
        raise Refusal(400, "`arguments` must be an object of texts")
    return {**told, "actor": caller.name, "authority": list(caller.holders)}


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that parsing may need; nothing that could hold a login."""
    return {k: v[:2000] for k, v in headers.items() if _keep(k.lower())}


def _keep(name: str) -> bool:
    if name in KEPT:
        return True
    return name.startswith(SIGNED) and not any(word in name for word in LOGINS)


# --- answers ---------------------------------------------------------------------------------


class _Meters:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "segue_deliveries",
            "Deliveries by source and result",
            ["source", "result"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "segue_intake_seconds",
            "Time to the answer",
            registry=self.registry,
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0),
        )


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where everything that may come in is stored, and answered for."""

    settings: Settings
    inbox: Inbox
    meters: _Meters
    clock: Callable[[], float]

    def take(
        self, source: str, name: str, body: bytes, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Response:
        """Store it, and say so once it is. Raises `Refusal` where it could not be."""
        return self._stored(Delivery(source, name, headers, body, self.clock()))

    def take_once(self, source: str, caller: Caller, body: bytes) -> Response:
        """The same of what somebody asks for; under one key of theirs once, and no other body ever."""
        key = _key()
        name = f"{_plain(caller.name)}:{key or secrets.token_hex(16)}"
        try:
            return self._stored(Delivery(source, name, {}, body, self.clock(), once=key is not None))
        except KeyUsed:
            raise Refusal(422, "this `Idempotency-Key` was sent with another body; make a new key") from None

    def _stored(self, new: Delivery) -> Response:
        stored, source = self._store(new), new.source
        self.meters.deliveries.labels(source, "duplicate" if stored.duplicate else "stored").inc()
        response = jsonify(delivery=str(stored.id), duplicate=stored.duplicate)
        response.status_code = 202
        return response

    def _store(self, new: Delivery) -> Stored:
        try:
            return self.inbox.store(new)
        except StoreError as error:
            log.warning("delivery not stored", source=new.source, reason=str(error))
            later = {"Retry-After": RETRY_AFTER}
            raise Refusal(503, "the delivery was not stored; send it again", **later) from None


def _plain(name: str) -> str:
    """A caller's name without the `:` behind which their key stands: `a:b` with `c` is not `a` with `b:c`."""
    return name.replace("%", "%25").replace(":", "%3A")


def _errors(app: Flask, meters: _Meters) -> None:
    def wrong(status: int, detail: str, headers: Mapping[str, str]) -> Response:
        # A name that nobody connected must not become a label: strangers choose it.
        meters.deliveries.labels("any", str(status)).inc()
        # Who is not known learns by no byte which sources there are.
        unknown = status == 401 and request.path.startswith(HOOKS)
        return problem(status, detail, headers, HOOKS if unknown else "")

    problems.answer(app, wrong)

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        return wrong(refusal.status, refusal.detail, refusal.headers)

    @app.before_request
    def begin() -> None:
        request.environ["segue.began"] = time.monotonic()

    @app.after_request
    def end(response: Response) -> Response:
        began = request.environ.get("segue.began")
        if began is not None and request.method == "POST":
            meters.seconds.observe(time.monotonic() - began)
        response.headers.update(PLAIN)
        return response
