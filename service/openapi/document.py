"""The OpenAPI 3.1 document of an installation, made from the table of operations."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from service.identity.access import ROUTES, Scope
from service.machine.installation import Place
from service.openapi.operation import INTAKE, JSON, STREAM, Operation
from service.openapi.operations import OPERATIONS
from service.openapi.schema import Schema, ref
from service.openapi.shapes import SHAPES
from service.problems import TYPE

_ABOUT = (
    "Event-driven progressive delivery for ML models. Answers have every field, null where there is nothing;"
    " later versions may add fields. Errors are problems (RFC 9457)."
)
_SAID = {
    200: "as asked for",
    201: "made",
    204: "it has ended, and all of it was told",
    304: "still what `If-None-Match` names",
    202: "stored, on the disk; what follows from it comes later",
    400: "not what this address takes",
    401: "no known token",
    403: "the token has no role for it",
    404: "not there, or not for this token to see",
    409: "closed, or there already",
    411: "no Content-Length",
    413: "too large",
    415: "an encoded body",
    429: "too many streams of one caller",
    422: "of its form, and not to be taken: its `Idempotency-Key` was sent with another body, no key of ours"
    " signed it, or what it says cannot be",
    500: "a mistake of ours",
    503: "the store does not answer, or is busy with the same",
}
_ONCE: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same sent twice by one caller is one; another body with it is refused",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_KNOWN: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "the `ETag` of an answer that is kept: 304 while it is the same",
    "schema": {"type": "string"},
}
_LAST: Schema = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "the `id` of the event after which to go on; without it everything is told",
    "schema": {"type": "string", "pattern": r"^([0-9]{1,9}\.[0-9]{1,9})?$", "examples": ["12.345"]},
}
_TAG: Schema = {"schema": {"type": "string"}, "description": "of this content", "required": True}
_LINK: Schema = {"schema": {"type": "string"}, "description": "`rel=next` is the next page, if there is one"}
_HEADERS: Mapping[int, Schema] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}},
    429: {"Retry-After": {"schema": {"type": "string"}, "description": "seconds", "required": True}},
    503: {"Retry-After": {"schema": {"type": "string"}, "description": "seconds", "required": True}},
}


def of(place: Place) -> dict[str, Any]:
    """The document; its servers are the addresses of that installation."""
    paths: dict[str, dict[str, Any]] = {}
    for route, operation in OPERATIONS.items():
        method, rule = route.split(" ")
        item = paths.setdefault(re.sub("<(.*?)>", r"{\1}", rule), {})
        is_open = route in ROUTES and ROUTES[route].scope is Scope.OPEN
        found = _operation(rule, operation, is_open=is_open)
        if STREAM in operation.kinds:
            _go_on(found)
        elif method == "GET" and operation.kinds == (JSON,) and not is_open and not operation.basic:
            _tag(found)
        item[method.lower()] = found
        if operation.server == INTAKE:
            item["servers"] = [{"url": place.intake, "description": "the intake"}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Segue",
            "version": version("segue"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": place.web, "description": "the web"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": dict(SHAPES), "securitySchemes": _logins()},
    }


def _logins() -> dict[str, Any]:
    about = "made by `segue token NAME`"
    return {
        "token": {"type": "http", "scheme": "bearer", "description": about},
        "password": {"type": "http", "scheme": "basic", "description": f"any name, and a token {about}"},
    }


def _operation(rule: str, operation: Operation, *, is_open: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.about,
        "tags": [rule.split("/")[3]],
        "parameters": _parameters(operation),
        "responses": {
            str(status): said for status, said in sorted(_answers(operation, is_open=is_open).items())
        },
    }
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
    if is_open:
        found["security"] = []
    elif operation.basic:
        found["security"] = [{"token": []}, {"password": []}]
    return found


def _parameters(operation: Operation) -> list[Schema]:
    path = [{"name": k, "in": "path", "required": True, "schema": s} for k, s in operation.path.items()]
    query = [
        {"name": k, "in": "query", "schema": s} | ({"required": True} if k in operation.required else {})
        for k, s in operation.query.items()
    ]
    return [*path, *query, *([_ONCE] if operation.server == INTAKE else [])]


def _tag(found: dict[str, Any]) -> None:
    """What every address knows that is read: who has an answer already is not sent it again."""
    found["parameters"].append(_KNOWN)
    found["responses"]["200"]["headers"] = {"ETag": _TAG} | ({"Link": _LINK} if _is_list(found) else {})
    found["responses"]["304"] = {"description": _SAID[304], "headers": {"ETag": _TAG}}


def _go_on(found: dict[str, Any]) -> None:
    """What a stream knows: where to go on, and that there is nothing more."""
    found["parameters"].append(_LAST)
    found["responses"]["204"] = {"description": _SAID[204]}


def _is_list(found: dict[str, Any]) -> bool:
    return any(one["name"] == "limit" for one in found["parameters"])


def _answers(operation: Operation, *, is_open: bool) -> dict[int, Schema]:
    good = {
        status: {
            "description": _SAID[status],
            "content": {kind: {"schema": schema} for kind in operation.kinds},
        }
        for status, schema in operation.answers.items()
    }
    always = (500,) if is_open else (401, 500, 503)
    return good | {status: _problem(status) for status in (*operation.refused, *always)}


def _problem(status: int) -> Schema:
    found: Schema = {"description": _SAID[status], "content": {TYPE: {"schema": ref("problem")}}}
    return found | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
