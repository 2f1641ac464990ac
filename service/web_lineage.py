"""What served when, over HTTP: at a moment, and as OpenLineage run events or a CycloneDX document."""

import json
from collections.abc import Sequence

from flask import Blueprint, Response, abort, jsonify, request

from service.bootstrap import Parts
from service.engine import served
from service.engine.served import Served
from service.machine.installation import place
from service.showing import lineage, ml_bom, views
from service.showing.lineage import KINDS, Form
from service.sources import shown
from service.store.reading import Reading
from service.store.states import number_of
from service.web_answers import RELEASE, SECONDS


def add(api: Blueprint, parts: Parts) -> None:
    """Its addresses."""
    namespace = place(parts.settings).web

    @api.get("/releases/<name>/lineage")
    def of_release(name: str) -> Response:
        form = _form()
        with parts.store.read() as read:
            row = read.release(number_of(name)) if RELEASE.fullmatch(name) else None
            if row is None:
                abort(404, f"there is no release {name}")
            found, sources = served.of_release(read, row), _sources(read)
        if form is Form.CYCLONEDX:
            return _bom(json.dumps(ml_bom.of_release(found, namespace, sources)))
        return _events([found], namespace, sources)

    @api.get("/targets/<model>/<environment>/lineage")
    def of_target(model: str, environment: str) -> Response:
        form, before = _form(), _before()
        with parts.store.read() as read:
            name = _target(read, model, environment)
            found, sources = served.of_target(read, name, before=before), _sources(read)
        if form is Form.CYCLONEDX:
            return _bom(json.dumps(ml_bom.of_target(name, found, namespace, sources)))
        return _events(found[::-1], namespace, sources)

    @api.get("/targets/<model>/<environment>/served")
    def at(model: str, environment: str) -> Response:
        with parts.store.read() as read:
            name = _target(read, model, environment)
            moment = _moment(read.now)
            found = served.at(read, name, moment)
        return jsonify(target=name, at=moment, served=[views.served(*one) for one in found])


def _events(found: Sequence[Served], namespace: str, sources: dict[str, str]) -> Response:
    """Oldest release first, each with its events in order."""
    return Response(lineage.events(found, namespace, sources), content_type=KINDS[Form.OPENLINEAGE])


def _bom(text: str) -> Response:
    return Response(text, content_type=KINDS[Form.CYCLONEDX])


def _sources(read: Reading) -> dict[str, str]:
    return {source.name: shown(source) for source in read.sources() if source.url}


def _target(read: Reading, model: str, environment: str) -> str:
    """Its name: 404 for one that no release was ever on its way to."""
    name = f"{model}/{environment}"
    if read.target(name) is None and not read.releases(target=name, limit=1):
        abort(404, f"there is no target {name}")
    return name


def _form() -> Form:
    said = request.args.get("form", Form.OPENLINEAGE.value)
    if said not in set(Form):
        abort(400, f"`form` is {said[:40]!r}, and must be one of {', '.join(Form)}")
    return Form(said)


def _before() -> int | None:
    said = request.args.get("before")
    if said is not None and not RELEASE.fullmatch(said):
        abort(400, "`before` must be the oldest release of the page before, such as rel-42")
    return None if said is None else number_of(said)


def _moment(now: float) -> float:
    said = request.args.get("at")
    if said is not None and not SECONDS.fullmatch(said):
        abort(400, f"`at` is {said[:40]!r}, and must be a time in Unix seconds, such as 1767225600")
    return now if said is None else float(said)
