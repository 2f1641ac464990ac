"""Rules by which events come again name the days that dateutil names."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import takewhile

import pytest
from dateutil import rrule
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from policies import recurrence
from policies.recurrence import Every, Rule

DAYS = (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)
FREQUENCY = {
    Every.YEAR: rrule.YEARLY,
    Every.MONTH: rrule.MONTHLY,
    Every.WEEK: rrule.WEEKLY,
    Every.DAY: rrule.DAILY,
}
AT = time(9, 30)
firsts = st.dates(date(2019, 1, 1), date(2025, 12, 31))


def signed(most):
    return st.integers(1, most).flatmap(lambda n: st.sampled_from((n, -n)))


@st.composite
def rules(draw):
    every = draw(st.sampled_from(Every))
    numbered = every in {Every.MONTH, Every.YEAR} and draw(st.booleans())  # dateutil takes no mixture for one
    weekdays = st.tuples(signed(5) if numbered else st.just(0), st.integers(0, 6))
    few = lambda strategy: draw(st.lists(strategy, max_size=3, unique=True).map(tuple))  # noqa: E731
    chosen = few(weekdays)
    days = () if draw(st.booleans()) else few(signed(31))
    return Rule(
        every,
        draw(st.integers(1, 4)),
        draw(st.one_of(st.none(), st.integers(1, 30))),
        None,
        few(st.integers(1, 12)) if draw(st.booleans()) else (),
        days,
        few(signed(366)) if every is Every.YEAR and not days and not chosen else (),
        chosen,
        # Of a series' first week dateutil counts only what is left of it.
        few(signed(4))
        if (chosen or days) and every in {Every.MONTH, Every.YEAR} and draw(st.booleans())
        else (),
        draw(st.integers(0, 6)),
    )


def theirs(rule, first, until):
    """dateutil's days; its rules go on until the year 9999, so they are asked with an end."""
    weekdays = [DAYS[day](nth) if nth else DAYS[day] for nth, day in rule.weekdays]
    found = rrule.rrule(
        FREQUENCY[rule.every],
        dtstart=datetime.combine(first, AT),
        interval=rule.interval,
        count=rule.count,
        bymonth=rule.months or None,
        bymonthday=rule.month_days or None,
        byyearday=rule.year_days or None,
        byweekday=weekdays or None,
        bysetpos=rule.positions or None,
        wkst=rule.week_starts,
    )
    return [one.date() for one in takewhile(lambda one: one.date() <= until, found)]


def goes_on(rule, first, until):
    """Whether it names a day soon behind the end: else dateutil looks for one through eight thousand years."""
    beyond = recurrence.days(replace(rule, count=None), first, AT, until, until + timedelta(1500))
    return next(iter(beyond), None) is not None


@settings(max_examples=60)
@given(rule=rules(), first=firsts, skipped=st.integers(0, 900))
@example(rule=Rule(Every.MONTH, month_days=(31,), interval=3), first=date(2024, 1, 31), skipped=200)
@example(
    rule=Rule(Every.MONTH, weekdays=((0, 0), (0, 2)), positions=(-1,)), first=date(2024, 1, 3), skipped=0
)
@example(rule=Rule(Every.YEAR, weekdays=((-1, 4),)), first=date(2023, 12, 29), skipped=0)
@example(rule=Rule(Every.YEAR), first=date(2020, 2, 29), skipped=0)
@example(
    rule=Rule(Every.WEEK, 2, week_starts=6, weekdays=((0, 6), (0, 1))), first=date(2024, 1, 2), skipped=77
)
def test_a_rule_names_the_days_that_dateutil_names(rule, first, skipped):
    since, until = first + timedelta(skipped), first + timedelta(1500)
    assume(goes_on(rule, first, until))
    ours = list(recurrence.days(rule, first, AT, since, until))
    assert ours == [day for day in theirs(rule, first, until) if day >= since]


@pytest.mark.parametrize("every", Every)
def test_a_rule_that_names_no_day_ends(every):
    rule = Rule(every, months=(2,), month_days=(30,))
    assert list(recurrence.days(rule, date(1900, 1, 1), AT, date(2026, 1, 1), date(2027, 1, 1))) == []


def test_until_counts_itself_and_nothing_behind_it():
    rule = Rule(Every.DAY, until=datetime.fromisoformat("2026-01-03T09:30"))
    found = list(recurrence.days(rule, date(2026, 1, 1), AT, date(2026, 1, 1), date(2026, 2, 1)))
    assert found == [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]
    late = list(recurrence.days(rule, date(2026, 1, 1), time(9, 31), date(2026, 1, 1), date(2026, 2, 1)))
    assert late == found[:2]


def test_what_does_not_count_is_not_looked_at_from_its_beginning():
    old, since, until = date(1900, 1, 1), date(2026, 1, 1), date(2027, 1, 1)
    assert recurrence.cost(Rule(Every.DAY), old, since, until) < 1_200
    assert recurrence.cost(Rule(Every.DAY, count=9), old, since, until) > 46_000


def test_the_last_days_of_the_calendar_are_no_error():
    assert list(recurrence.days(Rule(Every.YEAR), date(9999, 5, 5), AT, date(9999, 1, 1), date.max)) in (
        [],
        [date(9999, 5, 5)],
    )
