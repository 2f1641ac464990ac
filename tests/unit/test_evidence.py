"""Evidence that is told anew with words that were worked out before, as long as they hold."""

from dataclasses import replace

import pytest

from policies.evidence import Evidence, Finding, Verdict, completed

ERRORS = Finding("errors", Verdict.CLEARED, "rule", (("bad", 3.0), ("requests", 900.0)), None, 900, "")
ALIVE = Finding("alive", Verdict.CLEARED, "rule", (), None, 0, "a restart")
SEEN = Evidence(Verdict.CLEARED, (ERRORS, ALIVE), 5.0, 3, 25.0, 5.1, 7)
TOLD = replace(SEEN, findings=(replace(ERRORS, samples=800, needed="harm after 9 more"), ALIVE), sequence=6)


def with_errors(evidence, **changes):
    return replace(evidence, findings=(replace(evidence.findings[0], **changes), evidence.findings[1]))


def test_what_would_change_a_verdict_is_said_again_with_the_numbers_of_now():
    found = completed(SEEN, TOLD)
    assert found == with_errors(SEEN, needed="harm after 9 more")


def test_words_that_are_there_stand():
    assert completed(with_errors(SEEN, needed="new"), TOLD) == with_errors(SEEN, needed="new")


@pytest.mark.parametrize(
    "changed",
    [
        replace(SEEN, weight=25.0),
        replace(SEEN, epoch=4),
        replace(SEEN, findings=(ERRORS,)),
        with_errors(SEEN, numbers=(("bad", 4.0), ("requests", 901.0))),
        with_errors(SEEN, verdict=Verdict.SUSPECT),
        with_errors(SEEN, guard="errors for tenant=a"),
    ],
)
def test_where_they_would_be_old_nothing_is_said(changed):
    assert completed(changed, TOLD) is None
