"""Until when a release is held: by windows, and by calendars as they were read last.

A calendar of which nothing is known, or not as far as now, holds: what is not known is no permission.
"""

from policies import calendars, windows
from policies.calendars import Span
from policies.spec.declaration import Environment
from policies.windows import Frozen
from service.store import calendars as stored
from service.store.change import Change


def of(change: Change, environment: Environment, at: float) -> Frozen | None:
    """The freeze of the policy, or of the operator, at that moment."""
    texts = (*environment.freeze, *change.limits.freeze)
    named = tuple(text for text in texts if calendars.named(text) is not None)
    if not named:
        return windows.frozen(texts, at)
    known = stored.spans(change, named, at)
    unknown = next((name for name in named if name not in known), None)
    if unknown is not None:
        return Frozen(None, f"the freeze of the calendar `{unknown}`, of which nothing is known now")
    spans: tuple[Span, ...] = tuple(span for found in known.values() for span in found)
    return windows.frozen([text for text in texts if text not in named], at, spans)
