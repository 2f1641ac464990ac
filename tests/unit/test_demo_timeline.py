"""Who may have answered when, told from the record; and which answers that leaves unexplained."""

from service.demo.timeline import moments, strangers, unexplained
from service.demo.traffic import Answer


def found(backend, *entries):
    """A release as the API shows it; entries are (at, phase, wanted, observed)."""
    record = [
        {"id": number, "at": at, "action": phase, "detail": {"wanted": wanted, "observed": observed}}
        for number, (at, phase, wanted, observed) in enumerate(entries)
    ]
    return {"release": {"backend": backend}, "record": record}


def answer(version, sent, done=None, status=200):
    return Answer("m", sent, sent + 0.01 if done is None else done, status, version)


FIRST = found("a", (10, "shifting", 100, 0), (11, "watching", 100, 100), (20, "promoted", 100, 100))
GOOD = found("b", (30, "shifting", 5, 0), (31, "shifting", 5, 5), (40, "shifting", 100, 5),
             (41, "watching", 100, 100), (50, "promoted", 100, 100))  # fmt: skip
BAD = found("c", (60, "shifting", 5, 0), (61, "shifting", 5, 5), (70, "restoring", 0, 5),
            (71, "rolled back", 0, 0))  # fmt: skip


def lonely(*answers):
    return strangers(answers, moments([GOOD, BAD, FIRST]))


def test_a_version_may_answer_from_the_wish_until_the_router_confirmed_its_end():
    assert not lonely(answer("a", 15), answer("a", 35), answer("b", 35), answer("a", 40.5))
    assert not lonely(answer("b", 65), answer("c", 60.5), answer("c", 65), answer("c", 70.5))


def test_a_version_without_traffic_is_a_stranger():
    assert lonely(answer("b", 25)) == [answer("b", 25)]
    assert lonely(answer("c", 59)) == [answer("c", 59)]
    assert lonely(answer("c", 71.5)) == [answer("c", 71.5)]
    assert lonely(answer("a", 45)) == [answer("a", 45)]
    assert lonely(answer("a", 65)) == [answer("a", 65)]


def test_an_answer_may_come_after_the_end_of_what_was_asked_before_it():
    assert not lonely(answer("c", 70.9, done=73), answer("a", 40.9, done=44))


def test_a_good_answer_without_a_name_is_a_stranger_and_a_lost_request_is_not():
    assert lonely(answer("", 15)) == [answer("", 15)]
    assert not lonely(answer("", 15, status=0))


def test_only_a_known_fault_explains_a_failure():
    faults = [answer("c", 65, status=500), answer("b", 65, status=500), answer("", 65, status=502)]
    assert unexplained(faults, frozenset({"c"})) == faults[1:]
