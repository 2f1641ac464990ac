"""Alerts that fire now, as their sender told last: a release that begins meanwhile is held before traffic.

An alert counts no more once it is resolved, or once its sender has said nothing of it for a day. Told late or
again, what was resolved does not fire anew: it is known by when it began, for as long as deliveries are kept.
"""

import json

from handlers.hints import OrderHint, ResolvedHint
from service.ports.connections import Source
from service.store.change import Change

KINDS = frozenset({"alertmanager"})
SILENT_SECONDS = 86_400.0  # after which nobody knows whether it still fires


def fires(change: Change, source: Source, order: OrderHint, told: float) -> None:
    """Remember an alert that fires; nothing where this very one was resolved already."""
    known = _known(change, source, order.subject, order.alert)
    began = told if order.since is None else order.since
    if known is None or began > known["began"] or (began == known["began"] and known["fires"]):
        _put(
            change,
            source,
            order.subject,
            order.alert,
            fires=True,
            began=began,
            told=told,
            reason=order.reason,
        )


def resolved(change: Change, source: Source, hint: ResolvedHint, told: float) -> None:
    """Remember that it ended; nothing where it has begun anew since."""
    known = _known(change, source, hint.subject, hint.alert)
    if known is None or hint.since >= known["began"]:
        _put(change, source, hint.subject, hint.alert, fires=False, began=hint.since, told=told, reason="")


def forget(change: Change, before: float) -> None:
    """Remove what was told last before that moment: it has ended, or nobody knows whether it still fires."""
    for source in change.sources():
        if source.kind in KINDS:
            told = {
                c.reference: json.loads(c.value or "{}").get("told", 0) for c in change.cursors(source.name)
            }
            change.forget_values(source.name, [name for name, at in told.items() if at < before])


def at(change: Change, target: str) -> tuple[str, str] | None:
    """The source and the reason of an alert that fires for the target now; None where none does."""
    for source in change.sources():
        if source.kind not in KINDS:
            continue
        for cursor in change.cursors(source.name):
            alert = json.loads(cursor.value or "{}")
            mine = cursor.reference.startswith(f"{target} ")
            if mine and alert.get("fires") and change.now - alert["told"] < SILENT_SECONDS:
                return source.name, str(alert["reason"])
    return None


def _known(change: Change, source: Source, subject: str, alert: str) -> dict[str, float] | None:
    found = (one for one in change.cursors(source.name) if one.reference == f"{subject} {alert}")
    cursor = next(found, None)
    return None if cursor is None or cursor.value is None else json.loads(cursor.value)


def _put(change: Change, source: Source, subject: str, alert: str, **value: float | str) -> None:
    change.observe(source.name, f"{subject} {alert}", json.dumps(value, sort_keys=True), change.now)
