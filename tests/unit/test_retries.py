"""When what went wrong is tried again, and when it is given up: the numbers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.effects import Effect
from service.engine import patience
from service.store.due import LONGEST_LEASE
from service.store.queue import LONGEST_TRY, Work
from service.work import _KINDS, PATIENT, URGENT

KINDS = sorted({*URGENT, *PATIENT})
seconds = st.floats(0, 1e7)


@given(kind=st.sampled_from(KINDS), age=seconds, asked=seconds, chance=st.floats(0, 1))
def test_nobody_is_asked_sooner_than_they_said_nor_left_waiting_for_ever(kind, age, asked, chance):
    wait = patience.pause(kind, age, asked).at(chance)
    if kind == "SetTraffic":
        assert min(asked, 1.5) <= wait <= patience.LONGEST_FOR_TRAFFIC
    else:
        assert min(asked, patience.LONGEST_ASKED) <= wait
        # Longer, and the queue would take it for a wait that was given before a clock was set back.
        assert wait < LONGEST_LEASE


def test_the_whole_backoff_is_left_to_chance_and_grows_with_the_trouble():
    young, old = patience.pause("Build", 8.0, 1.0), patience.pause("Build", 10_000.0, 1.0)
    assert (young.least, young.spread) == (1.0, 1.0)
    assert (old.least, old.spread) == (1.0, patience.LONGEST_SPREAD)
    assert [old.at(chance) for chance in (0.0, 0.5, 1.0)] == [1.0, 16.0, 31.0]


def test_traffic_is_never_given_up_and_a_command_soonest():
    assert patience.budget("SetTraffic") is None
    assert patience.tries("SetTraffic") is None
    assert patience.budget("command") == 600
    assert patience.budget("Build") == patience.DAY


def test_every_kind_named_is_one_that_exists():
    effects = {member.__name__ for member in Effect.__args__}
    assert effects | set(_KINDS) == set(KINDS)
    assert set(KINDS) >= patience.AWAY_FOR_EVER


@pytest.mark.parametrize(
    ("error", "troubled", "expected"),
    [(None, None, 0.0), ("away", None, 0.0), ("away", 40.0, 60.0), (None, 40.0, 0.0), ("away", 400.0, 0.0)],
)
def test_trouble_begins_with_the_first_bad_answer_after_a_good_one(error, troubled, expected):
    """`troubled` without an error was left there by code that does not know the column yet."""
    work = Work("l", "Build", "k", "s", error=error, troubled=troubled)
    assert work.in_trouble(100.0) == expected


def test_a_time_in_which_nobody_could_try_is_no_trouble_but_for_the_longest_that_a_try_takes():
    """Borne for a minute, then due after ten seconds, and answered two days late: off, or a clock that jumped."""
    work = Work("l", "Build", "k", "s", error="away", troubled=40.0, not_before=110.0)
    late = 110.0 + 2 * patience.DAY
    assert work.in_trouble(late) == 70.0 + LONGEST_TRY
    assert work.in_trouble(110.0 + LONGEST_TRY) == 70.0 + LONGEST_TRY


def test_somebody_waits_for_a_command_which_is_not_obeyed_days_later():
    assert patience.budget("command") < LONGEST_TRY < patience.DAY
