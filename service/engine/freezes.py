"""Until when a release is held: by windows, by calendars as they were read last, and by an error budget.

A calendar, or a budget, of which nothing is known, or not as far as now, holds: that is no permission.
"""

from policies import budgets, calendars, windows
from policies.calendars import Span
from policies.release import Release
from policies.windows import Frozen
from service.store import budgets as stored_budgets
from service.store import calendars as stored
from service.store.change import Change


def of(change: Change, release: Release, at: float) -> Frozen | None:
    """The freeze of the policy, or of the operator, at that moment; else that a budget is spent."""
    return _by_time(change, release, at) or _by_budget(change, release, at)


def _by_budget(change: Change, release: Release, at: float) -> Frozen | None:
    budget = release.environment.budget
    if budget is None:
        return None
    return budgets.held(budget, stored_budgets.known(change, release.target, budget), at)


def _by_time(change: Change, release: Release, at: float) -> Frozen | None:
    texts = (*release.environment.freeze, *change.limits.freeze)
    files = tuple(text for text in texts if calendars.named(text) is not None)
    named = (*files, *map(calendars.fetched_name, change.limits.calendars))
    if not named:
        return windows.frozen(texts, at)
    known = stored.spans(change, named, at)
    unknown = next((name for name in named if name not in known), None)
    if unknown is not None:
        found = stored.fetched(change, [unknown]).get(unknown)
        why = f": {found.trouble}" if found is not None and found.trouble else ""
        return Frozen(None, f"the freeze of the calendar `{unknown}`, of which nothing is known now{why}")
    spans: tuple[Span, ...] = tuple(span for found in known.values() for span in found)
    return windows.frozen([text for text in texts if text not in named], at, spans)
