"""Freezes in the whole service: what waits says until when and goes on by itself; going back never waits."""

import pytest

from policies.release import Phase
from tests.scenarios.conftest import WINE, World

NOW = "Tue 22:00 - Wed 06:00"  # the clock of a world begins at 22:13 on a Tuesday, UTC
UNTIL = f"the freeze `{NOW}` until Wed 2023-11-15 06:00 UTC"
OVER = 8 * 3600.0
FILES = {"segue.yaml": WINE + f"freeze: {NOW}\n", "requirements.lock": "", "serve.py": "1"}


def test_a_release_waits_for_the_end_of_a_freeze_and_says_until_when(world):
    world.push(FILES)
    world.settle()
    assert (world.release("rel-1").phase, world.release("rel-1").waits) == (Phase.QUEUED, UNTIL)
    shown = world.web.get(
        "/api/v1/releases/rel-1", headers={"Authorization": f"Bearer {world.people['bob']}"}
    ).json
    assert shown["release"]["waits"] == UNTIL
    assert any(UNTIL in report.text for report in world.git.reports)
    world.clock.now += OVER
    world.settle()
    assert world.release("rel-1").phase in {Phase.STARTING, Phase.CHECKING, Phase.SHIFTING, Phase.WATCHING}


def test_a_branch_cannot_drop_the_freeze_of_the_default_branch(world):
    triggers = "on: {branches: [main, hot]}\n"
    world.push({**FILES, "segue.yaml": FILES["segue.yaml"] + triggers})
    world.settle()
    world.push({**FILES, "segue.yaml": WINE + triggers, "serve.py": "2"}, ref="refs/heads/hot")
    world.settle()
    assert world.release("rel-2").phase is Phase.QUEUED
    assert world.release("rel-2").waits == UNTIL


def test_of_releases_that_wait_for_the_end_the_newest_begins(world):
    world.push(FILES)
    world.settle()
    world.push({"serve.py": "2"})
    world.settle()
    world.clock.now += OVER
    world.settle()
    assert world.release("rel-1").phase is Phase.SUPERSEDED
    assert world.release("rel-2").epoch == 1


@pytest.fixture
def frozen_later(tmp_path, stores):
    """The installation is frozen from half past ten on."""
    made = World(tmp_path, **stores, freeze=("2023-11-14 22:30 - 2023-11-15 06:00",))
    yield made
    made.close()


def test_within_the_installations_freeze_traffic_stays_and_harm_and_people_take_it_back(frozen_later):
    world = frozen_later
    first = world.live()
    second = world.rollout()
    world.clock.now = 1_700_000_000.0 + 1200  # 22:33
    weight = world.weights()[second.backend]
    world.play(60)
    assert world.weights()[second.backend] == weight
    assert "the freeze" in world.release(second.name).waits
    reply = world.say("promote", second.name)
    assert not reply.ok
    assert "until Wed 2023-11-15 06:00 UTC" in reply.text
    assert world.say("pause", second.name).ok
    resumed = world.say("resume", second.name)
    assert f"{second.name} is resumed: it is held at {weight:g} % of requests by the freeze" in resumed.text
    assert "until Wed 2023-11-15 06:00 UTC" in resumed.text
    world.serve(1500, {second.backend: 0.5})
    world.play(30, until=second.name)
    assert world.release(second.name).phase is Phase.ROLLED_BACK
    assert world.weights()[first.backend] == 100


def test_a_rollback_by_people_waits_for_no_freeze(frozen_later):
    world = frozen_later
    first = world.live()
    second = world.rollout()
    world.play(400, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED
    world.clock.now = 1_700_000_000.0 + 1200
    reply = world.say("rollback", "wine")
    assert reply.ok
    world.settle()
    assert world.release(reply.release).phase is Phase.PROMOTED
    assert world.weights()[first.backend] == 100


def test_an_override_begins_a_release_within_the_freeze(world):
    world.push(FILES)
    world.settle()
    assert world.say("override", "rel-1", reason="INC-812").ok
    world.settle()
    assert world.release("rel-1").epoch == 1


def calendar(*days, name="Inventory"):
    """A file whose event takes that many whole days."""
    lines = (f"BEGIN:VEVENT\r\nSUMMARY:{name}\r\nDTSTART;VALUE=DATE:{day}\r\nEND:VEVENT\r\n" for day in days)
    return f"BEGIN:VCALENDAR\r\n{''.join(lines)}END:VCALENDAR\r\n"


def named(*days, name="Inventory"):
    files = {"segue.yaml": WINE + "freeze: ops/holidays.ics Europe/Berlin\n", "requirements.lock": ""}
    return {**files, "serve.py": "1", "ops/holidays.ics": calendar(*days, name=name)}


def test_a_release_waits_for_the_end_of_an_event_in_a_calendar_file(world):
    world.push(named("20231114", "20231115", name="Inventory `of` <b>all</b>"))
    world.settle()
    until = "the freeze `Inventory 'of' <b>all</b>` until Thu 2023-11-16 00:00 Europe/Berlin"
    assert (world.release("rel-1").phase, world.release("rel-1").waits) == (Phase.QUEUED, until)
    world.clock.now += 26 * 3600
    world.settle()
    assert world.release("rel-1").epoch == 1


def test_a_calendar_that_is_changed_lets_go_what_it_held_at_once(world):
    world.push(named("20231114"))
    world.settle()
    assert world.release("rel-1").phase is Phase.QUEUED
    world.push({"ops/holidays.ics": calendar("20231224")})
    world.settle()
    assert world.release("rel-1").final or world.release("rel-1").epoch == 1


def test_a_calendar_that_cannot_be_read_declares_nothing_and_the_last_one_goes_on_to_hold(world):
    world.push(named("20231114"))
    world.settle()
    world.push({"ops/holidays.ics": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"})
    world.settle()
    assert world.release("rel-1").waits.startswith("the freeze `Inventory` until")
    told = " ".join(report.text for report in world.git.reports)
    assert "line 2: the event `an event without a name` has no DTSTART" in told


def test_a_push_that_changes_the_freeze_holds_what_began_before(world):
    first = world.live()
    second = world.rollout()
    weight = world.weights()[second.backend]
    world.push({"segue.yaml": WINE + f"freeze: {NOW}\n"})
    world.settle()
    world.play(60)
    assert world.release(second.name).waits == UNTIL
    assert world.weights()[second.backend] == weight < 100
    world.push({"segue.yaml": WINE})
    world.settle()
    assert world.release(second.name).waits == ""
    assert world.release(first.name).final
