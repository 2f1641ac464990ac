"""The worker's body: take one thing that is due, do it, store what follows. A plain function.

Its two drivers, a Celery task and a polling loop, add nothing to it. It keeps no state: all that it
knows it reads, and whoever is killed in the middle of it loses nothing but time.
"""

import random
import time
from collections.abc import Callable, Sequence

import structlog

from policies.effects import SetTraffic, StartWorkload, StopWorkload, lane
from policies.events import BuildFinished, EffectFailed, EvaluationFinished, ImageTrusted, Waits
from service.arrivals import label_sweep, organisations, receiving, redelivering, remarks, watching
from service.bootstrap import Parts
from service.engine import (
    beginning,
    declaring,
    handing_back,
    holding,
    housekeeping,
    keeping,
    patience,
    planning,
    weighing,
)
from service.engine.deciding import Deciding, decide
from service.errors import Conflict, StoreError, StoreUnavailable
from service.machine import meters
from service.obeying import answering
from service.performing import budgets, calendars, dispatch, drifting
from service.performing.outcomes import Again, Answer, Done
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.sources import ORGANISATION_KINDS
from service.store.codec import Unknown
from service.store.queue import Lost, Work
from service.store.states import EFFECT, SOURCE_EVENT, number_of

log = structlog.get_logger()
NEWER_SECONDS = 30.0  # between two looks at what only newer code can read
SLOW_SECONDS = 5.0  # what takes longer is told why
# What must never wait behind a build or a registry: it has worker processes of its own.
URGENT = (
    "SetTraffic", "evidence", "Wake", "command", "CheckAuthority", "StartWorkload", "CheckPreview",
)  # fmt: skip
PATIENT = (
    "delivery", "event", "look", "declare", "Build", "CheckImage", "RunEvaluation", "StopWorkload",
    "ReportCommit", "ReportDeployment", "WriteComment", "TellChat", "Notify", "MoveAlias", "TagVersion",
    "housekeeping", "drift", "Adopt", "HandBack", "Settle", "redeliver", "join", "Follow", "KeepCheckpoint",
    "SendLineage", "budget", "calendar",
)  # fmt: skip
QUEUES = {"urgent": URGENT, "patient": PATIENT}


def work_once(
    parts: Parts, owner: str, *, number: int | None = None, kinds: Sequence[str] | None = None
) -> bool:
    """Do the next due work, of these kinds or exactly `number`; False where nothing was due.

    Evidence that is due right behind evidence is weighed with it.
    """
    parts.untold.catch_up(parts.store, owner, lambda work: _not_now(parts, work, Retry("the store was away")))
    try:
        left = _claim(parts, owner, number, kinds)
    except StoreError:
        parts.untold.unsure.add(owner)
        raise
    if not left:
        return False
    try:
        _in_hand(parts, left)
    except Exception:  # of whatever kind: it is claimed, nothing was answered, and this process lives
        parts.untold.works += left
        raise
    return True


def _in_hand(parts: Parts, left: list[Work]) -> None:
    """Do what was claimed. What is done is taken from the list."""
    now = parts.store.now()
    for work in left:
        waited = max(0.0, now - max(work.created, work.not_before))
        meters.WAITED_SECONDS.labels(work.kind).observe(waited)
    if len(left) > 1 and _together(parts, left):
        return
    while left:
        _alone(parts, left[0])
        left.pop(0)


def _claim(parts: Parts, owner: str, number: int | None, kinds: Sequence[str] | None) -> list[Work]:
    if number is None:
        return parts.store.claim_together(owner, (weighing.KIND,), weighing.TOGETHER, kinds=kinds)
    work = parts.store.claim(owner, number=number, kinds=kinds)
    return [] if work is None else [work]


def _together(parts: Parts, works: Sequence[Work]) -> bool:
    """Weigh evidence at once. Where that cannot be stored nothing is, and each is to be done alone."""
    began = time.monotonic()
    try:
        weighing.weigh(parts, works, tries=1)
    except Exception as reason:  # noqa: BLE001  it is told by whichever work it belongs to
        log.info("not weighed together", works=len(works), reason=f"{type(reason).__name__}: {reason}")
        return False
    each = (time.monotonic() - began) / len(works)
    for work in works:
        meters.WORK_SECONDS.labels(work.kind).observe(each)
        meters.WORK.labels(work.kind, "done").inc()
    return True


def _alone(parts: Parts, work: Work) -> None:
    structlog.contextvars.bind_contextvars(work=work.id, kind=work.kind, subject=work.subject)
    try:
        with meters.WORK_SECONDS.labels(work.kind).time(), keeping.kept(parts.store, work):
            result = _attempt(parts, work)
        meters.WORK.labels(work.kind, result).inc()
    finally:
        structlog.contextvars.clear_contextvars()


