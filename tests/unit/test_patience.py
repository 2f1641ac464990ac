"""A start that waits for others to act first is given their time, too; any other is not."""

from types import SimpleNamespace

import pytest

from policies.effects import StartWorkload
from policies.events import EffectFailed
from service.performing.dispatch import perform
from service.performing.outcomes import Again, Done
from service.performing.serving import START_SECONDS
from service.ports.outcomes import Working

WAITING = Working("waiting for Flux to apply commit 1f0c", patience=900.0)


class Workloads:
    """One version that is always as far as it is told to be."""

    def __init__(self, state):
        self.found, self.stopped = state, []

    def state(self, name):
        return self.found

    def logs(self, name):
        return ""

    def stop(self, name):
        self.stopped.append(name)


def look(state, seconds):
    """What comes of a look so many seconds after the start, and what was stopped."""
    workloads = Workloads(state)
    parts = SimpleNamespace(at=lambda place: SimpleNamespace(workloads=workloads))
    return perform(parts, StartWorkload("start-1", "v1", "wine-v1.ml"), seconds, 0.0), workloads.stopped


@pytest.mark.parametrize(
    ("state", "seconds"),
    [(Working("starting"), START_SECONDS), (WAITING, START_SECONDS + 1), (WAITING, START_SECONDS + 900)],
)
def test_in_its_time_it_goes_on(state, seconds):
    assert look(state, seconds) == (Again(0.1, state.progress), [])


@pytest.mark.parametrize(("state", "seconds"), [(Working("starting"), 181.0), (WAITING, 1081.0)])
def test_after_its_time_it_has_failed_and_is_stopped(state, seconds):
    outcome, stopped = look(state, seconds)
    assert isinstance(outcome, Done)
    assert isinstance(outcome.answer, EffectFailed)
    assert f"within {seconds - 1:g} s" in outcome.answer.reason
    assert ("apply commit 1f0c" in outcome.answer.reason) is (state is WAITING)
    assert stopped == ["wine-v1.ml"]
