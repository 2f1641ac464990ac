"""Severities are ordered, and nothing at all is never a pass."""

from policies.evidence import Verdict, worst


def test_worst_follows_the_order_of_severity():
    assert worst([Verdict.CLEARED, Verdict.SUSPECT, Verdict.UNDECIDED]) is Verdict.SUSPECT
    assert worst([Verdict.CLEARED, Verdict.HARM]) is Verdict.HARM


def test_no_verdict_at_all_is_undecided():
    assert worst([]) is Verdict.UNDECIDED
