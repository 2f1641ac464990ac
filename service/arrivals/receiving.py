"""From the inbox to the engine: each delivery is taken once, parsed, and leads to a look or a command.

Parsing is work of its own: a body that no handler can read is parked with its reason, and nothing
behind it waits.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from handlers import labels
from handlers.errors import HandlerError
from handlers.hints import CommentHint, OrderHint, RefHint, ResolvedHint, SaidHint
from policies.events import Command
from service import plugins
from service.arrivals import commenting, hearing, organisations, watching
from service.arrivals.commenting import Heard
from service.bootstrap import Parts
from service.engine import ordering
from service.engine.deciding import Deciding, decide
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.sources import HOOK_KINDS, ORGANISATION_KINDS
from service.store.change import Change
from service.store.inbox import Delivery, Inbox
from service.store.queue import Work
from service.store.states import COMMAND
from service.store.store import Store

PEOPLE = "people"
LABELS = "labels"
MOST_AT_ONCE = 500
NOTHING = "nothing in it concerns Segue"


def take(store: Store, inbox: Inbox) -> int:
    """Make every new inbox row work for the engine; how many there were."""
    last = next((c for c in store.cursors("inbox") if c.reference == "taken"), None)
    position = int(last.value or 0) if last is not None else 0
    if inbox.newest() <= position:
        return 0
    back = inbox.look_back
    rows = inbox.arrived(max(0, position - back), limit=back + MOST_AT_ONCE)
    newest = max(number for number, _ in rows)

    def store_them(deciding: Any) -> int:
        known = deciding.change.known_work([f"delivery:{number}" for number, _ in rows])
        for number, source in rows:
            key = f"delivery:{number}"
            if key not in known:
                new = Work(f"delivery:{source}", "delivery", key, str(number), {"id": number})
                deciding.change.add_work(new)
        deciding.change.observe("inbox", "taken", str(newest), deciding.now)
        return newest - position

    return decide(store, store_them)


def receive(parts: Parts, work: Work) -> None:
    """Parse one delivery and store what it asks for. Raises `Refused` for what nobody can read."""
    delivery = parts.inbox.get(int(work.body["id"]))
    if delivery is None:
        raise Refused("the delivery is no longer in the inbox")
    if delivery.source == PEOPLE:
        _command(parts, work, delivery)
        return
    if delivery.source == LABELS:
        _labelled(parts, work, delivery)
        return
    source = next((s for s in parts.store.sources() if s.name == delivery.source), None)
    if source is None:
        raise Refused(f"source {delivery.source!r} is no longer connected")
    handler = plugins.load("event_sources", source.kind)
    try:
        hints = handler.parse(delivery.headers, delivery.body)
    except HandlerError as error:
        raise Refused(str(error)) from error
    if source.kind in ORGANISATION_KINDS and hints:
        member = organisations.member(parts, source, hints[0])
        if member is None:
            organisations.stranger(parts, work, source, hints[0])
            return
        source = member
    orders = [hint for hint in hints if isinstance(hint, OrderHint | ResolvedHint)]
    said = [hint for hint in hints if isinstance(hint, CommentHint)]
    spoken = [hint for hint in hints if isinstance(hint, SaidHint)]
    pushed = [hint for hint in hints if isinstance(hint, RefHint)]
    if source.kind in HOOK_KINDS and orders:
        with parts.store.change() as change:
            ordering.take(change, work, source, delivery, orders)
    elif not hints:
        nothing = getattr(handler, "nothing", None)
        why = NOTHING if nothing is None else nothing(delivery.headers, delivery.body)
        _handled(parts, work, why)
    elif spoken:
        at, told = delivery.received, dict(delivery.headers)
        _heard(parts, work, [hearing.hear(parts.settings, source, hint, told, at) for hint in spoken])
    elif said:
        _heard(parts, work, [commenting.hear(parts, source, hint, delivery.received) for hint in said])
    elif parts.looked.get(source.name, 0) < delivery.id or work.body.get("again"):
        watching.look(parts, source, partial(_looked, work, source, pushed))
    else:
        # It came before this process last asked the source, which has told it since: of a burst of
        # deliveries one look sees all. By ids, because clocks differ and are set back.
        with parts.store.change() as change:
            _remember(change, source, pushed)
            _finish(change, work, "the source was asked after it came")


def _heard(parts: Parts, work: Work, heard: Sequence[Heard | None]) -> None:
    """What comments ask for, and that their delivery is handled, are one change."""

    def store(deciding: Deciding) -> None:
        for one in filter(None, heard):
            commenting.store(deciding, one)
        taken = "its commands were taken" if any(heard) else "its author may not command here"
        _finish(deciding.change, work, taken)

    decide(parts.store, store)


def _looked(
    work: Work, source: Source, pushed: Sequence[RefHint], change: Change, events: tuple[str, ...]
) -> None:
    """The source was asked; what was found, and that the delivery is handled, are one change."""
    _remember(change, source, pushed)
    count = len(events)
    found = f"the source was asked: {count} change{'' if count == 1 else 's'}"
    _finish(change, work, found if events else "the source was asked: nothing new", events)


def _remember(change: Change, source: Source, pushed: Sequence[RefHint]) -> None:
    for hint in pushed:
        commenting.remember_pusher(change, source, hint)


def _handled(parts: Parts, work: Work, text: str) -> None:
    with parts.store.change() as change:
        _finish(change, work, text)


def _finish(change: Change, work: Work, text: str, events: Sequence[str] = ()) -> None:
    change.save_answer(f"work-{work.id}", {"ok": True, "text": text, "events": list(events)})
    change.finish(work)


def _command(parts: Parts, work: Work, delivery: Delivery) -> None:
    command = command_of(delivery)

    def store(deciding: Any) -> None:
        subject = str(delivery.id)
        deciding.change.add_work(
            Work("command", "command", f"command:{subject}", subject, COMMAND.dump(command))
        )
        deciding.change.finish(work)

    decide(parts.store, store)


def _labelled(parts: Parts, work: Work, delivery: Delivery) -> None:
    batch = labels.parse(delivery.body)
    with parts.store.change() as change:
        new = change.add_labels(batch)
        known = len(batch.labels) - new
        _finish(change, work, f"{new} labels of {batch.model}" + (f", {known} known before" if known else ""))


def command_of(delivery: Delivery) -> Command:
    """The command that the API stored, with the actor that its token named."""
    told = json.loads(delivery.body)
    arguments = tuple(sorted((str(k), str(v)) for k, v in told.get("arguments", {}).items()))
    return Command(
        verb=told["verb"],
        subject=told.get("subject"),
        digest=told.get("digest"),
        reason=told.get("reason"),
        actor=told["actor"],
        channel=told.get("channel", "api"),
        at=delivery.received,
        arguments=arguments,
        authority=tuple(str(holder) for holder in told.get("authority", ())),
    )
