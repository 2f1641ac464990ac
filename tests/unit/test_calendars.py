"""Calendar files: when their events take place, and what cannot be read, with its line."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from policies.calendars import MOST_SPANS
from service.calendars import reading
from service.calendars.reading import Unreadable

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 1, tzinfo=BERLIN).timestamp()


def at(*parts, zone=BERLIN):
    return datetime(*parts, tzinfo=zone).timestamp()


def event(*lines, name="Inventory", uid="1"):
    return "\r\n".join(("BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{name}", *lines, "END:VEVENT"))


def file(*events, head=()):
    return "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", *head, *events, "END:VCALENDAR", "")).encode()


def spans(*events, zone="Europe/Berlin", head=(), now=NOW):
    return [(one.begins, one.ends, one.name) for one in reading.read(file(*events, head=head), zone, now)]


def mistakes(*events, zone=""):
    with pytest.raises(Unreadable) as wrong:
        reading.read(file(*events), zone, NOW)
    return wrong.value.lines


def test_a_time_with_a_zone_of_its_own():
    one = event(
        "DTSTART;TZID=America/New_York:20261127T090000", "DTEND;TZID=America/New_York:20261127T180000"
    )
    york = ZoneInfo("America/New_York")
    assert spans(one) == [
        (at(2026, 11, 27, 9, zone=york), at(2026, 11, 27, 18, zone=york), "Inventory"),
    ]


def test_whole_days_are_by_the_named_zone_then_the_calendars_own_then_utc():
    days = event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227")
    own = ("X-WR-TIMEZONE:America/New_York",)
    assert spans(days) == [(at(2026, 12, 24), at(2026, 12, 27), "Inventory")]
    york, utc = ZoneInfo("America/New_York"), ZoneInfo("UTC")
    assert spans(days, zone="", head=own)[0][0] == at(2026, 12, 24, zone=york)
    assert spans(days, zone="")[0][0] == at(2026, 12, 24, zone=utc)
    assert spans(event("DTSTART;VALUE=DATE:20261224")) == [(at(2026, 12, 24), at(2026, 12, 25), "Inventory")]


def test_a_series_without_what_was_moved_cancelled_or_left_out():
    series = event(
        "DTSTART;TZID=Europe/Berlin:20261102T180000",
        "DURATION:PT2H",
        "RRULE:FREQ=WEEKLY;COUNT=5",
        "EXDATE;TZID=Europe/Berlin:20261109T180000",
    )
    moved = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261116T180000",
        "DTSTART;TZID=Europe/Berlin:20261117T080000",
        "DTEND;TZID=Europe/Berlin:20261117T090000",
        name="moved",
    )
    cancelled = event(
        "RECURRENCE-ID:20261123T170000Z",  # the same moment by another clock
        "DTSTART;TZID=Europe/Berlin:20261123T180000",
        "STATUS:CANCELLED",
    )
    other = event("RECURRENCE-ID:20261130T170000Z", "DTSTART:20261130T170000Z", uid="2", name="of no length")
    assert spans(series, moved, cancelled, other) == [
        (at(2026, 11, 2, 18), at(2026, 11, 2, 20), "Inventory"),
        (at(2026, 11, 17, 8), at(2026, 11, 17, 9), "moved"),
        (at(2026, 11, 30, 18), at(2026, 11, 30, 20), "Inventory"),
    ]


def test_over_a_change_of_clocks_it_is_never_shorter_than_it_says():
    # On 2026-10-25 the clock in Berlin shows 02:30 twice, on 2027-03-28 never.
    series = event(
        "DTSTART;TZID=Europe/Berlin:20261025T013000",
        "DTEND;TZID=Europe/Berlin:20261025T023000",
        "RRULE:FREQ=DAILY;COUNT=1",
    )
    found = spans(series, now=at(2026, 10, 24))
    assert found[0][1] - found[0][0] == 2 * 3600
    never = event("DTSTART;TZID=Europe/Berlin:20270328T023000", "DTEND;TZID=Europe/Berlin:20270328T040000")
    begins, ends, _ = spans(never)[0]
    assert ends - begins >= 1800


def test_an_event_that_began_long_ago_and_goes_on_counts():
    assert spans(event("DTSTART:20200101T000000Z", "DTEND:20300101T000000Z"))


def test_further_times_and_periods():
    one = event("DTSTART:20261105T100000Z", "DURATION:PT1H", "RDATE;VALUE=PERIOD:20261106T100000Z/PT3H")
    two = event("DTSTART:20261107T100000Z", "DURATION:PT1H", "RDATE:20261108T100000Z")
    lengths = [ends - begins for begins, ends, _ in spans(one, two)]
    assert lengths == [3600, 3 * 3600, 3600, 3600]


def test_names_are_one_line_of_plain_text():
    said = spans(event("DTSTART;VALUE=DATE:20261224", name="<script>`x`\\n\x07Sale\u202e" + "y" * 200))[0][2]
    assert said.startswith("<script>'x' Sale y")
    assert len(said) == 80
    assert said.isprintable()
    assert spans(event("DTSTART;VALUE=DATE:20261224", name=""))[0][2] == "an event without a name"


def test_zones_of_outlook_are_known_and_a_files_own_zones_are_not_read():
    one = event("DTSTART;TZID=W. Europe Standard Time:20261127T090000", "DURATION:PT1H")
    assert spans(one, zone="")[0][0] == at(2026, 11, 27, 9)
    own = "BEGIN:VTIMEZONE\r\nTZID:Mine\r\nBEGIN:STANDARD\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    found = mistakes(own, event("DTSTART;TZID=Mine:20261127T090000", "DURATION:PT1H"))
    assert found == ("line 9: the event `Inventory` names the time zone 'Mine', which is not known here",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("RRULE:FREQ=SECONDLY", "comes again SECONDLY; read are DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("RRULE:FREQ=DAILY;BYHOUR=1,2,3", "comes again by BYHOUR, which is not read"),
        ("RRULE:FREQ=YEARLY;BYWEEKNO=20", "comes again by BYWEEKNO"),
        ("RRULE:FREQ=DAILY;INTERVAL=0", "has INTERVAL=0"),
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=40", "has a BYMONTHDAY that is not from 1 to 31"),
        ("RRULE:FREQ=WEEKLY;BYDAY=2MO", "a numbered BYDAY"),
        ("RRULE:FREQ=NEVER", "cannot be read"),
        ("EXDATE:garbage", "cannot be read"),
        ("EXDATE;VALUE=DATE:20261101", "has an EXDATE of another kind"),
        ("EXRULE:FREQ=DAILY", "has an EXRULE"),
        ("DTEND:20200101T000000Z", "ends before it begins"),
        ("RECURRENCE-ID;RANGE=THISANDFUTURE:20261101T100000Z", "RANGE=THISANDFUTURE"),
        ("no colon", "cannot be read"),
    ],
)
def test_what_is_not_understood_is_a_mistake_with_its_line(line, said):
    (found,) = mistakes(event("DTSTART:20261105T100000Z", line))
    assert found.startswith("line 3: the event ")
    assert said in found


def test_all_mistakes_are_told_at_once():
    found = mistakes(event(), event("DTSTART:1"), *[event() for _ in range(40)])
    assert found[0] == "line 3: the event `Inventory` has no DTSTART"
    assert found[1].startswith("line 7: ")
    assert found[-1] == "and 22 more"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is no calendar"),
        (b"<html>login</html>", "it is no calendar"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", "line 3: END:VCALENDAR ends what did not begin"),
        (b"BEGIN:VCALENDAR\n" + b"x" * (1 << 20), "bytes; at most 1048576 are read"),
        (file(*[event("DTSTART:20261105T100000Z")] * 1001), "it has 1001 events; at most 1000 are read"),
        (file(head=("X-WR-TIMEZONE:Mars/Olympus",)), "its time zone 'Mars/Olympus' is not known"),
    ],
)
def test_what_is_no_calendar(data, said):
    with pytest.raises(Unreadable) as wrong:
        reading.read(data, "", NOW)
    assert said in str(wrong.value)


def test_a_calendar_that_says_too_much_is_refused_and_costs_little():
    daily = event("DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=DAILY")
    (often,) = mistakes(
        *[event("DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=DAILY", name=str(n)) for n in range(6)]
    )
    assert f"more than {MOST_SPANS} times" in often
    counting = [event("DTSTART;VALUE=DATE:19000101", "RRULE:FREQ=DAILY;COUNT=100000")] * 30
    (long,) = mistakes(*counting)
    assert "count through too many days" in long
    assert len(spans(daily)) > 400
