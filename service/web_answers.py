"""What answers of the API carry beside their bodies: where a list goes on, and a tag of what was answered.

Every list is cut by a key of its own rows, never by a count: what comes in meanwhile moves nothing.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, jsonify, request

from service.openapi.operation import JSON, MOST

PAGE = 50  # of a list that is long where somebody says nothing else
SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")  # a moment, as addresses name it: Unix seconds
RELEASE = re.compile("rel-[1-9][0-9]{0,8}")
ID = re.compile("[0-9]{1,9}")
_COUNT = re.compile("[1-9][0-9]{0,2}")
T = TypeVar("T")


def limit(default: int = PAGE) -> int:
    """How many rows are asked for: 400 for anything but 1 to `MOST`."""
    said = request.args.get("limit")
    if said is None:
        return default
    if not _COUNT.fullmatch(said) or int(said) > MOST:
        abort(400, f"`limit` is {said[:40]!r}, and must be a whole number from 1 to {MOST}")
    return int(said)


def entry_id() -> int:
    """Behind which entry of the record a page begins: 400 for what is no id of one."""
    after = request.args.get("after", "0")
    if not ID.fullmatch(after):
        abort(400, "`after` must be the id of the page before's last entry, such as 200")
    return int(after)


def cut(found: Sequence[T], most: int, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Of one row more than a page has: the page, and the key of its last row where there is more."""
    shown = list(found[:most])
    return shown, key(shown[-1]) if len(found) > most else None


def by_name(found: Iterable[T], name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The page of a short list that is asked for, by name, and where the next one begins."""
    return beyond(found, request.args.get("after", ""), limit(MOST), name)


def beyond(found: Iterable[T], after: str, most: int, name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """So many of a short list behind a name, and where the next ones begin.

    Ordered here: databases do not agree on the order of texts.
    """
    ordered = sorted((one for one in found if name(one) > after), key=name)
    return cut(ordered, most, name)


def listed(by: str, following: str | None, **rows: Any) -> Response:
    """A page: its rows, its `next`, and the same as a link (RFC 8288) to ask with `by` set to it."""
    response = jsonify(next=following, **rows)
    if following is not None:
        query = urlencode({**request.args.to_dict(), by: following})
        response.headers["Link"] = f'<?{query}>; rel="next"'
    return response


def tagged(routes: Blueprint) -> None:
    """Give what is read a tag of its content (RFC 9110, 8.8.3), and whoever has it already nothing.

    Files and streams have none: they are made while they are sent.
    """

    @routes.after_request
    def tag(response: Response) -> Response:
        if request.method not in {"GET", "HEAD"} or response.status_code != 200 or response.mimetype != JSON:
            return response
        response.add_etag()
        if request.if_none_match.contains_weak(response.get_etag()[0] or ""):
            response.status_code = 304
            response.set_data(b"")
        return response
