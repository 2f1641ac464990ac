"""`segue check` and `segue doctor` on calendars, as people type them."""

from click.testing import CliRunner

from service.cli import checking, doctor
from service.settings import Settings
from service.store import calendars as stored
from service.store.calendars import Calendar

DAY = 86_400.0
TEXT = """\
name: wine
build: {lock: requirements.lock}
serve: {run: python serve.py}
freeze:
  - Fri 16:00 - Mon 08:00
  - ops/holidays.ics Europe/Berlin
"""
EVENT = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Sale\r\nDTSTART:20261127T090000Z\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


def check(folder):
    found = CliRunner().invoke(checking.check, [str(folder)], env={"SEGUE_HOME": str(folder / "home")})
    return found.exit_code, found.output


def test_each_mistake_of_a_calendar_is_told_at_the_freeze_that_names_it(tmp_path):
    (tmp_path / "segue.yaml").write_text(TEXT)
    code, said = check(tmp_path)
    assert code == 1
    assert ":5:3: freeze: ops/holidays.ics cannot be used: there is no such file" in said
    (tmp_path / "ops").mkdir()
    calendar = tmp_path / "ops" / "holidays.ics"
    calendar.write_text(EVENT.format("RRULE:FREQ=SECONDLY"))
    code, said = check(tmp_path)
    assert code == 1
    assert "ops/holidays.ics cannot be used: line 2: the event `Sale` comes again SECONDLY" in said
    calendar.write_text(EVENT.format("DURATION:PT8H"))
    assert check(tmp_path) == (0, f"{tmp_path}: fine (wine)\n")


def test_a_freeze_that_is_neither_a_window_nor_a_file_is_told_what_is_meant(tmp_path):
    for wrong in ("/etc/holidays.ics", "holidays.ics Mars/Olympus", "https://calendar.example/ops.ics"):
        (tmp_path / "segue.yaml").write_text(TEXT.replace("ops/holidays.ics Europe/Berlin", f"'{wrong}'"))
        code, said = check(tmp_path)
        assert code == 1
        assert "freeze" in said


def test_the_doctor_tells_how_old_what_is_known_of_a_calendar_is(store, tmp_path):
    settings = Settings(home=tmp_path, calendars=(("ops", ""), ("shop", ""), ("new", "")))
    with store.change() as change:
        now = change.now
        stored.save(change, Calendar("@ops", "", (), now + DAY, now - 60, "", None))
        stored.save(change, Calendar("@shop", "", (), now + DAY, now - 9 * DAY, "", "shop answered 503"))
    told = {one.check: (one.ok, one.detail) for one in doctor._calendars(settings, store)}
    assert told == {
        "calendar ops": (True, "read 0.0 days ago"),
        "calendar shop": (False, "read 9.0 days ago: shop answered 503"),
        "calendar new": (False, "never read, so nothing is released"),
    }
