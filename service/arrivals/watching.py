"""Looks at sources: what a webhook hinted at and what a sweep finds come in by this one door.

A source is asked for the present values of all its references; each change of an observed value,
and only that, becomes an event. Hints therefore cannot be forged into events, and a lost webhook
costs one sweep period.
"""

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from policies.events import AliasChanged, ImageChanged, RefChanged, SourceEvent
from policies.spec.declaration import Model
from service.bootstrap import Parts
from service.engine import newest
from service.ports.connections import Source
from service.ports.outcomes import Retry
from service.sources import GIT_KINDS, IMAGE_KINDS
from service.store.change import Change
from service.store.queue import Work
from service.store.states import SOURCE_EVENT, model_of

log = structlog.get_logger()
Values = dict[str, str]
Keys = tuple[str, ...]  # of the work that events are


def look(parts: Parts, source: Source, then: Callable[[Change, Keys], None] | None = None) -> int:
    """Observe every reference of the source; the number of changes found. May raise `Retry`.

    `then` is called in the same change with the keys of the events' work.
    """
    last = parts.inbox.newest()
    seen = parts.store.cursors(source.name)
    values = present(parts, source)

    def store(change: Change) -> int:
        if change.cursors(source.name) != seen:
            # Somebody who asked later may have been faster: these values would be a way back to old ones.
            raise Retry(f"source {source.name} was looked at by somebody else meanwhile")
        keys = observe(change, source, values)
        if then is not None:
            then(change, keys)
        return len(keys)

    found = parts.store.decide(store)
    parts.looked[source.name] = last
    return found


def present(parts: Parts, source: Source) -> Values:
    """All references of a source with their present values."""
    if source.kind in GIT_KINDS:
        return values_of(source, parts.git(source.name))
    if source.kind in IMAGE_KINDS:
        return _images(parts, source)
    return values_of(source, parts.registry(source.name))


def values_of(source: Source, adapter: Any, models: Iterable[Model] = ()) -> Values:
    """The same, asked of the source's adapter; of an image registry what the `models` want of it."""
    if source.kind in GIT_KINDS:
        return {name: commit for name, commit in adapter.refs().items() if _ours(name)}
    if source.kind in IMAGE_KINDS:
        return newest.look(source, adapter, models, {}).values
    return {f"{m}@{a}": v for (m, a), v in adapter.aliases().items()}


def _images(parts: Parts, source: Source) -> Values:
    models = [model_of(row) for row in parts.store.models()]
    seen = {cursor.reference: cursor.value for cursor in parts.store.cursors(source.name)}
    looked = newest.look(source, parts.images(source.name), models, seen)
    for image, reason in looked.unknown.items():
        log.warning("newest image unknown", source=source.name, image=image, reason=reason)
    return looked.values


def observe(change: Change, source: Source, values: Values, *, quietly: bool = False, but: str = "") -> Keys:
    """Compare with the cursors; each change becomes work, unless `quietly` (a new connection): then that of
    the reference `but` alone. The keys of the work."""
    seen = {cursor.reference: cursor.value for cursor in change.cursors(source.name)}
    gone = {name: None for name, value in seen.items() if value is not None and name not in values}
    keys: list[str] = []
    for reference, value in sorted({**values, **gone}.items()):
        sequence = change.observe(source.name, reference, value, change.now)
        quiet = quietly and reference != but
        if sequence is None or quiet or _first_look(source, seen.get(reference)):
            continue
        keys.append(f"event:{source.name}:{reference}:{sequence}")
        event = event_of(source, reference, seen.get(reference), value, change.now)
        change.add_work(
            Work(
                lane=f"event:{source.name}:{reference}",
                kind="event",
                key=keys[-1],
                subject=source.name,
                body=SOURCE_EVENT.dump(event),
            )
        )
    return tuple(keys)


def event_of(source: Source, reference: str, before: str | None, after: str | None, at: float) -> SourceEvent:
    """The event that a changed reference is."""
    if source.kind in GIT_KINDS:
        return RefChanged(source.name, reference, before, after, None, at)
    if source.kind in IMAGE_KINDS:
        repository, _, pattern = reference.rpartition(":")
        image = newest.of_value(after) or newest.Tagged("", "")
        return ImageChanged(source.name, repository, pattern, image.tag, image.digest or None, at)
    model, _, alias = reference.rpartition("@")
    return AliasChanged(source.name, model, alias, after, at)


def _first_look(source: Source, before: str | None) -> bool:
    """Whether a declaration is new: what its pattern matches already is only learned.

    One that no tag matched until now was looked at before: its value was `newest.NOTHING`.
    """
    return source.kind in IMAGE_KINDS and before is None


def _ours(ref: str) -> bool:
    return ref.startswith(("refs/heads/", "refs/tags/"))
