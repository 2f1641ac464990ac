"""Whatever is added, claimed, answered, forgotten by its worker or waited for, in whatever order: the
queue does what a few plain lists do."""

import itertools

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from service.store.adding import TURN_SECONDS
from service.store.database import writing
from service.store.queue import ATTEMPTS, LEASE_SECONDS, OUTLIVED, Lost, Work

LANES = ["release:1", "release:2", "traffic:wine", "evidence:rel-1"]
NEWEST = ("traffic:", "evidence:")


class Expected:
    """One row as the model has it."""

    def __init__(self, number, lane, rank):
        self.id, self.lane, self.rank = number, lane, rank
        self.state, self.attempts, self.retries, self.epoch = "pending", 0, 0, 0
        self.started = False
        self.due = 0.0  # from when on it can be claimed, or until when a claim of it holds

    @property
    def open(self):
        return self.state in {"pending", "started", "running"}


class Queue(RuleBasedStateMachine):
    """The model beside the real queue."""

    store = clock = None  # set by the test

    def __init__(self):
        super().__init__()
        with writing(self.store.engine) as connection:
            connection.execute(text("DELETE FROM work"))
        self.keys = itertools.count()
        self.rows = []
        self.claims = []

    def lane(self, name):
        return [row for row in self.rows if row.lane == name and row.open]

    def head(self, wanted):
        """The due row that comes first, of the lane `wanted` or of any."""
        heads = [rows[0] for lane in LANES if wanted in {None, lane} and (rows := self.lane(lane))]
        due = [row for row in heads if row.due <= self.clock.now]
        return min(due, key=lambda row: (row.rank, row.id), default=None)

    def next_of(self, wanted):
        """The row that a claim gets; what it passes on its way there and nobody needs any more is ended."""
        while row := self.head(wanted):
            newer = row.lane.startswith(NEWEST) and self.lane(row.lane)[-1] is not row
            if row.state == "running" and newer:
                row.state = "replaced"
            elif row.attempts >= 2 * ATTEMPTS:
                row.state = "dead"
            else:
                return row
        return None

    def by_id(self, number):
        return next(row for row in self.rows if row.id == number)

    @rule(lane=st.sampled_from(LANES))
    def add(self, lane):
        with self.store.change() as change:
            change.add_work(Work(lane, "job", f"k{next(self.keys)}", "s"))
        backlog = [row.rank + TURN_SECONDS for row in self.lane(lane) if row.state == "pending"]
        rank = max([self.clock.now, *backlog])
        if lane.startswith(NEWEST):
            replaced = [row for row in self.lane(lane) if row.state != "running"]
            rank = min([self.clock.now, *(row.rank for row in replaced)])
            for row in replaced:
                row.state = "replaced"
        self.rows.append(Expected(change.added[0], lane, rank))

    @rule(lane=st.sampled_from(LANES))
    def add_a_known_key(self, lane):
        if self.rows:
            with self.store.change() as change:
                change.add_work(Work(lane, "job", "k0", "s"))
            assert change.added == ()

    @rule(lane=st.sampled_from([None, *LANES]))
    def claim(self, lane):
        row, work = self.next_of(lane), self.store.claim("w", lanes=None if lane is None else [lane])
        assert (work and work.id) == (row and row.id)
        if work is None:
            return
        row.state, row.attempts, row.epoch = "running", row.attempts + 1, row.epoch + 1
        row.due = self.clock.now + LEASE_SECONDS
        assert (work.attempts, work.retries, work.epoch) == (row.attempts, row.retries, row.epoch)
        assert (work.started is not None) == row.started
        self.claims.append(work)

    @rule(seconds=st.sampled_from([1.0, 10.0, LEASE_SECONDS]))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule(
        data=st.data(),
        how=st.sampled_from(["finish", "again", "retry", "put back", "fail", "renew"]),
        delay=st.sampled_from([0.0, 5.0]),
    )
    def answer(self, data, how, delay):
        """Any claim ever made is answered, the lost ones, too."""
        if not self.claims:
            return
        work = data.draw(st.sampled_from(self.claims))
        row, then = self.by_id(work.id), self.clock.now + delay
        held = row.state == "running" and row.epoch == work.epoch
        try:
            with self.store.change() as change:
                match how:
                    case "finish":
                        change.finish(work)
                    case "again":
                        change.again(work, then)
                    case "retry":
                        change.retry(work, then, "busy")
                    case "put back":
                        change.retry(work, then, "unknown kind", counted=False)
                    case "fail":
                        change.fail(work, "refused")
            if how == "renew":
                self.store.renew(work)
        except Lost:
            assert not held
            return
        assert held
        self.apply(row, how, then)

    def apply(self, row, how, then):
        outdated = row.lane.startswith(NEWEST) and self.lane(row.lane)[-1] is not row
        match how:
            case "finish":
                row.state = "done"
            case "fail":
                row.state = "dead"
            case "renew":
                row.due = self.clock.now + LEASE_SECONDS
            case _ if outdated:
                row.state = "replaced"
            case _:
                row.started = row.started or how == "again"
                row.state, row.due, row.attempts = "started" if row.started else "pending", then, 0
                row.rank = then if how == "again" else max(row.rank, then)
                if how != "put back":
                    row.retries = 0 if how == "again" else row.retries + 1

    @rule(data=st.data())
    def wake(self, data):
        """Whoever lost its lease finds that out."""
        lost = [work for work in self.claims if self.by_id(work.id).epoch > work.epoch]
        if not lost:
            return
        work = data.draw(st.sampled_from(lost))
        row = self.by_id(work.id)
        self.store.outlive(work)
        if row.open and row.attempts > row.epoch - work.epoch and row.retries < OUTLIVED:
            row.attempts, row.retries = row.attempts - 1, row.retries + 1

    @rule(data=st.data())
    def revive(self, data):
        dead = [row for row in self.rows if row.state == "dead"]
        if not dead:
            return
        row = data.draw(st.sampled_from(dead))
        newer = any(other.lane == row.lane and other.id > row.id for other in self.rows)
        refused = row.lane.startswith(NEWEST) and newer
        with self.store.change() as change:
            assert change.revive(row.id) is not refused
        if not refused:
            row.state, row.due, row.attempts, row.retries = "pending", self.clock.now, 0, 0
            row.rank = self.clock.now

    @invariant()
    def the_states_agree(self):
        assert [(work.id, work.state) for work in self.store.work_of("s")] == [
            (row.id, row.state) for row in self.rows
        ]


def test_a_claim_ends_outdated_work_of_another_lane_on_its_way(store, clock):
    Queue.store, Queue.clock = store, clock
    queue = Queue()
    queue.add("traffic:wine")
    queue.add("release:1")
    queue.claim(None)
    queue.wait(LEASE_SECONDS)
    queue.add("traffic:wine")
    queue.claim(None)
    assert [work.state for work in store.work_of("s")] == ["replaced", "running", "pending"]
    queue.the_states_agree()


@pytest.mark.timeout(300)
def test_the_queue_does_what_its_model_does(store, clock):
    Queue.store, Queue.clock = store, clock
    examples = 40 if store.engine.dialect.name == "sqlite" else 15
    run_state_machine_as_test(
        Queue,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
