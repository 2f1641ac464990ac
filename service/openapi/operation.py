"""What is said of an address of `/api/v1`, and the words that many of them share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.openapi.schema import TEXT, Schema, among, many, maybe, of, ref

WEB, INTAKE = "web", "intake"
JSON, STREAM = "application/json", "text/event-stream"
MOST = 200  # rows of a page
API = "/api/v1"
FLAG: Schema = among(("0", "1"))
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": MOST}
BY_NAME: Mapping[str, Schema] = {"limit": LIMIT, "after": TEXT}
NEXT: Schema = maybe(TEXT)


@dataclass(frozen=True, slots=True)
class Operation:
    """What an address is for, and its shapes. `answers` are the good ones, by status; `refused` are statuses
    beside those that every address of its server knows; `required` are names of the query without which it
    answers nothing. `basic`: a token may also come as a password. `kinds` are the media types of good
    answers."""

    id: str
    about: str
    answers: Mapping[int, Schema]
    path: Mapping[str, Schema] = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    body: Schema | None = None
    refused: tuple[int, ...] = (403,)
    server: str = WEB
    basic: bool = False
    kinds: tuple[str, ...] = (JSON,)


def listed(name: str, about: str, rows: str, shape: str) -> Operation:
    """A list by name, a page at a time."""
    answer = of(**{rows: many(ref(shape), maxItems=MOST), "next": NEXT})
    paged = f"{about}; the next page is `after` this one's `next`"
    return Operation(name, paged, {200: answer}, query=BY_NAME, refused=(400, 403))
