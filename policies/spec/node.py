"""A file as a tree of texts with positions: what a reader of YAML or JSON hands to the parser.

Every scalar stays the text that was written. What `8080`, `on` or `1%` means is decided by the key
that holds it, so no YAML rule can turn a word into a truth value first. Nothing is read here.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

ROOT = "(file)"
SHOWN = 60  # characters of a text in a message
DEPTH = 24  # deeper nesting has no meaning in this file
_LAST = re.compile(r'^.*\.(?=[^".]+$|"[^"]*"(?:\[[0-9]+\])*$)', re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9_/@#{}-]+")


def cut(text: str) -> str:
    """The text on one line, cut to what a message can hold."""
    line = " ".join(text.split()) if text.strip() else text
    printable = "".join(letter if letter.isprintable() else "?" for letter in line)
    return printable if len(printable) <= SHOWN else printable[: SHOWN - 1] + "…"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: its path of keys, and line and column from 1 (0: not known)."""

    path: str
    line: int = 0
    column: int = 0

    @property
    def last(self) -> str:
        """The last key of the path, with an item's number: `steps[1]`."""
        return _LAST.sub("", self.path)

    def key(self, name: str, line: int = 0, column: int = 0) -> "Place":
        """The place of the value under a key; a key that is no plain word is quoted."""
        shown = name if _PLAIN.fullmatch(name) else '"' + cut(name).replace('"', "'") + '"'
        return Place(shown if self.path == ROOT else f"{self.path}.{shown}", line, column)

    def item(self, index: int, line: int = 0, column: int = 0) -> "Place":
        return Place(f"{self.path}[{index}]", line, column)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One text. `written` is what stands in the file, before `{name}` was replaced."""

    text: str
    place: Place
    quoted: bool = False
    written: str = ""

    @property
    def empty(self) -> bool:
        return not self.quoted and self.text in {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class Sequence:
    items: "tuple[Node, ...]"
    place: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their values, in the order of the file; no key stands twice."""

    entries: "tuple[tuple[Scalar, Node], ...]"
    place: Place

    def get(self, name: str) -> "Node | None":
        return next((value for key, value in self.entries if key.text == name), None)

    def has(self, name: str) -> bool:
        return self.get(name) is not None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(key.text for key, _ in self.entries)


Node = Scalar | Sequence | Mapping


def from_plain(value: Any, place: Place | None = None, depth: int = 0) -> Node:
    """A tree without positions from decoded JSON or YAML; what is nested too deep becomes a text.

    A YAML reader may have taken the key `on` for a truth value: it is `on` again.
    """
    place = place or Place(ROOT)
    if depth >= DEPTH:
        return _scalar("(nested too deep)", place)
    if isinstance(value, dict):
        named = {_text(key): item for key, item in value.items()}
        entries = tuple(
            (_scalar(name, place.key(name)), from_plain(item, place.key(name), depth + 1))
            for name, item in named.items()
        )
        return Mapping(entries, place)
    if isinstance(value, list | tuple):
        items = (from_plain(item, place.item(i), depth + 1) for i, item in enumerate(value))
        return Sequence(tuple(items), place)
    return replace(_scalar(_value_text(value), place), quoted=isinstance(value, str))


def _text(key: Any) -> str:
    return "on" if key is True else str(key)


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _scalar(text: str, place: Place) -> Scalar:
    return Scalar(text, place, quoted=False, written=text)