def _attempt(parts: Parts, work: Work) -> str:
    """Do it once, and store what became of it: a word for the counters."""
    try:
        _do(parts, work)
    except Lost:
        _lost(parts, work)
        return "lost"
    except Retry as reason:
        return _not_now(parts, work, reason)
    except (StoreUnavailable, Conflict) as reason:
        # Others had the store, or it was away: no fault of the work, which waits as for any other place.
        return _not_now(parts, work, Retry(f"the store: {reason}"))
    except Unknown as reason:
        # Whoever can read it will: however long that takes, it is neither tried nor given up here.
        _later(parts, work, str(reason), NEWER_SECONDS)
        return "unknown"
    except Refused as reason:
        _refused(parts, work, str(reason))
        return "refused"
    except Exception as error:  # an error that nobody foresaw counts as a try, so that it ends one day
        log.exception("work failed")
        _failed(parts, work, f"{type(error).__name__}: {error}")
        return "failed"
    return "done"


def _lost(parts: Parts, work: Work) -> None:
    """Somebody else does it by now. A weight written late was refused by its epoch; what we told had none."""
    log.warning("lease lost", told_again=parts.store.outlive(work))
    if work.kind == StartWorkload.__name__:
        _stop_if_nobody_needs_it(parts, work)


def _stop_if_nobody_needs_it(parts: Parts, late: Work) -> None:
    """What is started late may have been ended before: whoever performs this looks whether it is named."""
    effect = EFFECT.load(late.body)
    if isinstance(effect, StartWorkload):
        stop = StopWorkload(effect.backend, effect.place)
        place, key = lane(stop, late.subject), f"late:{late.id}:{late.epoch}"
        new = Work(place, type(stop).__name__, key, late.subject, EFFECT.dump(stop))
        decide(parts.store, lambda deciding: deciding.change.add_work(new))


def _do(parts: Parts, work: Work) -> None:
    if work.exhausted:
        _refused(parts, work, work.error or "its worker ended each time it was tried")
        return
    _KINDS.get(work.kind, _effect)(parts, work)


# --- kinds of work that are not effects ------------------------------------------------------


def _event(parts: Parts, work: Work) -> None:
    """A change at a source: what it starts, stored together with its end."""
    planned = planning.plan(parts, SOURCE_EVENT.load(work.body), work)

    def store(deciding: Deciding) -> None:
        releases = [name for plan in planned.plans for name in beginning.start(deciding, plan)]
        text = f"started {', '.join(releases)}" if releases else f"starts nothing: {planned.idle}"
        deciding.change.save_answer(f"work-{work.id}", {"ok": True, "text": text, "led": releases})
        deciding.change.finish(work)

    decide(parts.store, store)


def _look(parts: Parts, work: Work) -> None:
    """Look at a source, because it is time to or because somebody hinted at it."""
    source = _source(parts, work)
    if source is not None:
        _while_connected(parts, work, lambda: _looked_at(parts, source))
    decide(parts.store, lambda deciding: deciding.change.finish(work))


def _while_connected(parts: Parts, work: Work, do: Callable[[], object]) -> None:
    """What is refused because its source was taken away meanwhile is done: there is nothing more to see."""
    try:
        do()
    except Refused:
        if _source(parts, work) is not None:
            raise


def _source(parts: Parts, work: Work) -> Source | None:
    return next((source for source in parts.store.sources() if source.name == work.subject), None)


def _looked_at(parts: Parts, source: Source) -> None:
    if source.kind in ORGANISATION_KINDS:
        organisations.look(parts, source)
        return
    watching.look(parts, source)
    label_sweep.sweep(parts, source)
    remarks.look(parts, source)


def _declare(parts: Parts, work: Work) -> None:
    """A new connection: learn what is there without starting anything."""
    _while_connected(parts, work, lambda: declaring.declare(parts, work.subject, work))
    decide(parts.store, lambda deciding: deciding.change.finish(work))


_KINDS: dict[str, Callable[[Parts, Work], None]] = {
    "event": _event,
    "look": _look,
    "declare": _declare,
    weighing.KIND: lambda parts, work: weighing.weigh(parts, [work]),
    "drift": drifting.look,
    holding.BUDGETS: budgets.look,
    calendars.KIND: calendars.look,
    "command": answering.answer,
    "delivery": receiving.receive,
    "housekeeping": housekeeping.tidy,
    "redeliver": redelivering.redeliver,
    "join": organisations.join,
}


