"""Whose turn it is, as a table: releases that wait, by their numbers, phases and rules."""

from dataclasses import replace

import pytest

from policies import turns
from policies.release import Cause, Phase, Release
from policies.spec.declaration import Environment, Mode, WhenNewer

LATEST, SERIAL, CANCEL = WhenNewer.LATEST_WINS, WhenNewer.SERIALIZE, WhenNewer.CANCEL_RUNNING
PENDING, APPROVAL, QUEUED = Phase.PENDING, Phase.APPROVAL, Phase.QUEUED


def release(number, phase, rule=LATEST, **more):
    return Release(
        f"rel-{number}", number, "wine", "wine/production", Environment(when_newer=rule), f"v{number}",
        f"wine-v{number}", Cause("push", "ann"), phase=phase, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("waiting", "first"),
    [
        ((), None),
        (((2, PENDING, LATEST),), None),
        (((2, QUEUED, LATEST),), 2),
        (((2, QUEUED, LATEST), (3, QUEUED, LATEST)), 3),
        (((2, PENDING, LATEST), (3, QUEUED, LATEST), (4, PENDING, LATEST)), 3),
        (((2, QUEUED, SERIAL), (3, QUEUED, SERIAL)), 2),
        (((2, PENDING, SERIAL), (3, QUEUED, SERIAL)), None),
        (((2, APPROVAL, LATEST), (3, QUEUED, SERIAL)), None),
        (((2, QUEUED, SERIAL), (3, PENDING, SERIAL)), 2),
        (((2, QUEUED, SERIAL), (3, QUEUED, LATEST), (4, QUEUED, SERIAL)), 3),
        (((2, PENDING, SERIAL), (3, QUEUED, CANCEL)), 3),
    ],
)
def test_the_first_of_those_that_wait_takes_the_target(waiting, first):
    found = turns.first([release(*one) for one in waiting])
    assert (found and found.number) == first


def test_a_rollback_waits_for_nothing_that_waits():
    older = release(2, PENDING, SERIAL)
    switch = release(3, QUEUED, SERIAL, switch=True)
    assert turns.first([older, switch]) is switch


@pytest.mark.parametrize("phase", list(Phase))
def test_only_what_is_running_is_ended_by_what_is_newer_and_only_where_it_says_so(phase):
    holder = release(2, phase)
    running = {Phase.STARTING, Phase.CHECKING, Phase.SHADOWING, Phase.SHIFTING, Phase.WATCHING}
    assert turns.cancels(release(3, QUEUED, CANCEL), holder) is (phase in running)
    assert not turns.cancels(release(3, QUEUED, LATEST), holder)
    assert not turns.cancels(release(3, QUEUED, SERIAL), holder)
    assert not turns.cancels(release(1, QUEUED, CANCEL), holder)
    assert not turns.cancels(release(3, QUEUED, CANCEL), replace(holder, switch=True))


def test_what_is_newer_ends_who_waits_to_be_sent_requests_by_somebody_else():
    watched = Environment(mode=Mode.OBSERVE)
    unseen = replace(release(2, Phase.STARTING), environment=watched)
    assert turns.cancels(release(3, QUEUED, LATEST), unseen)
    assert not turns.cancels(release(1, QUEUED, LATEST), unseen)
    assert not turns.cancels(release(2, QUEUED, CANCEL), unseen)
    assert not turns.cancels(release(3, QUEUED, LATEST), replace(unseen, phase=Phase.SHIFTING))


def test_who_waits_goes_after_the_newest_that_is_ready_or_the_oldest_that_waits():
    two, three, four = (release(number, QUEUED) for number in (2, 3, 4))
    assert turns.ahead(two, [two, three, four]) is four
    assert turns.ahead(four, [two, three, four]) is None
    patient = release(4, QUEUED, SERIAL)
    assert turns.ahead(patient, [three, patient, two]) is two
