"""Notes in memory until they are stored: told once to who heard them, again to who did not, gone after."""

import pytest

from service.recorder import kept
from service.recorder.kept import MOST, MOST_TOLD, Kept, heard, marked, marks
from service.recorder.spool import Lost, Pair

PAIR = Pair(
    "fraud/production", "r", 1.0, "two.ml", "one.ml", 200, 200, 0.1, 0.2, True, "yes", "yes", None, None
)


def lost(count):
    return Lost("fraud/production", 1.0, count)


def test_what_is_told_is_read_as_it_was_noted():
    notes = Kept()
    notes.add([PAIR, lost(2)])
    assert heard(notes.tell(0, 0)) == (notes.name, 1, [PAIR, lost(2)])


def test_each_batch_is_told_after_the_one_that_was_heard_until_it_is_stored():
    notes = Kept()
    for number in range(1, 4):
        notes.add([lost(number)])
    assert heard(notes.tell(0, 0))[1:] == (3, [lost(1), lost(2), lost(3)])
    assert heard(notes.tell(2, 1))[1:] == (3, [lost(3)])
    assert heard(notes.tell(0, 0))[1:] == (3, [lost(2), lost(3)])  # another one, that stored the first alone
    assert heard(notes.tell(3, 3))[1:] == (0, [])
    assert heard(notes.tell(0, 0))[1:] == (0, [])


def test_an_answer_has_an_end_and_the_next_one_goes_on_from_there():
    notes = Kept()
    for _ in range(3):
        notes.add([lost(1)] * (MOST_TOLD - 1))
    _, last, first = heard(notes.tell(0, 0))
    assert (last, len(first)) == (1, MOST_TOLD - 1)
    assert heard(notes.tell(last, 0))[1] == 2


def test_a_batch_that_is_longer_than_an_answer_is_told_whole():
    notes = Kept()
    notes.add([lost(1)] * (MOST_TOLD + 1))
    assert len(heard(notes.tell(0, 0))[2]) == MOST_TOLD + 1


def test_what_nobody_takes_is_kept_up_to_a_size():
    notes = Kept()
    assert notes.add([lost(1)] * MOST)
    assert not notes.add([lost(1)])
    notes.tell(1, 1)
    assert notes.add([lost(1)])


def test_each_start_has_a_name_of_its_own():
    assert Kept().name != Kept().name


def test_marks_are_read_as_they_were_written_and_others_are_none():
    assert marks(marked([("a", 3), ("b", 12)])) == {"a": 3, "b": 12}
    assert marks("") == marks("a") == marks("a:x,:") == {}


@pytest.mark.parametrize(
    "told", [{}, {"recorder": "a", "batches": [[1]]}, {"recorder": "a", "batches": [[1, [["x"]]]]}]
)
def test_what_is_no_recorders_answer_is_said_to_be_none(told):
    with pytest.raises(ValueError, match=r"unpack|no recorder's answer"):
        kept.heard(told)
