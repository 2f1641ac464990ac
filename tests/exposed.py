"""A page of a native histogram as programs expose it: delimited protocol buffers, written by hand.

Contract: `metrics.proto` of prometheus/client_model. Numbers of fields stand beside what they are.
"""

import itertools
import struct

CONTENT = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
HISTOGRAM = 4  # of the types of metrics


def varint(value):
    """A number in groups of seven bits, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def signed(value):
    """A number that may be below zero, folded as `sint32` and `sint64` are."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def number(field, value):
    return varint(field << 3) + value


def nested(field, body):
    return varint(field << 3 | 2) + varint(len(body)) + body


def real(field, value):
    return varint(field << 3 | 1) + struct.pack("<d", value)


def family(name, schema, counts):
    """One family: for each version its counts by the index of their bucket, at this schema."""
    metrics = b"".join(
        nested(
            4,
            nested(1, nested(1, b"version") + nested(2, version.encode()))
            + nested(7, _histogram(schema, by)),
        )
        for version, by in counts.items()
    )
    body = nested(1, name.encode()) + nested(2, b"Durations.") + number(3, varint(HISTOGRAM)) + metrics
    return varint(len(body)) + body


def _histogram(schema, by):
    indexes = sorted(by)
    spans = b"".join(
        nested(12, number(1, signed(index - before - 1)) + number(2, varint(1)))
        for before, index in itertools.pairwise([-1, *indexes])
    )
    values = [by[index] for index in indexes]
    deltas = b"".join(number(13, signed(b - a)) for a, b in itertools.pairwise([0, *values]))
    zero = real(6, 1e-9) + number(7, varint(0))
    return number(1, varint(sum(values))) + real(2, 1.0) + number(5, signed(schema)) + zero + spans + deltas
