"""Calendar files that a `segue.yaml` names: each is read where that file lies, or is a mistake of it."""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from policies import calendars
from policies.calendars import Named, Span
from policies.spec.declaration import Environment, Model
from policies.spec.mistakes import Mistake, mistake
from policies.spec.node import Place
from service import segue_yaml
from service.calendars import reading
from service.calendars.reading import Unreadable

Read = Callable[[str], bytes | None]  # a file's content by its path; None: there is none


@dataclass(frozen=True, slots=True)
class File:
    """A calendar file under the name that a freeze gives it from now on."""

    name: str
    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Models whose freezes name files with their source, those files, and what is wrong with them."""

    models: tuple[Model, ...]
    files: tuple[File, ...]
    mistakes: tuple[Mistake, ...]


def find(
    data: bytes, models: tuple[Model, ...], source: str, folder: str, *, read: Read, now: float
) -> Found:
    """What the freezes of these models name. `folder` is where their `segue.yaml`, whose content is `data`,
    lies: paths begin there."""
    files: dict[str, File] = {}
    wrong: list[Mistake] = []

    def known(text: str, path: str, model: str) -> str:
        written = calendars.named(text)
        if written is None:
            return text
        named = replace(written, path=posixpath.normpath(posixpath.join(folder, written.path)), source=source)
        try:
            files.setdefault(str(named), _file(named, read, now))
        except Unreadable as error:
            for line in error.lines:
                said = mistake(Place(path), f"{written.path} cannot be used: {line}", found=text)
                wrong.append(segue_yaml.placed(data, model, said))
        return str(named)

    found = tuple(replace(model, environments=tuple(_with_names(model, known))) for model in models)
    unique = {(one.path, one.line, one.message): one for one in wrong}  # what many inherit is told once
    return Found(found, tuple(files.values()), tuple(unique.values()))


def _with_names(model: Model, known: Callable[[str, str, str], str]) -> Iterator[Environment]:
    for one in model.environments:
        path = f"environments.{one.name}.freeze"
        yield replace(one, freeze=tuple(known(text, path, model.name) for text in one.freeze))


def _file(named: Named, read: Read, now: float) -> File:
    data = None if named.path.startswith("../") else read(named.path)
    if data is None:
        raise Unreadable(["there is no such file; its path begins where segue.yaml lies"])
    spans = reading.read(data, named.zone, now)
    return File(str(named), data.decode("utf-8-sig"), spans)
