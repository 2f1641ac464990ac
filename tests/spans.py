"""Spans as a data plane sends them: an ExportTraceServiceRequest, written field by field."""

import struct


def message(*spans):
    """One resource with one scope."""
    return _field(1, _field(1, b"") + _field(2, b"".join(_field(2, one) for one in spans)))


def span(attributes, ended):
    """A span that ended so many Unix seconds after the epoch; lists are lists of texts."""
    pairs = b"".join(
        _field(9, _field(1, name.encode()) + _field(2, _value(said))) for name, said in attributes.items()
    )
    kind = _varint(6 << 3) + _varint(2)
    return _field(1, b"t" * 16) + kind + _varint(8 << 3 | 1) + struct.pack("<Q", int(ended * 1e9)) + pairs


def text(said):
    """A text that is no header's."""
    return said.encode()


def _value(said):
    match said:
        case bytes():
            return _field(1, said)
        case int():
            return _varint(3 << 3) + _varint(said)
        case list():
            return _field(5, b"".join(_field(1, _field(1, one.encode())) for one in said))


def _field(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number):
    said = b""
    while number > 0x7F:
        said += bytes([number & 0x7F | 0x80])
        number >>= 7
    return said + bytes([number])
