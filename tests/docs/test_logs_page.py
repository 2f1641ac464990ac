"""The page of logs: each event that the source logs, with its level and its fields, and no other."""

import re
from collections import defaultdict

import pytest

from tests.docs.logged import LEVELS, LOGGER, lines, sources
from tests.docs.pages import cells

LOGS = "docs/reference/logs.md"
MODULES = dict(sources())
LINES = [line for where, text in MODULES.items() for line in lines(where, text)]


def by_name(found):
    """Fields by event and level; two calls may have one name."""
    fields = defaultdict(set)
    for event, level, theirs in found:
        fields[event, level] |= set(theirs)
    return dict(fields)


def test_each_event_is_described_with_its_level_and_its_fields_and_no_other():
    rows = [row for row in cells(LOGS) if len(row) == 4 and row[1] in LEVELS.values()]
    told = [(row[0].strip("`"), row[1], re.findall(r"`(\w+)`", row[2])) for row in rows]
    assert by_name(told) == by_name((line.event, line.level, line.fields) for line in LINES)
    assert len({one[:2] for one in told}) == len(told), "each once"


def test_no_events_name_is_put_together_and_no_field_comes_without_its_name():
    assert [one.where for one in LINES if not isinstance(one.event, str) or one.level is None] == []
    assert [one.where for one in LINES if "**" in one.fields] == []


@pytest.mark.parametrize("call", ["log.info(f'took {n}')", "log.info('took %s', n)", "log.warn('took')"])
def test_one_that_was_put_together_would_be_seen(call):
    (found,) = lines("here", f"log = {LOGGER}\n{call}")
    assert found.event is None or found.level is None


def test_nothing_logs_by_another_name():
    for where, text in MODULES.items():
        if where != "service/machine/logs.py":
            assert "getLogger(" not in text, where
            assert text.count("get_logger(") == text.count(f"\nlog = {LOGGER}\n"), where
