"""Who answered whom, as the spans of a data plane say it: as much of OpenTelemetry's protocol as that needs.

A server's span says which path was asked, and of headers those that the data plane was told to capture. No
I/O. Contract: https://opentelemetry.io/docs/specs/otlp/, the fields of
https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto in
the encoding https://protobuf.dev/programming-guides/encoding/, and the attributes of
https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from policies.place import SERVED_BY
from service.recorder.passing import MOST_ID, REQUEST_ID

PATH = "/v1/traces"  # where spans are sent
TYPE = "application/x-protobuf"
_ASKED = "url.path"
_GIVEN, _MADE = (f"http.{way}.header.{REQUEST_ID.lower()}" for way in ("request", "response"))
_STAMP = f"http.response.header.{SERVED_BY.lower()}"
_LOOKED_FOR = (_ASKED, _GIVEN, _MADE, _STAMP)
_SAID = {name.encode(): name for name in _LOOKED_FOR}
# ExportTraceServiceRequest > ResourceSpans > ScopeSpans > Span, each by its field in the one before.
_SPANS = (1, 2, 2)
_ENDED, _ATTRIBUTES = 8, 9  # of a Span
_KEY, _VALUE = 1, 2  # of a KeyValue
_TEXT, _ARRAY = 1, 5  # of an AnyValue
_LONGEST_VARINT = 10  # bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that a data plane answered: its path, its id as the caller gave it, or else as the answer
    says it, whose answer it was by the stamp in it, and when that ended (Unix seconds). `request` and `stamp`
    are empty where the span does not say them."""

    path: str
    request: str
    stamp: str
    at: float


def answered(message: bytes) -> list[Answered]:
    """The requests that an ExportTraceServiceRequest tells of. Raises `ValueError` for what is none."""
    return [one for span in _within(message, _SPANS) if (one := _answered(span)) is not None]


def _answered(span: bytes) -> Answered | None:
    """None for a span that is no server's: those have no path."""
    ended, said = 0, dict.fromkeys(_LOOKED_FOR, "")
    for number, value in _fields(span):
        if number == _ENDED and isinstance(value, int):
            ended = value
        elif number == _ATTRIBUTES and isinstance(value, bytes):
            said |= _attribute(value)
    if not said[_ASKED]:
        return None
    return Answered(said[_ASKED], (said[_GIVEN] or said[_MADE])[:MOST_ID], said[_STAMP], ended / 1e9)


def _attribute(pair: bytes) -> dict[str, str]:
    """One of those that are looked for, as its first text: headers are lists of texts."""
    found = dict(_fields(pair))
    name = _SAID.get(_bytes(found.get(_KEY)))
    if name is None:
        return {}
    value = dict(_fields(_bytes(found.get(_VALUE))))
    if _ARRAY in value:
        first = next((one for number, one in _fields(_bytes(value[_ARRAY])) if number == 1), b"")
        value = dict(_fields(_bytes(first)))
    return {name: _bytes(value.get(_TEXT)).decode("utf-8", "replace")}


def _bytes(value: int | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _within(message: bytes, way: tuple[int, ...]) -> Iterator[bytes]:
    """The messages at the end of that way of fields."""
    if not way:
        yield message
        return
    for number, value in _fields(message):
        if number == way[0] and isinstance(value, bytes):
            yield from _within(value, way[1:])


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: integers, or bytes of what is a text or a message itself."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        value: int | bytes
        match key & 7:
            case 0:
                value, at = _varint(message, at)
            case 1 | 5 as wide:
                size = 8 if wide == 1 else 4
                value, at = int.from_bytes(message[at : at + size], "little"), at + size
            case 2:
                size, at = _varint(message, at)
                value, at = message[at : at + size], at + size
            case kind:
                raise ValueError(f"a field of kind {kind}, which no span has")
        if at > end:
            raise ValueError("it breaks off")
        yield key >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number there, and where what follows begins."""
    found = 0
    for place, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        found |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return found, at + place + 1
    raise ValueError("a number that has no end")
