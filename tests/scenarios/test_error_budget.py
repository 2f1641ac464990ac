"""Error budgets in the whole service: releases wait while one is spent, or while nobody knows."""

import pytest

from policies.release import Phase
from service.adapters.memory.counters import MemoryCounters
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from tests.scenarios.conftest import WINE, World

QUERY = 'left{model="wine"}'
BUDGET = f"budget: {{query: '{QUERY}'}}\n"
FILES = {"segue.yaml": WINE + BUDGET, "requirements.lock": "", "serve.py": "1"}
BEGUN = {Phase.STARTING, Phase.CHECKING, Phase.SHIFTING, Phase.WATCHING}


class Budgeted(World):
    """The same, with a metric source whose gauge people set."""

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.gauges = MemoryCounters(self.clock)
        with self.store.change() as change:
            change.save_source(Source("prom", "prometheus", "memory"))
        self.parts.open_counters = lambda _: self.gauges

    def left(self, share, seconds=31):
        """So much is left from now on, and it was asked for since."""
        self.gauges.set("left", share, model="wine")
        self.clock.now += seconds
        self.settle()

    def waits(self, name):
        return self.release(name).waits


@pytest.fixture
def world(tmp_path, stores):
    made = Budgeted(tmp_path, **stores)
    yield made
    made.close()


def test_a_release_waits_while_the_budget_is_spent_and_goes_on_by_itself(world):
    world.push(FILES)
    world.left(-0.2)
    said = world.waits("rel-1")
    assert said.startswith(f"the error budget `{QUERY}`, spent since Tue 2023-11-14 22:1")
    world.left(-0.5)
    assert world.waits("rel-1") == said
    reply = world.say("promote", "rel-1")
    assert not reply.ok
    world.left(0.01)
    assert world.release("rel-1").phase in BEGUN


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Retry("prom does not answer"), "prom does not answer"),
        (Refused("prom answered 401"), "prom answered 401"),
        (None, "has no series"),
    ],
)
def test_what_is_not_known_holds_and_says_why(world, trouble, said):
    world.gauges.fails = trouble
    world.push(FILES)
    world.settle()
    world.clock.now += 31
    world.settle()
    assert world.release("rel-1").phase is Phase.QUEUED
    held = world.waits("rel-1")
    assert held.startswith("the error budget")
    assert said in held
    world.gauges.fails = None
    world.left(1)
    assert world.release("rel-1").phase in BEGUN


def test_an_answer_that_is_too_old_counts_no_more(world):
    world.gauges.set("left", 1, model="wine")
    world.live(FILES)
    world.gauges.fails = Retry("prom does not answer")
    world.clock.now += 400
    world.settle()
    world.push({"serve.py": "2"})
    world.settle()
    assert "of which nothing is known now: prom does not answer" in world.waits("rel-2")


def test_going_back_waits_for_no_budget_and_an_override_lets_one_release_go_on(world):
    world.gauges.set("left", 1, model="wine")
    first = world.live(FILES)
    world.push({"serve.py": "2"})
    world.left(0)
    assert world.release("rel-2").phase is Phase.QUEUED
    assert world.say("override", "rel-2", reason="INC-812").ok
    world.settle()
    assert world.release("rel-2").epoch == 2
    assert world.say("abort", "rel-2").ok
    world.settle()
    assert world.weights()[first.backend] == 100


def test_a_budget_that_a_push_brings_holds_what_is_on_its_way(world):
    world.gauges.set("left", 0, model="wine")
    world.live()
    second = world.rollout()
    weight = world.weights()[second.backend]
    world.push({"segue.yaml": WINE + BUDGET})
    world.settle()
    world.play(60)
    assert "the error budget" in world.waits(second.name)
    assert world.weights()[second.backend] == weight


def test_what_another_query_told_says_nothing_of_this_one(world):
    world.gauges.set("left", 1, model="wine")
    world.live(FILES)
    world.gauges.fails = Retry("prom does not answer")
    world.push({"segue.yaml": WINE + "budget: {query: other}\n", "serve.py": "2"})
    world.settle()
    assert world.waits("rel-2").startswith("the error budget `other`, of which nothing is known now")
