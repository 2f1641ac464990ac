"""Answers of the API held against the document that describes it."""

from functools import cache

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from service.machine.installation import Place
from service.openapi import document
from service.problems import TYPE

DOCUMENT = document.of(Place("http://intake", "http://web", "http://router"))
API = "/api/v1/"


class Described(FlaskClient):
    """A client of tests that takes no answer of the API but one that is described."""

    def open(self, *asked, **how):
        answer = super().open(*asked, **how)
        request = answer.request
        check(request.method, request.path, answer.status_code, answer.content_type, answer.get_json)
        return answer


def client(app):
    """The application's client, whose answers are checked."""
    app.test_client_class = Described
    return app.test_client()


def check(method, path, status, kind, body):
    """Fails for a status, a type or a shape that the document does not know. `body` reads the JSON."""
    operation = operation_of(method, path)
    if operation is None:
        return
    assert str(status) in operation["responses"], f"{method} {path} answered {status}, which is not described"
    if status in {204, 304}:
        assert not kind, f"{method} {path} answered {status} with a body"
        return
    assert kind in operation["responses"][str(status)]["content"], (
        f"{method} {path} answered {status} as {kind}"
    )
    if kind not in {"application/json", TYPE}:
        return
    wrong = next(validator(operation["operationId"], str(status)).iter_errors(body()), None)
    assert wrong is None, f"{method} {path} answered {status}: {wrong.json_path}: {wrong.message}"


def operation_of(method, path):
    """The operation of an address; None for what is none, or another method of one."""
    if not path.startswith(API):
        return None
    parts = path.split("/")
    for known, item in DOCUMENT["paths"].items():
        if method.lower() in item and _same(known.split("/"), parts):
            return item[method.lower()]
    return None


def _same(known, parts):
    return len(known) == len(parts) and all(
        k == p or k.startswith("{") for k, p in zip(known, parts, strict=True)
    )


@cache
def validator(operation_id, status):
    """Validates an answer, in which no field may be that is not described."""
    operations = [
        one for item in DOCUMENT["paths"].values() for one in item.values() if isinstance(one, dict)
    ]
    operation = next(one for one in operations if one["operationId"] == operation_id)
    content = next(iter(operation["responses"][status]["content"].values()))
    return Draft202012Validator(
        {**closed(content["schema"]), "components": closed(DOCUMENT["components"])},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def closed(schema):
    """The schema, where an object has the fields that are named and no other."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found
