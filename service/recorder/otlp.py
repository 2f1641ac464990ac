"""Who answered whom, as the spans of a data plane say it.

A server's span says which path was asked, and of headers those that the data plane was told to capture.
Contract: an ExportTraceServiceRequest of https://opentelemetry.io/docs/specs/otlp/ with the attributes of
https://opentelemetry.io/docs/specs/semconv/http/http-spans/. No I/O.
"""

from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from policies.place import SERVED_BY
from service.recorder.passing import MOST_ID, REQUEST_ID

TYPE = "application/x-protobuf"
_ASKED = "url.path"
_GIVEN, _MADE = (f"http.{way}.header.{REQUEST_ID.lower()}" for way in ("request", "response"))
_STAMP = f"http.response.header.{SERVED_BY.lower()}"
_LOOKED_FOR = frozenset({_ASKED, _GIVEN, _MADE, _STAMP})


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
    try:
        told = ExportTraceServiceRequest.FromString(message)
    except DecodeError as error:
        raise ValueError("it is no ExportTraceServiceRequest of OpenTelemetry") from error
    spans = (span for source in told.resource_spans for scope in source.scope_spans for span in scope.spans)
    return [one for span in spans if (one := _answered(span)) is not None]


def _answered(span: Span) -> Answered | None:
    """None for a span that is no server's: those have no path."""
    said = {pair.key: _text(pair.value) for pair in span.attributes if pair.key in _LOOKED_FOR}
    if not (path := said.get(_ASKED)):
        return None
    request = said.get(_GIVEN) or said.get(_MADE) or ""
    return Answered(path, request[:MOST_ID], said.get(_STAMP, ""), span.end_time_unix_nano / 1e9)


def _text(value: AnyValue) -> str:
    """Its first text: headers are lists of texts. Empty for what is none."""
    first = next(iter(value.array_value.values), None)
    return value.string_value if first is None else first.string_value
