"""Freeze windows: what they cover, in any zone and over changes of the clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.windows import DAYS, NoWindow, frozen, parse

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def at(text, zone="Europe/Berlin", fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@pytest.mark.parametrize(
    ("window", "moment", "until"),
    [
        ("Fri 16:00 - Mon 08:00 Europe/Berlin", "2026-11-27T15:59", None),
        ("Fri 16:00 - Mon 08:00 Europe/Berlin", "2026-11-27T16:00", "2026-11-30T08:00"),
        ("Fri 16:00 - Mon 08:00 Europe/Berlin", "2026-11-29T12:00", "2026-11-30T08:00"),
        ("Fri 16:00 - Mon 08:00 Europe/Berlin", "2026-11-30T08:00", None),
        ("22:00 - 06:00 Europe/Berlin", "2026-11-27T23:00", "2026-11-28T06:00"),
        ("22:00 - 06:00 Europe/Berlin", "2026-11-28T05:59", "2026-11-28T06:00"),
        ("22:00 - 06:00 Europe/Berlin", "2026-11-28T06:00", None),
        ("12:00 - 13:00 Europe/Berlin", "2026-11-28T12:30", "2026-11-28T13:00"),
        ("2026-12-20 - 2027-01-02 Europe/Berlin", "2027-01-02T23:59", "2027-01-03T00:00"),
        ("2026-12-20 18:00 - 2026-12-21 06:00 Europe/Berlin", "2026-12-20T17:59", None),
        ("Mon 10:00 - Mon 09:00 Europe/Berlin", "2026-11-30T08:30", "2026-11-30T09:00"),
        ("Mon 10:00 - Mon 09:00 Europe/Berlin", "2026-11-30T09:30", None),
    ],
)
def test_what_a_window_covers(window, moment, until):
    found = frozen((window,), at(moment))
    assert (found and found.until) == (until and at(until))


def test_people_are_told_which_window_it_is_and_until_when():
    found = frozen(("Fri 16:00 - Mon 08:00 Europe/Berlin",), at("2026-11-28T12:00"))
    assert found.why == (
        "the freeze `Fri 16:00 - Mon 08:00 Europe/Berlin` until Mon 2026-11-30 08:00 Europe/Berlin"
    )


def test_windows_that_meet_are_one():
    windows = ("Fri 16:00 - Sun 00:00 UTC", "Sun 00:00 - Mon 08:00 UTC", "2026-11-30 - 2026-11-30 UTC")
    found = frozen(windows, at("2026-11-28T12:00", "UTC"))
    assert found.until == at("2026-12-01T00:00", "UTC")
    assert "Fri 16:00" in found.why


@pytest.mark.parametrize(
    ("window", "begins", "ends"),
    [
        # 02:30 is not on the clock on 29 March 2026 and is twice on 25 October.
        ("02:30 - 03:30 Europe/Berlin", "2026-03-29T00:30", "2026-03-29T01:30"),
        ("01:00 - 02:30 Europe/Berlin", "2026-10-24T23:00", "2026-10-25T01:30"),
        ("02:30 - 04:00 Europe/Berlin", "2026-10-25T00:30", "2026-10-25T03:00"),
    ],
)
def test_a_window_is_never_shorter_than_it_says_where_clocks_change(window, begins, ends):
    first, last = at(begins, "UTC"), at(ends, "UTC")
    assert frozen((window,), first - 1) is None
    assert frozen((window,), first).until == last
    assert frozen((window,), last - 1).until == last
    assert frozen((window,), last) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Fri 16:00", "no ` - `"),
        ("Fri 16:00 - 08:00", "different kinds"),
        ("Fry 16:00 - Mon 08:00", "'Fry'"),
        ("25:00 - 26:00", "no time"),
        ("16:00 - 16:00", "never end"),
        ("2026-12-20 - 2026-12-19", "ends before"),
        ("2026-02-30 - 2026-03-01", "no time"),
        ("9999-12-31 - 9999-12-31", "no time"),
        ("16:00 - 18:00 Europe/Berlim", "Europe/Berlim"),
        ("16:00 - 18:00 Berlin", "'18:00 Berlin'"),
        ("", "no ` - `"),
    ],
)
def test_what_is_no_window_is_said(text, said):
    with pytest.raises(NoWindow, match=None) as found:
        parse(text)
    assert said in str(found.value)


times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))
zones = st.sampled_from(ZONES)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.timestamp()
)


@st.composite
def windows(draw):
    first, last, zone = draw(times), draw(times), draw(zones)
    kind = draw(st.sampled_from(["daily", "weekly", "dated"]))
    if kind == "daily":
        last = last if first != last else "12:34"
        return f"{first} - {last} {zone}"
    if kind == "weekly":
        one, two = draw(st.sampled_from(DAYS)), draw(st.sampled_from(DAYS))
        last = "12:34" if (one, first) == (two, last) else last
        return f"{one} {first} - {two} {last} {zone}"
    begins = draw(st.dates(date(2020, 1, 1), date(2029, 1, 1)))
    return f"{begins} {first} - {begins + timedelta(days=draw(st.integers(1, 30)))} {last} {zone}"


@given(st.lists(windows(), max_size=4), moments)
def test_a_freeze_ends_later_and_no_earlier_than_it_says(written, moment):
    found = frozen(tuple(written), moment)
    if found is None:
        return
    assert found.until > moment
    assert frozen(tuple(written), (moment + found.until) / 2) is not None
    assert frozen(tuple(written), found.until - 1e-3) is not None
    again = frozen(tuple(written), found.until)
    assert again is None or again.until > found.until


@given(windows(), moments)
def test_what_the_clock_on_the_wall_shows_within_a_window_is_frozen(text, moment):
    """Told once more, by the clock alone: day and time as they stand on the wall in the window's zone."""
    window = parse(text)
    wall = datetime.fromtimestamp(moment, window.zone).replace(tzinfo=None)
    first, last = window.first, window.last
    if first.on is not None:
        inside = datetime.combine(first.on, first.at) <= wall < datetime.combine(last.on, last.at)
    else:
        week = first.day is not None
        now = (wall.weekday() if week else 0, wall.time())
        begin, end = ((one.day or 0, one.at) for one in (first, last))
        inside = begin <= now < end if begin < end else now >= begin or now < end
    near = any(
        ZoneInfo(window.zone.key).utcoffset(wall - timedelta(hours=hours))
        != ZoneInfo(window.zone.key).utcoffset(wall + timedelta(hours=hours))
        for hours in (24, 25)
    )
    assert (frozen((text,), moment) is not None) == inside or near
