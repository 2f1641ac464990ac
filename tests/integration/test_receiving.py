"""A burst of deliveries asks the source once, and a delivery that comes later asks again."""

import json

import pytest

from service import plugins, receiving
from service.adapters.memory.git import MemoryGit
from service.bootstrap import Parts
from service.inbox import Delivery, Inbox
from service.ports.connections import Source
from service.settings import Settings

SOURCE = Source("code", "bare", "/srv/code.git", ("*",))
BODY = json.dumps({"pusher": "ann", "changes": [{"ref": "refs/heads/main", "before": "0", "after": "1"}]})


class Counting(MemoryGit):
    """Counts how often it is asked."""

    asked = 0

    def refs(self):
        self.asked += 1
        return super().refs()


@pytest.fixture
def git():
    return Counting()


@pytest.fixture
def parts(store, tmp_path, git):
    settings = Settings(home=tmp_path)
    inbox = Inbox.open(settings.store_url("inbox"))
    names = ("image_builders", "job_runners", "workloads", "traffic_routers", "metric_sources")
    memory = [plugins.load(port, "memory").open(settings) for port in names]
    with store.change() as change:
        change.save_source(SOURCE)
    yield Parts(settings, store, inbox, *memory, lambda _source: git)
    inbox.close()


def deliver(parts, *names, received):
    for name in names:
        parts.inbox.store(Delivery(SOURCE.name, name, {}, BODY.encode(), received))
    receiving.take(parts.store, parts.inbox)
    count = 0
    while (work := parts.store.claim("test", kinds=["delivery"])) is not None:
        receiving.receive(parts, work)
        count += 1
    return count


def test_of_a_burst_one_look_sees_all_and_a_later_delivery_looks_again(parts, git, clock):
    clock.now = 1000.0
    assert deliver(parts, "one", "two", "three", received=999.0) == 3
    assert git.asked == 1
    assert deliver(parts, "four", received=1000.0) == 1
    assert git.asked == 2


def test_a_delivery_is_taken_once_however_often_the_rows_are_looked_back_at(parts, git):
    assert deliver(parts, "one", received=999.0) == 1
    assert deliver(parts, "two", received=999.5) == 1
    assert len([w for w in parts.store.work_of("1") if w.kind == "delivery"]) == 1


def test_a_delivery_counts_as_later_whatever_the_clock_of_its_host_says(parts, git, clock):
    clock.now = 1000.0
    assert deliver(parts, "one", received=999.0) == 1
    assert deliver(parts, "two", received=400.0) == 1
    assert git.asked == 2
