"""Learns what holds releases: freezes, their calendars, and error budgets. What is on its way is looked at
anew once that is otherwise than before.
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from policies import budgets as policy
from policies import calendars
from policies.budgets import Known
from policies.events import HoldsChanged, Tick
from policies.spec.declaration import Budget, Environment, Model
from service.calendars import reading
from service.calendars.files import File
from service.calendars.reading import Unreadable
from service.engine.deciding import EVERY, Deciding
from service.store import budgets
from service.store import calendars as stored
from service.store.calendars import Calendar
from service.store.change import Change
from service.store.queue import Work
from service.store.states import release_of

log = structlog.get_logger()
BUDGETS = "budget"  # the kind of work that asks what is left of error budgets
BUDGET_SECONDS = 30.0
_READ_AGAIN = reading.AHEAD / 2  # seconds before its end at which a calendar's times are told anew


def learn(deciding: Deciding, source: str, files: Sequence[File]) -> None:
    """Store the calendars of a source's freezes in place of all that were known of it."""
    change = deciding.change
    stored.keep_only(change, source, [one.name for one in files])
    for one in files:
        stored.save(change, Calendar(one.name, one.text, one.spans, deciding.now + reading.AHEAD))


def follow(deciding: Deciding, model: Model) -> None:
    """Hold what is on its way by the model's freezes of now, or let it go on."""
    for row in deciding.change.releases(model=model.name, final=False, limit=EVERY):
        release = release_of(row)
        rules = model.environment(release.environment.name)
        if rules is None:
            continue
        before, now = _holds(release.environment), _holds(rules)
        if now != before:
            deciding.release_event(row.name, HoldsChanged(*now, deciding.now))
        if any((*now, *before)):
            deciding.release_event(row.name, Tick(deciding.now))


def learn_budget(deciding: Deciding, target: str, budget: Budget, left: float | None) -> None:
    """Store what is left of a target's error budget; what it held goes on where enough is."""
    known = budgets.known(deciding.change, target, budget)
    _know(deciding, target, budget, known, policy.learned(budget, known, left, deciding.now))


def miss_budget(deciding: Deciding, target: str, budget: Budget, trouble: str) -> None:
    """Note why nobody tells what is left; what was told last counts until it is too old."""
    known = budgets.known(deciding.change, target, budget)
    last = known or Known(None, 0.0, deciding.now)
    _know(deciding, target, budget, known, replace(last, trouble=trouble))


def _know(deciding: Deciding, target: str, budget: Budget, known: Known | None, new: Known) -> None:
    budgets.save(deciding.change, target, budget, new)
    if policy.held(budget, known, deciding.now) != policy.held(budget, new, deciding.now):
        for row in deciding.change.releases(target=target, final=False, limit=EVERY):
            deciding.release_event(row.name, Tick(deciding.now))


def _holds(environment: Environment) -> tuple[tuple[str, ...], Budget | None]:
    return environment.freeze, environment.budget


def ask_budgets(change: Change, turn: str) -> None:
    """Have it asked what is left of all error budgets, unless somebody is about to."""
    if not change.unfinished(BUDGETS):
        change.add_work(Work(BUDGETS, BUDGETS, f"{BUDGETS}:{turn}", "segue"))


def refresh(deciding: Deciding) -> None:
    """Tell anew when the events of calendars take place, long before what is known of them ends."""
    for one in stored.ending(deciding.change, deciding.now + _READ_AGAIN):
        named = calendars.named(one.name)
        try:
            spans = reading.read(one.text.encode(), "" if named is None else named.zone, deciding.now)
        except Unreadable as error:  # it holds once what is known of it ends
            log.warning("calendar unreadable", calendar=one.name, reason=str(error))
        else:
            stored.save(deciding.change, replace(one, spans=spans, until=deciding.now + reading.AHEAD))


def learn_calendar(deciding: Deciding, name: str, known: Calendar | None, new: Calendar) -> None:
    """Store what the operator's calendar of that name says now, or why it could not be fetched. Releases are
    looked at anew where it says otherwise than before."""
    stored.save(deciding.change, new)
    if known is None or (known.spans, known.until > 0) != (new.spans, new.until > 0):
        deciding.change.record(f"calendar-{name}", "segue", "calendar read", {"times": len(new.spans)})
        for row in deciding.change.releases(final=False, limit=EVERY):
            deciding.release_event(row.name, Tick(deciding.now))
