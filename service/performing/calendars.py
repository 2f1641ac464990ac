"""Fetches the calendars that the operator named. What was read last goes on to count where that fails."""

from dataclasses import replace
from functools import partial

import structlog

from policies.calendars import fetched_name
from service.bootstrap import Parts
from service.calendars import reading
from service.calendars.reading import Unreadable
from service.engine import holding
from service.engine.deciding import decide
from service.ports.outcomes import PortError
from service.store import calendars as stored
from service.store.calendars import Calendar
from service.store.queue import Work

KIND = "calendar"
EVERY_SECONDS = 300.0
log = structlog.get_logger()


def look(parts: Parts, work: Work) -> None:
    """Fetch the one that the work names. Not now is no reason to try at once: it is asked for again soon."""
    name = fetched_name(work.subject)
    with parts.store.read() as read:
        known = stored.fetched(read, [name]).get(name)
    last = known or Calendar(name, "", (), 0.0)
    try:
        new = _fetched(parts, work.subject, last)
    except (PortError, Unreadable) as error:
        log.warning("calendar not read", calendar=work.subject, reason=str(error), last_read=last.fetched)
        new = replace(last, trouble=str(error))
    decide(parts.store, partial(holding.learn_calendar, name=work.subject, known=known, new=new))
    decide(parts.store, lambda deciding: deciding.change.finish(work))


def _fetched(parts: Parts, called: str, last: Calendar) -> Calendar:
    """Raises `PortError` and `Unreadable`."""
    now = parts.store.now()
    found = parts.open_calendar(called).fetch(last.mark or "")
    if found is None:
        return replace(last, fetched=now, trouble=None)
    spans = reading.read(found.data, "", now)
    text = found.data.decode("utf-8-sig")
    return Calendar(last.name, text, spans, now + reading.AHEAD, now, found.mark, None)