# --- effects ---------------------------------------------------------------------------------


def _effect(parts: Parts, work: Work) -> None:
    effect = EFFECT.load(work.body)
    now = parts.store.now()
    parts.store.renew(work)
    outcome = dispatch.perform(parts, effect, now, now if work.started is None else work.started)
    match outcome:
        case Again(after=after, why=why):
            if why:
                _say_why(parts, work, why)
            parts.store.again(work, now + after)
        case Done():
            _finish(parts, work, outcome)


def _finish(parts: Parts, work: Work, done: Done) -> None:
    """The answer's consequences and the end of the work are one change."""

    def store(deciding: Deciding) -> None:
        if (ours := done.moved) is not None:
            # Our own write is not news: the cursor knows it before any sweep or webhook tells of it.
            reference = f"{ours.model}@{ours.alias}"
            deciding.change.observe(ours.source, reference, ours.version, deciding.now)
        if (message := done.posted) is not None:
            deciding.change.observe(message.source, message.reference, message.value, deciding.now)
        if done.freed is not None:
            handing_back.end(deciding, done.freed)
        if done.follows is not None:
            deciding.perform(work.subject, done.follows)
        if done.answer is not None:
            _tell(deciding, work.subject, done.answer)
        deciding.change.finish(work)

    decide(parts.store, store)


def _tell(deciding: Deciding, subject: str, answer: Answer) -> None:
    """Versions are known by keys, releases by names that begin with `rel-`."""
    if subject.startswith("rel-"):
        if not isinstance(answer, BuildFinished | ImageTrusted | EvaluationFinished):
            deciding.release_event(subject, answer)
    elif isinstance(answer, BuildFinished | ImageTrusted | EvaluationFinished | EffectFailed):
        deciding.version_event(subject, answer)


def _say_why(parts: Parts, work: Work, why: str) -> None:
    """A release whose step, or whose version's, takes its time shows what it waits for."""
    step, now = work.body.get("step"), parts.store.now()
    if not step or now - work.created <= SLOW_SECONDS:
        return
    told, subject = Waits(step, why, now), work.subject
    if number_of(subject):
        decide(parts.store, lambda deciding: deciding.release_event(subject, told))
    else:
        decide(parts.store, lambda deciding: deciding.version_waits(subject, told))


# --- when it does not go well ----------------------------------------------------------------


def _not_now(parts: Parts, work: Work, reason: Retry) -> str:
    """The world is not ready: tried again while the budget of time lasts, then given up."""
    borne, most = work.in_trouble(parts.store.now()), patience.budget(work.kind)
    if most is not None and borne > most:
        _refused(parts, work, f"given up after {borne / 3600:.1f} hours: {reason}")
        return "refused"
    _say_why(parts, work, str(reason))
    _later(parts, work, str(reason), reason.after)
    return "later"


def _later(parts: Parts, work: Work, reason: str, asked: float, *, counted: bool = False) -> None:
    now = parts.store.now()
    chance = random.random()  # noqa: S311 (spreads the tries of many, hides nothing)
    wait = patience.pause(work.kind, work.in_trouble(now), asked).at(chance)
    log.info("tried, will try again", reason=reason, wait=round(wait, 2))
    try:
        parts.store.retry(work, now + wait, reason, counted=counted)
    except Lost:
        _lost(parts, work)


def _failed(parts: Parts, work: Work, reason: str) -> None:
    """An error that nobody foresaw: a few tries, then it is refused with the reason."""
    most = patience.tries(work.kind)
    if most is None or work.retries + 1 < most:
        _later(parts, work, reason, 1.0, counted=True)
    else:
        _refused(parts, work, reason)


def _refused(parts: Parts, work: Work, reason: str) -> None:
    """The machine learns that its effect cannot be done; what no machine waits for is parked."""
    if work.kind == SetTraffic.__name__:
        # Traffic is never given up: a split that cannot be written is tried until it can.
        _say_why(parts, work, reason)
        _later(parts, work, reason, 5.0, counted=False)
        return
    step = work.body.get("step")

    def store(deciding: Deciding) -> None:
        if step:
            _tell(deciding, work.subject, EffectFailed(step, reason, deciding.now))
        if work.kind == "command":
            told = {"ok": False, "text": f"nothing was done: {reason}", "release": None}
            deciding.change.save_answer(work.subject, told)
        deciding.give_up(work, reason)
        deciding.change.record(work.subject, "segue", "refused", {"kind": work.kind, "reason": reason})

    try:
        decide(parts.store, store)
    except Lost:
        _lost(parts, work)
