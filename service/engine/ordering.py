"""Orders of senders that cannot be asked: an alert, another system's event. Each is a command of that source.

A source may order only for targets that its operator gave it, and only what is on the safe side, or a
start. An order concerns what was live when its cause began: told late, twice or again, it never touches
what came since.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from handlers.hints import OrderHint, ResolvedHint
from policies.events import Command
from policies.release import Phase, Release, Target
from service.engine import firing
from service.ports.connections import Source
from service.store.change import Change
from service.store.inbox import Delivery
from service.store.queue import Work
from service.store.states import COMMAND, number_of, release_of, target_of

LONGEST_SECONDS = 86_400.0  # between the beginning of its cause and the order
SINCE = "since"
RECENT = 20  # releases of a target that are looked at
TAKEN_BACK = frozenset({Phase.ROLLED_BACK, Phase.ABORTED, Phase.RESTORING})


def take(
    change: Change, work: Work, source: Source, delivery: Delivery, hints: Sequence[OrderHint | ResolvedHint]
) -> None:
    """Make a command of each order that is new and may be given, and say what was made of all of them.

    Which alerts go on is remembered besides, for releases that begin later.
    """
    orders = [hint for hint in hints if isinstance(hint, OrderHint)]
    over = [hint for hint in hints if isinstance(hint, ResolvedHint)]
    _remember(change, source, delivery, hints)
    keys = {f"order:{source.name}:{order.key}": order for order in orders}
    known = change.known_work(list(keys))
    refused = {key: _why_not(change, source, delivery, order) for key, order in keys.items()}
    taken = [key for key in keys if key not in known and refused[key] is None]
    for key in taken:
        _command(change, source, delivery, key, keys[key])
    told = [f"{len(taken)} order{'' if len(taken) == 1 else 's'}"]
    told += [f"{len(known)} known already"] if known else []
    told += [f"{len(over)} resolved"] if over else []
    told += sorted({reason for reason in refused.values() if reason is not None})
    change.save_answer(f"work-{work.id}", {"ok": True, "text": "; ".join(told), "events": list(keys)})
    change.finish(work)


def _command(change: Change, source: Source, delivery: Delivery, key: str, order: OrderHint) -> None:
    since = delivery.received if order.since is None else order.since
    arguments = order.arguments if order.verb == "start" else ((SINCE, repr(since)),)
    command = Command(
        verb=order.verb,
        subject=order.subject,
        digest=None,
        reason=order.reason or None,
        actor=source.name,
        channel=source.name,
        at=delivery.received,
        arguments=arguments,
    )
    lane = f"order:{source.name}:{order.subject}"
    change.add_work(Work(lane, "command", key, key, COMMAND.dump(command)))


def _why_not(change: Change, source: Source, delivery: Delivery, order: OrderHint) -> str | None:
    targets = [order.subject]
    if order.verb == "start":
        targets = [row.name for row in change.targets() if row.name.partition("/")[0] == order.subject]
        targets = targets or [f"{order.subject}/production"]
    if not _owns(source, targets):
        return f"{source.name} may not act on {order.subject}; it may own {', '.join(source.owns)}"
    if order.since is not None and delivery.received - order.since > LONGEST_SECONDS:
        return f"what {order.subject} was to {order.verb} for began more than a day before it was told"
    return None


def _remember(
    change: Change, source: Source, delivery: Delivery, hints: Sequence[OrderHint | ResolvedHint]
) -> None:
    for hint in hints:
        if not _owns(source, [hint.subject]):
            continue
        if isinstance(hint, ResolvedHint):
            firing.resolved(change, source, hint, delivery.received)
        elif hint.alert:
            firing.fires(change, source, hint, delivery.received)


def _owns(source: Source, targets: Sequence[str]) -> bool:
    return all(any(fnmatchcase(target, glob) for glob in source.owns) for target in targets)


def outdated(change: Change, command: Command) -> str | None:
    """Why an order is not obeyed any more: what it concerns has passed. None for a person's command."""
    began = _time(dict(command.arguments).get(SINCE))
    row = change.target(command.subject or "")
    if began is None or row is None:
        return None
    releases = [release_of(row) for row in change.releases(target=row.name, limit=RECENT)]
    if command.verb != "rollback":
        newer = next((r for r in releases if not r.final and r.began > command.at), None)
        return f"{newer.name} began after this was told; nothing is done to it" if newer else None
    back = next((r for r in releases if _went_back(r) and (r.ended or command.at) >= began), None)
    if back is not None:
        return f"{back.name} has taken {row.name} back since, or is doing so; nothing more is done"
    live = _live(change, target_of(row, row.name))
    if live is not None and live.began > began:
        return f"{live.name} is live on {row.name} and began after what this is about; it stays"
    return None


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None  # a person wrote it, to whom it means nothing


def _went_back(release: Release) -> bool:
    return release.phase in TAKEN_BACK or (release.switch and release.phase is Phase.PROMOTED)


def _live(change: Change, target: Target) -> Release | None:
    """The release that a rollback would take back; None for what was found there."""
    row = change.release(number_of(target.holder or (target.stable.release if target.stable else "")))
    return None if row is None else release_of(row)
