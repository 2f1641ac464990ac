"""Which deliveries a host is asked to send again: those that nobody took, not too soon, not for ever."""

from service.adapters.hosts.redelivery import Attempt, due

NOW = 1_700_000_000.0


def attempts(*told: tuple[int, str, bool, float | None]) -> list[Attempt]:
    """Each: number, delivery, whether it was taken, seconds ago."""
    return [Attempt(n, name, taken, None if ago is None else NOW - ago) for n, name, taken, ago in told]


def test_what_nobody_took_is_asked_for_the_oldest_first_and_no_more_than_the_bound():
    lost = attempts((3, "c", False, 100), (1, "a", False, 300), (2, "b", False, 200))
    assert due(lost, NOW, most=9) == (1, 2, 3)
    assert due(lost, NOW, most=2) == (1, 2)


def test_what_was_taken_in_any_attempt_is_not_asked_for_again():
    assert due(attempts((1, "a", False, 900), (2, "a", True, 800), (3, "a", False, 700)), NOW, most=9) == ()


def test_the_newest_attempt_is_the_one_that_is_made_again():
    assert due(attempts((7, "a", False, 900), (9, "a", False, 500)), NOW, most=9) == (9,)


def test_each_attempt_waits_four_times_as_long_as_the_one_before():
    for tries, wait in ((1, 60), (2, 240), (3, 960), (6, 61_440)):
        made = [(n, "a", False, wait + 100.0 * (tries - n)) for n in range(1, tries + 1)]
        assert due(attempts(*made), NOW, most=9) == (tries,)
        assert due(attempts(*made), NOW - 1, most=9) == ()


def test_a_delivery_that_nobody_takes_is_left_in_the_end():
    made = [(n, "a", False, 500_000.0 - n) for n in range(1, 8)]
    assert due(attempts(*made[:6]), NOW, most=9) == (6,)
    assert due(attempts(*made), NOW, most=9) == ()


def test_a_host_that_tells_no_times_is_asked_at_once_and_as_often():
    assert due(attempts((4, "a", False, None), (5, "a", False, None)), NOW, most=9) == (5,)
    assert due(attempts(*[(n, "a", False, None) for n in range(7)]), NOW, most=9) == ()
