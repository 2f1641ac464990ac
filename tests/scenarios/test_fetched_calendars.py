"""Calendars of others that the operator named: they hold everything, and what is not known holds, too."""

import pytest

from policies.release import Phase
from service.adapters.memory.calendar import MemoryCalendar
from service.performing.calendars import EVERY_SECONDS
from service.ports.outcomes import Refused, Retry
from tests.scenarios.conftest import WINE, World
from tests.scenarios.test_freeze import calendar

FILES = {"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"}
TODAY = calendar("20231114", name="Sale").encode()  # in UTC, as the file names no zone
LATER = calendar("20231224").encode()


class Elsewhere(World):
    """The same, with a calendar that somebody else keeps."""

    def __init__(self, home, **settings):
        super().__init__(home, calendars=(("shop", ""),), **settings)
        self.calendar = MemoryCalendar(LATER)
        self.parts.open_calendar = lambda name: {"shop": self.calendar}[name]

    def pass_by(self, seconds=EVERY_SECONDS):
        self.clock.now += seconds
        self.settle()


@pytest.fixture
def world(tmp_path, stores):
    made = Elsewhere(tmp_path, **stores)
    yield made
    made.close()


def test_an_event_that_is_entered_holds_and_one_that_is_taken_out_lets_go(world):
    world.calendar.data = TODAY
    world.push(FILES)
    world.settle()
    assert world.release("rel-1").waits == "the freeze `Sale` until Wed 2023-11-15 00:00 UTC"
    world.calendar.data = LATER
    world.pass_by()
    assert world.release("rel-1").epoch == 1


@pytest.mark.parametrize("trouble", [Retry("shop answered 503"), Refused("shop has no address"), None])
def test_one_that_was_never_read_holds_and_says_why(world, trouble):
    world.calendar.fails, world.calendar.data = trouble, b"<html>log in</html>"
    world.push(FILES)
    world.settle()
    assert world.release("rel-1").phase is Phase.QUEUED
    said = world.release("rel-1").waits
    assert said.startswith("the freeze of the calendar `@shop`, of which nothing is known now")
    assert (str(trouble) if trouble else "it is no calendar") in said
    world.calendar.fails, world.calendar.data = None, LATER
    world.pass_by()
    assert world.release("rel-1").epoch == 1


def test_one_that_cannot_be_read_any_more_goes_on_to_hold_as_it_was_read_last(world):
    world.calendar.data = TODAY
    world.settle()
    world.calendar.fails = Retry("shop answered 503")
    world.push(FILES)
    world.pass_by()
    assert world.release("rel-1").waits.startswith("the freeze `Sale` until")
    world.pass_by(3 * 3600)
    assert world.release("rel-1").epoch == 1
