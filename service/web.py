"""The read side over HTTP: `/api/v1`, behind which the command line stands, and the page for people.

Reads only, and only with a token or a login; what people want done is stored before it is answered, as
by the intake. Views translate HTTP to a read and back.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, Response, abort, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from policies.effects import HandBack
from policies.release import Release
from service import (
    problems,
    web_access,
    web_answers,
    web_connections,
    web_installation,
    web_lineage,
    web_proof,
    web_record,
    web_simulations,
    web_streams,
    web_verdicts,
)
from service.addresses import Addresses
from service.bootstrap import Parts
from service.engine import estimating, happened, parked
from service.identity import answers, sessions, tokens
from service.identity.api_door import guard
from service.machine.installation import place
from service.openapi import document
from service.openapi.operation import MOST
from service.pages import door, frame
from service.problems import problem
from service.rehearsing.trials import Trials
from service.reporting import data
from service.showing import admitted, printed, views
from service.showing.streams import Streams
from service.store import recorded
from service.store.series import Series
from service.store.states import ENVIRONMENT, number_of, release_of, target_of, version_of
from service.store.store import Store

_NAME = re.compile("rel-[1-9][0-9]{0,8}")


def create_web(parts: Parts, series: Series, stop: threading.Event | None = None) -> Flask:
    """The application. Every route below `/api/v1` wants `Authorization: Bearer <token>`. Streams end with
    `stop`."""
    app = Flask("segue-web")
    registry = CollectorRegistry()
    requests = Counter("segue_web_requests", "Requests to the API", ["status"], registry=registry)
    opened = Gauge("segue_web_streams", "Streams of releases that are open", registry=registry)
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    guard(api, parts.store, tokens.actor)
    web_answers.tagged(api)
    _callers(api)
    _releases(api, parts, series)
    _evidence(api, parts.store, series)
    trials = Trials()
    streams = Streams(parts.store, stop or threading.Event())
    opened.set_function(streams.open)
    _streams(api, parts.store, streams)
    _targets(api, parts)
    _events(api, parts)
    _installation(api, parts)
    web_installation.add(api, parts)
    web_connections.add(api, parts)
    web_record.add(api, parts.store)
    web_proof.add(api, parts)
    web_simulations.add(api, parts, trials)
    web_lineage.add(api, parts)
    web_access.add(api, parts.store)
    _links(api, parts)
    app.register_blueprint(api)
    described = document.of(place(parts.settings))

    @app.get("/api/v1/openapi.json")
    def openapi() -> Response:
        return jsonify(described)

    app.register_blueprint(web_verdicts.blueprint(parts))
    frame.add(app, parts, series, streams, trials)

    _probes(app, parts)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    @app.after_request
    def count(response: Response) -> Response:
        requests.labels(str(response.status_code)).inc()
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    problems.answer(app, _wrong)
    return app


def _probes(app: Flask, parts: Parts) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> Response:
        parts.store.now()
        return jsonify(status="ready")


def _wrong(status: int, detail: str, headers: Mapping[str, str]) -> Response:
    """An error in the form of what was asked for: a page, or a problem."""
    if not frame.holds(request.path):
        return problem(status, detail, headers)
    response = frame.wrong(status, detail)
    response.headers.update(headers)
    return response


def _releases(api: Blueprint, parts: Parts, series: Series) -> None:
    store = parts.store

    @api.get("/releases")
    def releases() -> Response:
        wanted: dict[str, Any] = {k: request.args[k] for k in ("target", "model") if k in request.args}
        wanted["among"] = g.caller.rights.targets("see")
        if _flag("open"):
            wanted["final"] = False
        if "before" in request.args:
            if not _NAME.fullmatch(request.args["before"]):
                abort(400, "`before` must be the last release of the page before, such as rel-42")
            wanted["before"] = number_of(request.args["before"])
        most = web_answers.limit()
        rows = [release_of(row) for row in store.releases(limit=most + 1, **wanted)]
        shown, following = web_answers.cut(rows, most, lambda one: one.name)
        return web_answers.listed("before", following, releases=[views.release(one) for one in shown])

    @api.get("/releases/<name>")
    def release(name: str) -> Response:
        shown = _release(store, name)
        version, most = store.version(shown.version), web_answers.limit(MOST)
        entries = store.record_of(name, after=web_answers.entry_id(), limit=most + 1)
        record, following = web_answers.cut(entries, most, lambda one: str(one.id))
        return web_answers.listed(
            "after",
            following,
            release=views.release(shown),
            estimate=_estimate(store, series, shown),
            version=views.version(version_of(version)) if version else None,
            record=[views.entry(entry) for entry in record],
            **_parked(store, name),
        )

    @api.get("/releases/<name>/logs")
    def logs(name: str) -> Response:
        shown = _release(store, name)
        marks = {kind: request.args[kind] for kind in printed.KINDS if kind in request.args}
        if not marks:
            return jsonify(logs=printed.of_release(parts, shown))
        try:
            return jsonify(asdict(printed.behind(parts, shown, marks)))
        except ValueError:
            abort(
                400, f"{' and '.join(map(repr, printed.KINDS))} must be marks of an answer before, or empty"
            )


def _parked(store: Store, name: str) -> dict[str, Any]:
    """A page of its work that was given up, newest first, and where the next one begins."""
    before = request.args.get("parked_before")
    if before is not None and not web_answers.ID.fullmatch(before):
        abort(400, "`parked_before` must be the id of the last work of the page before, such as 42")
    found = store.given_up(name, before=int(before) if before else None, limit=parked.MOST + 1)
    shown, following = web_answers.cut(found, parked.MOST, lambda one: str(one.id))
    return {"parked": [parked.shown(one) for one in shown], "parked_next": following}


def _release(store: Store, name: str) -> Release:
    """The release of exactly that name: 404 for others."""
    row = store.release(number_of(name)) if _NAME.fullmatch(name) else None
    if row is None:
        abort(404, f"there is no release {name}")
    return release_of(row)


def _flag(name: str) -> bool:
    """Whether the query says yes: 400 for anything but 1 and 0."""
    said = request.args.get(name, "0")
    if said not in {"0", "1"}:
        abort(400, f"`{name}` is {said[:40]!r}, and must be 1 or 0")
    return said == "1"


def _estimate(store: Store, series: Series, shown: Release) -> dict[str, Any] | None:
    target = target_of(store.target(shown.target), shown.target)
    return views.estimate(estimating.of(series, shown, target, store.now()))


def _evidence(api: Blueprint, store: Store, series: Series) -> None:
    """What a release was judged by: its report, and the recorded intervals themselves."""

    @api.get("/releases/<name>/report")
    def report(name: str) -> Response:
        return jsonify(report=data.of(_release(store, name), recorded.of_release(series, name)))

    @api.get("/releases/<name>/increments")
    def increments(name: str) -> Response:
        return jsonify(
            environment=ENVIRONMENT.dump(_release(store, name).environment),
            recorded=recorded.written(recorded.of_release(series, name)),
        )


def _streams(api: Blueprint, store: Store, streams: Streams) -> None:
    @api.get("/releases/<name>/stream")
    def stream(name: str) -> Response:
        header = request.headers.get("Authorization", "")
        return web_streams.answer(streams, store, name, lambda: tokens.actor(store, header))


def _targets(api: Blueprint, parts: Parts) -> None:
    store = parts.store
    addresses = Addresses(parts)

    @api.get("/targets")
    def targets() -> Response:
        theirs = [row for row in store.targets() if g.caller.rights.may("see", row.name)]
        rows, following = web_answers.by_name(theirs, lambda row: row.name)
        shown = [target_of(row, row.name) for row in rows]
        waits = {work.subject: work.error for work in store.unfinished(HandBack.__name__)}
        found = [views.target(one, addresses.of(one), waits.get(one.name)) for one in shown]
        return web_answers.listed("after", following, targets=found)


def _events(api: Blueprint, parts: Parts) -> None:
    """What came in and was seen, what became of it, and what was given up."""

    @api.get("/events")
    def events() -> Response:
        wanted: dict[str, Any] = {k: request.args.get(k) for k in ("source", "before")}
        wanted |= {"failed": _flag("failed"), "limit": web_answers.limit()}
        try:
            shown = happened.page(parts.store, parts.inbox, **wanted)
        except ValueError as wrong:
            abort(400, str(wrong))
        return web_answers.listed("before", shown.next, events=[views.event(one) for one in shown.events])

    @api.get("/events/<name>")
    def event(name: str) -> Response:
        found = happened.one(parts.store, parts.inbox, name)
        if found is None:
            abort(404, f"there is no event {name}")
        message = None
        if found.delivery is not None:
            hidden = happened.hidden(parts.settings, found.source)
            message = happened.message(parts.inbox, found.delivery, hidden, body=_flag("body"))
        return jsonify(event=views.event(found), message=views.message(message) if message else None)


def _links(api: Blueprint, parts: Parts) -> None:
    """Ways into the page for who has a token: a link that logs in once."""

    @api.post("/links")
    def links() -> Response:
        secret = tokens.secret_in(request.headers.get("Authorization", ""))
        code = sessions.offer(parts.store, secret)
        if code is None:
            return problem(401, "a token is needed: Authorization: Bearer <token>")
        return jsonify(
            link=f"{place(parts.settings).web}{door.ROOT}links#{code}", seconds=sessions.LINK_SECONDS
        )


def _callers(api: Blueprint) -> None:
    """Who one is, for whoever asks."""

    @api.get("/me")
    def me() -> Response:
        return jsonify(name=g.caller.name, roles=admitted.grants(g.caller.rights.grants))


def _installation(api: Blueprint, parts: Parts) -> None:
    """What was said to it and answered, what is declared, and the record."""
    store = parts.store

    @api.get("/commands/<delivery>")
    def command(delivery: str) -> Response:
        return jsonify(answer=answers.of(parts, g.caller, delivery))

    @api.get("/models")
    def models() -> Response:
        theirs = [one for one in store.models() if g.caller.rights.may_of_model("see", one.name)]
        rows, following = web_answers.by_name(theirs, lambda row: row.name)
        found = [{"name": m.name, "source": m.source, "folder": m.folder, "commit": m.commit} for m in rows]
        return web_answers.listed("after", following, models=found)

    @api.get("/models/<name>/labels")
    def model_labels(name: str) -> Response:
        with store.read() as read:
            known = read.labels(name)
        rows, following = web_answers.by_name(known, lambda one: f"{one.source} {one.version or ''}")
        return web_answers.listed("after", following, labels=[asdict(one) for one in rows])

    @api.get("/record")
    def record() -> Response:
        most = web_answers.limit(MOST)
        entries = store.record_of(after=web_answers.entry_id(), limit=most + 1)
        shown, following = web_answers.cut(entries, most, lambda one: str(one.id))
        return web_answers.listed("after", following, record=[views.entry(entry) for entry in shown])
