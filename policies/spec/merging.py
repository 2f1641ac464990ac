"""Laying one part of a file over another: a model over `defaults:`, an environment over its model.

Trees are merged before they are read, so every mistake keeps the place where it was written.
"""

from dataclasses import replace

from policies.spec.keys import REPLACES, keys_of
from policies.spec.kinds import Block, Kind, Named, Section
from policies.spec.node import Mapping, Node, Scalar, Sequence

Entry = tuple[Scalar, Node]


def overlay(section: Section, under: Mapping, over: Mapping) -> Mapping:
    """The keys of both; `over` wins, and merges where the table says so."""
    keys = keys_of(section)
    dropped = _dropped(over)
    entries: list[Entry] = []
    for name, value in under.entries:
        above = over.get(name.text)
        if above is None:
            if name.text not in dropped:
                entries.append((name, value))
        elif name.text in keys and keys[name.text].merges:
            entries.append((name, _merged(keys[name.text].kind, value, above)))
        else:
            entries.append((_name(over, name.text), above))
    entries += [entry for entry in over.entries if not under.has(entry[0].text)]
    return Mapping(tuple(entries), over.place)


def only(node: Mapping, names: frozenset[str]) -> Mapping:
    """The mapping without any other keys."""
    return replace(node, entries=tuple(entry for entry in node.entries if entry[0].text in names))


def without(node: Mapping, names: frozenset[str]) -> Mapping:
    return replace(node, entries=tuple(entry for entry in node.entries if entry[0].text not in names))


def substitute(node: Node, name: str) -> Node:
    """Every `{name}` in a value replaced; keys stay as they are."""
    match node:
        case Scalar(text=text):
            return replace(node, text=text.replace("{name}", name)) if "{name}" in text else node
        case Sequence(items=items):
            return replace(node, items=tuple(substitute(item, name) for item in items))
        case Mapping():
            return substitute_all(node, name)


def substitute_all(node: Mapping, name: str) -> Mapping:
    """`substitute` in all values of a mapping."""
    return replace(node, entries=tuple((key, substitute(value, name)) for key, value in node.entries))


def _merged(kind: Kind, under: Node, over: Node) -> Node:
    if isinstance(over, Scalar) and over.empty:
        return under
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return over
    match kind:
        case Block(section=section):
            return overlay(section, under, over)
        case Named(of=of):
            return _union(of, under, over)
        case _:
            return over


def _union(of: Kind, under: Mapping, over: Mapping) -> Mapping:
    entries: list[Entry] = []
    for name, value in under.entries:
        above = over.get(name.text)
        if above is None:
            entries.append((name, value))
        else:
            entries.append((name, _merged(of, value, above) if isinstance(of, Block) else above))
    entries += [entry for entry in over.entries if not under.has(entry[0].text)]
    return Mapping(tuple(entries), over.place)


def _dropped(over: Mapping) -> frozenset[str]:
    written = frozenset(over.names)
    return frozenset().union(*(dropped for written_one, dropped in REPLACES if written & written_one))


def _name(node: Mapping, text: str) -> Scalar:
    return next(key for key, _ in node.entries if key.text == text)
