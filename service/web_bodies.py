"""What is sent to the API of the web: one JSON object, which says its length first."""

from typing import Any

from flask import abort, request

from handlers import strict_json
from handlers.errors import Malformed

MOST_BYTES = 1 << 20


def raw() -> bytes:
    """The body as it was sent: 411, 413 and 415 for one that is not taken."""
    if request.content_length is None:
        abort(411, "a Content-Length is needed")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        abort(415, "an encoded body is not accepted")
    if request.content_length > MOST_BYTES:
        abort(413, f"the body is larger than {MOST_BYTES} bytes")
    return request.get_data(cache=False)


def sent() -> dict[str, Any]:
    """The object that was sent: 400 with what is wrong with it."""
    try:
        return strict_json.load(raw())
    except Malformed as wrong:
        abort(400, str(wrong))
