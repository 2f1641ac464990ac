"""Spans as a data plane sends them."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span


def message(*spans):
    """An ExportTraceServiceRequest of one resource with one scope."""
    scope = ScopeSpans(spans=spans)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope])]).SerializeToString()


def span(attributes, ended):
    """A server's span that ended so many Unix seconds after the epoch; lists are lists of texts."""
    pairs = [KeyValue(key=name, value=_value(said)) for name, said in attributes.items()]
    kind = Span.SpanKind.SPAN_KIND_SERVER
    return Span(trace_id=b"t" * 16, kind=kind, end_time_unix_nano=int(ended * 1e9), attributes=pairs)


def _value(said):
    match said:
        case str():
            return AnyValue(string_value=said)
        case int():
            return AnyValue(int_value=said)
        case list():
            return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=one) for one in said]))
