"""Errors over HTTP as `application/problem+json` (RFC 9457), one form for both servers.

`type` is `about:blank`: the status is the kind of error, and `title` its phrase. `detail` says what to do,
`instance` which address was asked.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from service.errors import StoreError

TYPE = "application/problem+json"
RETRY_AFTER = "5"  # seconds, while a store does not answer
_NOTHING: Mapping[str, str] = MappingProxyType({})
Wrong = Callable[[int, str, Mapping[str, str]], Response]


def problem(status: int, detail: str, headers: Mapping[str, str] = _NOTHING, where: str = "") -> Response:
    """The answer to a request that failed; `where` in place of the address that was asked."""
    title, instance = HTTPStatus(status).phrase, where or quote(request.path)
    response = jsonify(type="about:blank", title=title, status=status, detail=detail, instance=instance)
    response.status_code = status
    response.content_type = TYPE
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    response.headers.update(headers)
    return response


def answer(app: Flask, wrong: Wrong = problem) -> None:
    """Let `wrong` give the answer wherever no view does: no such address, no such method, a broken store, a
    mistake of ours, which Flask has logged."""

    @app.before_request
    def readable() -> None:
        """No name holds a NUL, and PostgreSQL would take it for a mistake of ours."""
        if "\0" in request.path:
            abort(404)
        if any("\0" in text for text in request.args.values()):
            abort(400, "the query holds a NUL, which no name holds")

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        told = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}}
        return wrong(error.code or 500, _words(error, told.get("Allow", "")), told)

    @app.errorhandler(StoreError)
    def away(_error: StoreError) -> Response:
        return wrong(503, "the store does not answer; try again", {"Retry-After": RETRY_AFTER})


def _words(error: HTTPException, allowed: str) -> str:
    if error.description and error.description != type(error).description:
        return error.description
    match error.code:
        case 404:
            return "there is nothing here"
        case 405:
            return f"this address takes {allowed}"
        case 413:
            return "the body is too large"
        case 500:
            return "something went wrong here; the log of this process says what"
        case _:
            return "the request is not valid HTTP"
