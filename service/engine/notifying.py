"""What receivers are told: each turn of a release as it was when it came, and work that was given up.

A chat's message says how a release stands (`telling`); what is told here is never taken back.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from policies import messages, notices
from policies.effects import Notify, lane
from policies.notices import Notice, Turn
from policies.release import Release
from service.engine import parked, telling
from service.ports.connections import Source
from service.sources import RECEIVER_KINDS
from service.store.change import Change
from service.store.queue import Work
from service.store.states import EFFECT, number_of, release_of

ANSWERED = frozenset({"command"})  # whoever gave it is told
# What a kind of receiver is told of, if not of all.
BY_KIND = {
    "email": frozenset(notices.URGENT),
    "grafana": notices.ROLLOUT | notices.FINAL,
}
AGAIN_SECONDS = 3600.0  # between two notices of one kind of work that is given up, of one release


def effects(
    sources: Sequence[Source], before: Release | None, after: Release, at: float
) -> tuple[Notify, ...]:
    """That each receiver is told what has happened; `before` None: the release was asked for."""
    receivers = [one for one in sources if one.kind in RECEIVER_KINDS]
    if not receivers:
        return ()
    title, text = messages.title(after), telling.text(after)
    told = [notices.notice(turn, at, after, title, text) for turn in notices.turns(before, after)]
    return tuple(effect for notice in told for effect in _to(receivers, notice))


def give_up(change: Change, work: Work, reason: str) -> None:
    """Have people told of work that nobody waits for: it would be found by chance else.

    Whoever could not be told of something is not told of that. Of news of that kind nobody is: it would go
    round between two.
    """
    missed = EFFECT.load(work.body) if work.kind == Notify.__name__ else None
    itself = missed.source if isinstance(missed, Notify) else ""
    goes_round = isinstance(missed, Notify) and missed.notice.turn is Turn.PARKED
    if parked.taken_in(work) or work.kind in ANSWERED or goes_round:
        return
    others = [one for one in change.sources() if one.kind in RECEIVER_KINDS and one.name != itself]
    for effect in _to(others, _parked(change, work, reason)) if others else ():
        hour = int(change.now / AGAIN_SECONDS)
        key = f"parked:{work.subject}:{work.kind}:{effect.source}:{effect.to}:{hour}"
        body, place = EFFECT.dump(effect), lane(effect, work.subject)
        change.add_work(Work(place, type(effect).__name__, key, work.subject, body))


def _parked(change: Change, work: Work, reason: str) -> Notice:
    what, name = f"{work.kind} was given up", f"{parked.NAME}{work.id}"
    text = telling.cut(f"reason: {reason}\nto try again: segue replay-event {name}", name)
    row = change.release(number_of(work.subject))
    if row is None:
        return Notice(Turn.PARKED, change.now, name, work.created, f"{what}, of {work.subject}", text)
    release = release_of(row)
    title = f"{release.name} on {release.target}: {what}"
    return notices.notice(Turn.PARKED, change.now, release, title, text)


def _to(receivers: Sequence[Source], notice: Notice) -> Iterator[Notify]:
    """To whoever wants such a turn of such a target; what belongs to no target, to those of all."""
    for one in receivers:
        yield from (Notify(one.name, notice, to) for to in _people(one, notice))


def wanted(receiver: Source, effect: Notify) -> bool:
    """Whether it is still to be told: what was turned off since it was asked for is not."""
    return effect.to in _people(receiver, effect.notice)


def _people(receiver: Source, notice: Notice) -> tuple[str, ...]:
    """Whom it goes on to; each once. "": it is told itself, and it goes on to nobody."""
    turns = receiver.subscription.turns or BY_KIND.get(receiver.kind, frozenset(Turn))
    if notice.turn not in turns or not any(fnmatchcase(notice.target, glob) for glob in receiver.owns):
        return ()
    told = receiver.subscription.to
    found = (address for address, where in told if fnmatchcase(notice.target, where))
    return tuple(dict.fromkeys(found)) if told else ("",)
