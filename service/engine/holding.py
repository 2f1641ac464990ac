"""What holds releases now: freezes by their windows, and by calendars as they were read last.

A calendar of which nothing is known, or not as far as now, holds: what is not known is no permission.
"""

from collections.abc import Sequence

from policies import calendars
from policies.events import FreezeChanged, Tick
from policies.spec.declaration import Model
from service import calendars as reading
from service.calendar_files import File
from service.engine.deciding import EVERY, Deciding
from service.store import calendars as stored
from service.store.calendars import Calendar
from service.store.states import release_of

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
        if rules.freeze != release.environment.freeze:
            deciding.release_event(row.name, FreezeChanged(rules.freeze, deciding.now))
        if rules.freeze or release.environment.freeze:
            deciding.release_event(row.name, Tick(deciding.now))


def refresh(deciding: Deciding) -> None:
    """Tell anew when the events of calendars take place, long before what is known of them ends."""
    for one in stored.ending(deciding.change, deciding.now + _READ_AGAIN):
        named = calendars.named(one.name)
        spans = reading.read(one.text.encode(), "" if named is None else named.zone, deciding.now)
        stored.save(deciding.change, Calendar(one.name, one.text, spans, deciding.now + reading.AHEAD))
