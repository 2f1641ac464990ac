"""Reads `segue.yaml`: bytes into a tree with positions, then into models or into all its mistakes.

The reader is fed by parse events, never by a YAML loader, so nothing is constructed and every
scalar stays the text that was written (`on`, `off` and `1e3` too). Size, depth and what aliases may
multiply are bounded, because the file comes from whoever can push.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from policies.spec.declaration import Model
from policies.spec.mistakes import Findings, Mistake
from policies.spec.node import DEPTH, ROOT, Mapping, Node, Place, Scalar, Sequence, cut
from policies.spec.parse import parse
from policies.spec.support import EMBEDDED, unsupported
from service.settings import Settings

NAME = "segue.yaml"
LARGEST = 256 * 1024  # bytes
NODES = 10_000  # with all aliases written out
ALIASES = 100
LONGEST = 20_000  # characters of one text


class Mistaken(ValueError):
    """The file has mistakes; `mistakes` holds all of them."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("; ".join(f"{m.path}: {m.message}" for m in mistakes[:5]))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Checked:
    """What `segue check` shows: the models, or the mistakes, which then are all."""

    models: tuple[Model, ...]
    mistakes: tuple[Mistake, ...]


def load(data: bytes, folder: str, capabilities: frozenset[str] | None = None) -> tuple[Model, ...]:
    """The models that the file in `folder` declares; raises `Mistaken` with all its mistakes.

    With `capabilities`, what no installed part can do is a mistake too.
    """
    checked = check(data, folder, capabilities)
    if checked.mistakes:
        raise Mistaken(checked.mistakes)
    return checked.models


def capabilities(settings: Settings) -> frozenset[str]:
    """What an installation can do: all that comes with Segue, and what its settings add."""
    added = {"build.dockerfile": settings.dockerfiles, "guards.segments": settings.segments}
    return EMBEDDED | {word for word, given in added.items() if given}


def check(data: bytes, folder: str, capabilities: frozenset[str] | None = None) -> Checked:
    """The models, or all mistakes; never raises for anything in the file."""
    root, mistakes = read(data)
    if root is None or mistakes:
        return Checked((), mistakes)
    parsed = parse(root, folder)
    if parsed.mistakes or capabilities is None:
        return Checked(parsed.models, parsed.mistakes)
    refused = tuple(
        _placed(root, model.name, mistake)
        for model in parsed.models
        for mistake in unsupported(model, capabilities)
    )
    # What models inherit is told once, though each of them names another object in it.
    unique = tuple({(m.path, m.line, m.message.replace(m.found, "")): m for m in refused}.values())
    return Checked(() if unique else parsed.models, unique)


def read(data: bytes) -> tuple[Node | None, tuple[Mistake, ...]]:
    """The file's tree, and what is wrong with it as YAML."""
    findings = Findings()
    if len(data) > LARGEST:
        message = f"the file has {len(data)} bytes; at most {LARGEST} are read"
        findings.add(Place(ROOT), message, found=f"{len(data)} bytes")
        return None, findings.sorted()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(ROOT, data.count(b"\n", 0, error.start) + 1, 1)
        findings.add(place, "the file is not UTF-8 text", found=repr(data[error.start : error.start + 4]))
        return None, findings.sorted()
    try:
        root = _Builder(findings).build(text)
    except _Unreadable as unreadable:
        findings.add(unreadable.place, str(unreadable), found=unreadable.found)
        root = None
    return root, findings.sorted()


# --- the tree --------------------------------------------------------------------------------


class _Unreadable(Exception):
    """Nothing after this can be trusted."""

    def __init__(self, place: Place, message: str, found: str = "") -> None:
        super().__init__(message)
        self.place = place
        self.found = found


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    place: Place
    mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    key: Scalar | None = None
    size: int = 1


