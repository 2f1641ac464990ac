"""A burst of deliveries asks the source once, and a delivery that comes later asks again."""

import json

import pytest

from handlers.labels import MOST, Batch, Label, body_of
from service import plugins
from service.adapters.memory.git import MemoryGit
from service.arrivals import receiving
from service.bootstrap import Parts
from service.ports.connections import Source
from service.settings import Settings
from service.store.inbox import Delivery, Inbox
from service.store.labels import Cohort

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


def send(parts, name, *labels):
    batch = Batch("churn", "warehouse.labels", labels)
    parts.inbox.store(Delivery("labels", name, {}, body_of(batch), 1000.0))
    receiving.take(parts.store, parts.inbox)
    work = parts.store.claim("test", kinds=["delivery"])
    receiving.receive(parts, work)
    return parts.store.answer(f"work-{work.id}")["text"]


def test_labels_that_come_within_less_than_an_hour_are_counted_by_the_minute(parts):
    send(parts, "one", *(Label(f"r-{n}", 3599.5 + 30 * n, n == 1, "a") for n in range(5)))
    with parts.store.read() as read:
        cohorts = read.cohorts("churn", "warehouse.labels", 0.0, 3_720.0, span=60)
        assert cohorts == [Cohort(3540, "a", 1, 0), Cohort(3600, "a", 2, 1), Cohort(3660, "a", 2, 0)]
        assert read.cohorts("churn", "warehouse.labels", 3600.0, 3_719.0, span=60) == cohorts[1:2]


def test_labels_are_counted_apart_by_their_segments_where_that_is_asked(parts):
    tenants = ({}, {"tenant": "acme"}, {"tenant": "b=\n"})
    rows = [Label(f"r-{n}", 3600.0, n == 1, "a", segments=tuple(tenants[n % 3].items())) for n in range(7)]
    send(parts, "one", *rows)
    with parts.store.read() as read:
        apart = read.cohorts("churn", "warehouse.labels", 0.0, 7_200.0, span=3600, apart=True)
        assert sorted((one.segments, one.labels, one.wrong) for one in apart) == [
            ((), 3, 0),
            ((("tenant", "acme"),), 2, 1),
            ((("tenant", "b=\n"),), 2, 0),
        ]
        (together,) = read.cohorts("churn", "warehouse.labels", 0.0, 7_200.0, span=3600)
        assert (together.labels, together.wrong, together.segments) == (7, 1, ())


def test_labels_are_counted_once_by_the_hour_of_the_answer(parts):
    first = [Label(f"r-{n}", 3600.0 + n, n % 4 == 0, "a") for n in range(8)]
    later = [Label(f"s-{n}", 7200.0 + n, True, "b") for n in range(3)]
    assert send(parts, "one", *first) == "8 labels of churn"
    # One comes again and says otherwise: somebody may have bet on what it said first.
    again = Label("r-1", 9000.0, True, "b")
    assert send(parts, "two", again, *later) == "3 labels of churn, 1 known before"
    with parts.store.read() as read:
        cohorts = read.cohorts("churn", "warehouse.labels", 0.0, 10_800.0, span=3600)
        assert cohorts == [Cohort(3600, "a", 8, 2), Cohort(7200, "b", 3, 3)]
        assert (
            read.cohorts("churn", "warehouse.labels", 0.0, 10_799.0, span=3600) == cohorts[:1]
        )  # an hour that goes on
        assert read.cohorts("churn", "other.labels", 0.0, 10_800.0, span=3600) == []
        known = [(one.version, one.labels, one.wrong) for one in read.labels("churn")]
        assert known == [("b", 3, 3), ("a", 8, 2)]


def test_many_labels_of_one_batch_are_stored_and_forgotten_in_time(parts, clock):
    clock.now = 1000.0
    many = [Label(f"r-{n}", 10.0, False) for n in range(MOST)]
    assert send(parts, "many", *many) == f"{MOST} labels of churn"
    assert parts.store.forget_labels(1000.0) == 0
    assert parts.store.forget_labels(1000.1) == MOST
