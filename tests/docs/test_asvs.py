"""The page about the OWASP ASVS: every row of levels 1 and 2 is there once, with what holds it."""

import re

import pytest

from tests.docs.pages import ROOT, cells

PAGE = "docs/why/asvs.md"
# Rows of levels 1 and 2, by section: those numbers, without what is of level 3.
SECTIONS = {
    "1.1": range(1, 3), "1.2": range(1, 10), "1.3": range(1, 12), "1.4": range(1, 4), "1.5": range(1, 3),
    "2.1": range(1, 4), "2.2": range(1, 4), "2.3": range(1, 5), "2.4": range(1, 2),
    "3.2": range(1, 3), "3.3": range(1, 5), "3.4": range(1, 7), "3.5": range(1, 6), "3.7": range(1, 3),
    "4.1": range(1, 4), "4.2": range(1, 2), "4.3": range(1, 3), "4.4": range(1, 5),
    "5.1": range(1, 2), "5.2": range(1, 4), "5.3": range(1, 3), "5.4": range(1, 4),
    "6.1": range(1, 4), "6.2": range(1, 12), "6.3": range(1, 4), "6.4": range(1, 5), "6.5": range(1, 6),
    "6.6": range(1, 4), "6.8": range(1, 4),
    "7.1": range(1, 4), "7.2": range(1, 5), "7.3": range(1, 3), "7.4": range(1, 6), "7.5": range(1, 3),
    "7.6": range(1, 3),
    "8.1": range(1, 3), "8.2": range(1, 4), "8.3": range(1, 2), "8.4": range(1, 2),
    "9.1": range(1, 4), "9.2": range(1, 5),
    "10.1": range(1, 3), "10.2": range(1, 3), "10.3": range(1, 5), "10.4": range(1, 12), "10.5": range(1, 6),
    "10.6": range(1, 3), "10.7": range(1, 4),
    "11.1": range(1, 3), "11.2": range(1, 4), "11.3": range(1, 4), "11.4": range(1, 4), "11.5": range(1, 2),
    "11.6": range(1, 2),
    "12.1": range(1, 4), "12.2": range(1, 3), "12.3": range(1, 5),
    "13.1": range(1, 2), "13.2": range(1, 6), "13.3": range(1, 3), "13.4": range(1, 6),
    "14.1": range(1, 3), "14.2": range(1, 5), "14.3": range(1, 4),
    "15.1": range(1, 4), "15.2": range(1, 4), "15.3": range(1, 8),
    "16.1": range(1, 2), "16.2": range(1, 6), "16.3": range(1, 5), "16.4": range(1, 4), "16.5": range(1, 4),
    "17.1": range(1, 2), "17.2": range(1, 5), "17.3": range(1, 3),
}  # fmt: skip
ROWS = [row for row in cells(PAGE) if row[0][:1].isdigit()]


def numbers(text):
    """The rows that a cell names: `7.2.1, 7.2.4` or `6.2.1-6.2.11`."""
    for one in text.split(", "):
        first, _, last = one.partition("-")
        section, start = first.rsplit(".", 1)
        end = last.rsplit(".", 1)[1] if last else start
        yield from (f"{section}.{number}" for number in range(int(start), int(end) + 1))


def test_each_row_of_the_standard_is_there_once():
    wanted = [f"{section}.{number}" for section, those in SECTIONS.items() for number in those]
    assert sorted(number for row in ROWS for number in numbers(row[0])) == sorted(wanted)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_is_held_by_tests_that_exist_or_by_a_reason(row):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[2])
    assert named or row[2].startswith(("Reason: ", "Not met"))
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), test
