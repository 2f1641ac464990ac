"""Reads a tree by the table of keys: every value into its type, or a mistake with its place.

Knows nothing of what keys mean together; that is `policies.spec.rules`.
"""

from functools import cache
from typing import Any, assert_never

from policies.spec.keys import KEYS, keys_of
from policies.spec.kinds import Block, Kind, Many, Named, OneOf, Plain, Section
from policies.spec.mistakes import Findings, nearest
from policies.spec.node import Mapping, Node, Place, Scalar, Sequence, cut
from policies.spec.wrong import Wrong

BAD: Any = object()  # a value that could not be read; its mistake is recorded
Values = dict[str, Any]


def read_block(section: Section, node: Mapping, findings: Findings) -> Values:
    """The values of a section's keys, with the table's defaults for what is not written."""
    keys = keys_of(section)
    values = dict(defaults_of(section))
    for name, value in node.entries:
        if name.text not in keys:
            _unknown(section, name, findings)
            continue
        read = read_value(keys[name.text].kind, value, findings)
        if read is not BAD:
            values[name.text] = read
    return values


@cache
def defaults_of(section: Section) -> tuple[tuple[str, Any], ...]:
    """The defaults that the table writes down for a section's keys."""
    findings = Findings()
    values = tuple(
        (key.name, read_value(key.kind, Scalar(key.default, Place(key.name), written=key.default), findings))
        for key in keys_of(section).values()
        if key.default is not None
    )
    if len(findings):
        raise ValueError(findings.sorted()[0].message)
    return values


def read_value(kind: Kind, node: Node, findings: Findings) -> Any:
    """The value that a node stands for, or `BAD`."""
    match kind:
        case Plain():
            return _plain((kind,), node, findings)
        case Block(section=section):
            mapping = as_mapping(node)
            if mapping is None:
                return _wrong_shape(kind, node, findings)
            return read_block(section, mapping, findings)
        case Named():
            return _named(kind, node, findings)
        case Many():
            return _many(kind, node, findings)
        case OneOf():
            return _one_of(kind, node, findings)
    assert_never(kind)


def as_mapping(node: Node) -> Mapping | None:
    """A mapping; a key without a value is an empty one."""
    if isinstance(node, Scalar) and node.empty:
        return Mapping((), node.place)
    return node if isinstance(node, Mapping) else None


def expected(kind: Kind) -> str:
    """What a kind of value wants, in words."""
    match kind:
        case Plain(form=form):
            return form.says
        case Block(section=section):
            return f"a mapping with the keys of `{section}`"
        case Named(name=name):
            return f"a mapping, each key {name.says}"
        case Many(of=of, single=single):
            return f"a list, each item {expected(of)}" + (", or one alone" if single else "")
        case OneOf(kinds=kinds):
            return ", or ".join(expected(one) for one in kinds)
    assert_never(kind)


def _plain(kinds: tuple[Plain, ...], node: Node, findings: Findings) -> Any:
    """One text that may have one of several forms."""
    if not isinstance(node, Scalar):
        return _wrong_shape(kinds[0] if len(kinds) == 1 else OneOf(kinds), node, findings)
    if node.empty:
        findings.add(node.place, f"`{node.place.last}` has no value; it wants {expected(OneOf(kinds))}")
        return BAD
    reason, near = "", None
    for kind in kinds:
        try:
            return kind.form.read(node.text)
        except Wrong as wrong:
            reason, near = str(wrong), near or wrong.nearest
    if "{" in node.text and "{" not in (near or "") + expected(OneOf(kinds)):
        reason += "; the only substitution is `{name}`"
    _cannot_read(kinds, node, reason, near, findings)
    return BAD


def _cannot_read(
    kinds: tuple[Plain, ...], node: Scalar, reason: str, near: str | None, findings: Findings
) -> None:
    found = node.written or node.text
    message = f"`{node.place.last}: {cut(found)}` {reason}; it wants {expected(OneOf(kinds))}"
    if near:
        message += f"; did you mean `{cut(near)}`?"
    allowed = tuple(word for kind in kinds for word in kind.form.words or (kind.form.says,))
    findings.add(node.place, message, found=found, allowed=allowed, nearest=near)


def _named(kind: Named, node: Node, findings: Findings) -> Any:
    if not isinstance(node, Mapping):
        return _wrong_shape(kind, node, findings)
    _count(len(node.entries), kind.most, node.place, findings)
    known = keys_of(kind.section) if kind.section else {}
    values: Values = {}
    for name, value in node.entries[: kind.most]:
        try:
            kind.name.read(name.text)
        except Wrong as wrong:
            found, near = cut(name.text), wrong.nearest
            message = f"the key `{found}` {wrong}; it wants {kind.name.says}"
            message += f"; did you mean `{cut(near)}`?" if near else ""
            findings.add(name.place, message, found=found, nearest=near)
            continue
        read = read_value(known[name.text].kind if name.text in known else kind.of, value, findings)
        if read is not BAD:
            values[name.text] = read
    return values


def _many(kind: Many, node: Node, findings: Findings) -> Any:
    if kind.single and isinstance(node, Scalar):
        node = Sequence((node,), node.place)
    if not isinstance(node, Sequence):
        return _wrong_shape(kind, node, findings)
    if not node.items:
        findings.add(node.place, f"`{node.place.last}` is an empty list; leave it out or name something")
        return BAD
    _count(len(node.items), kind.most, node.place, findings)
    read = tuple(read_value(kind.of, item, findings) for item in node.items[: kind.most])
    return BAD if BAD in read else read


def _one_of(kind: OneOf, node: Node, findings: Findings) -> Any:
    plain = tuple(one for one in kind.kinds if isinstance(one, Plain))
    block = next((one for one in kind.kinds if isinstance(one, Block)), None)
    many = next((one for one in kind.kinds if isinstance(one, Many)), None)
    match node:
        case Scalar(empty=True) if block:
            return read_value(block, node, findings)
        case Scalar() if plain:
            return _plain(plain, node, findings)
        case Sequence() if many:
            return read_value(many, node, findings)
        case Mapping() if block:
            return read_value(block, node, findings)
    return _wrong_shape(kind, node, findings)


def _unknown(section: Section, name: Scalar, findings: Findings) -> None:
    known = tuple(keys_of(section))
    shown = cut(name.text)
    near = nearest(name.text, known)
    message = f"`{shown}` is not a key of {_called(section)}"
    if name.text == "<<":
        message += "; merge keys are not read, what models share goes into `defaults:`"
    elif near:
        message += f"; did you mean `{near}`?"
    elif homes := [key.where[0] for key in KEYS if key.name == name.text]:
        message += f"; it belongs to {' or '.join(dict.fromkeys(map(_called, homes)))}"
    else:
        message += f"; its keys are {', '.join(known)}"
    findings.add(name.place, message, found=name.text, allowed=known, nearest=near)


def _called(section: Section) -> str:
    words = section.value.startswith(("a ", "an ", "the "))
    return section.value if words else f"`{section.value}`"


def _count(count: int, most: int, place: Place, findings: Findings) -> None:
    if count > most:
        findings.add(place, f"`{place.last}` has {count} entries; at most {most} are read", found=str(count))


def _wrong_shape(kind: Kind, node: Node, findings: Findings) -> Any:
    wants = expected(kind)
    found = _shape(node)
    findings.add(
        node.place, f"`{node.place.last}` is {found}; it wants {wants}", found=found, allowed=(wants,)
    )
    return BAD


def _shape(node: Node) -> str:
    match node:
        case Scalar(empty=True):
            return "empty"
        case Scalar(text=text):
            return f"the text `{cut(text)}`"
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
