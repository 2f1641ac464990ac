"""Lists of releases in pages: the newest first, and where the next page begins."""

from collections.abc import Sequence
from typing import Any

from flask import abort, request

from policies.release import Release
from service.store.states import number_of

SIZE = 50


def before() -> int | None:
    """The id that the asked page ends before; None for the first page."""
    text = request.args.get("before")
    if text is None:
        return None
    number = number_of(text)
    if not number:
        abort(404)
    return number


def page(found: Sequence[Release], began_before: int | None) -> dict[str, Any]:
    """What a list's template is given, of one more release than a page has."""
    shown = list(found[:SIZE])
    older = shown[-1].name if len(found) > SIZE else None
    return {"releases": shown, "older": older, "first": began_before is None}