class _Builder:
    """One file's events into one tree. Lives as long as one call of `read`."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._aliases = 0
        self._nodes = 0
        self._root: Node | None = None

    def build(self, text: str) -> Node:
        for event in _events(text):
            self._take(event)
        return self._root or Scalar("", Place(ROOT, 1, 1))

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent() if self._root is not None:
                raise _Unreadable(
                    self._at(event), "the file holds a second document (`---`); write one file each"
                )
            case yaml.ScalarEvent():
                self._refuse_tag(event)
                self._put(self._scalar(event), event.anchor, 1)
            case yaml.AliasEvent():
                self._put_alias(event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._refuse_tag(event)
                self._begin(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._end()

    def _at(self, event: yaml.Event) -> Place:
        """The place of the node that begins with this event."""
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        if not self._open:
            return Place(ROOT, line, column)
        top = self._open[-1]
        if not top.mapping:
            return top.place.item(len(top.items), line, column)
        if top.key is None:
            return Place(top.place.path, line, column)
        return top.place.key(top.key.text, line, column)

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        place = self._at(event)
        value: str = event.value
        if len(value) > LONGEST:
            raise _Unreadable(place, f"a text of {len(value)} characters; at most {LONGEST} are read")
        if any(
            (ord(letter) < 32 and letter not in "\n\t") or 0xD800 <= ord(letter) <= 0xDFFF for letter in value
        ):
            self._findings.add(place, "a text with a control character in it", found=cut(value))
            value = cut(value).encode("utf-8", "replace").decode()
        return Scalar(value, place, quoted=event.style is not None, written=value)

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            message = f"the tag `{cut(event.tag)}` is not read; write the value plainly"
            self._findings.add(self._at(event), message, found=event.tag)

    def _put_alias(self, event: yaml.AliasEvent) -> None:
        place = self._at(event)
        self._aliases += 1
        if self._aliases > ALIASES:
            raise _Unreadable(place, f"more than {ALIASES} aliases; models share keys with `defaults:`", "*")
        anchor = event.anchor or ""
        if anchor not in self._anchors:
            raise _Unreadable(place, f"the alias `*{cut(anchor)}` names nothing above it", anchor)
        node, size = self._anchors[anchor]
        self._put(node, None, size)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        place = self._at(event)
        if len(self._open) >= DEPTH:
            raise _Unreadable(place, f"nested deeper than {DEPTH} levels")
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_Open(place, mapping, event.anchor))

    def _end(self) -> None:
        done = self._open.pop()
        node: Node
        if done.mapping:
            node = Mapping(tuple(done.entries.values()), done.place)
        else:
            node = Sequence(tuple(done.items), done.place)
        self._put(node, done.anchor, done.size)

    def _put(self, node: Node, anchor: str | None, size: int) -> None:
        self._nodes += 1 if not isinstance(node, Scalar) else size
        if max(self._nodes, size) > NODES:
            raise _Unreadable(node.place, f"more than {NODES} values, with all aliases written out")
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._open:
            self._root = node
            return
        top = self._open[-1]
        top.size += size
        if not top.mapping:
            top.items.append(node)
        elif top.key is not None:
            self._put_value(top, top.key, node)
        elif isinstance(node, Scalar):
            top.key = node
        else:
            raise _Unreadable(node.place, "a key is a list or a mapping; keys are words")

    def _put_value(self, top: _Open, key: Scalar, node: Node) -> None:
        top.key = None
        if key.text in top.entries:
            first = top.entries[key.text][0].place.line
            message = f"the key `{cut(key.text)}` stands here a second time (first in line {first})"
            at = top.place.key(key.text, key.place.line, key.place.column)
            self._findings.add(at, message, found=key.text)
            return
        top.entries[key.text] = (key, node)


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(ROOT, mark.line + 1, mark.column + 1) if mark else Place(ROOT)
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise _Unreadable(place, f"this is not YAML: {said}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _Unreadable(Place(ROOT), f"this is not YAML: {cut(said)}") from error


# --- where a refusal stands ------------------------------------------------------------------


def placed(data: bytes, model: str, mistake: Mistake) -> Mistake:
    """A mistake that was found only once the file was read, with its line; of a file that can be read."""
    root, _ = read(data)
    return mistake if root is None else _placed(root, model, mistake)


def _placed(root: Node, model: str, mistake: Mistake) -> Mistake:
    """The refusal with the line of the key that it is about: the model's own, or the inherited one."""
    for start in (("models", model), ("defaults",), ()):
        keys = list(mistake.path.split("."))
        for path in (keys, _without_environment(keys)):
            if path and (found := _find(root, [*start, *path])):
                return Mistake(
                    found.path,
                    found.line,
                    found.column,
                    mistake.found,
                    mistake.allowed,
                    mistake.nearest,
                    mistake.message,
                )
    return mistake


def _without_environment(keys: list[str]) -> list[str]:
    return keys[2:] if keys[:1] == ["environments"] else []


def _find(root: Node, keys: list[str]) -> Place | None:
    at: Node | None = root
    for key in keys:
        at = at.get(key) if isinstance(at, Mapping) else None
    return at.place if at else None
