"""Evidence about many rollouts is weighed in one transaction, each by itself: one that fails fails alone."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from policies.events import EvidenceChanged
from policies.evidence import Evidence, Finding, Verdict
from policies.release import Cause, Phase, Release, Target
from policies.spec.declaration import Environment
from policies.strategy import plan
from service.adapters.memory.builder import MemoryBuilder
from service.adapters.memory.jobs import MemoryJobs
from service.adapters.memory.metrics import MemoryMetrics
from service.adapters.memory.router import MemoryRouter
from service.adapters.memory.workloads import MemoryWorkloads
from service.bootstrap import Parts
from service.engine.weighing import TOGETHER
from service.settings import Settings
from service.store import tables
from service.store.change import Change
from service.store.database import writing
from service.store.inbox import Inbox
from service.store.queue import Lost, Work
from service.store.rows import TargetRow
from service.store.states import EVIDENCE, TARGET, release_of, release_row
from service.work import URGENT, work_once

STEPS = plan(Environment("production"), first=False)


@pytest.fixture
def parts(store, tmp_path):
    settings, inbox = Settings(tmp_path), Inbox.open(f"sqlite:///{tmp_path / 'inbox.db'}")
    world = (MemoryBuilder(), MemoryJobs(), MemoryWorkloads(), MemoryRouter(), MemoryMetrics())
    yield Parts(settings, store, inbox, *world, open_source=lambda source: source)
    inbox.close()


def test_what_is_due_together_is_weighed_in_one_turn(parts):
    names = rollouts(parts.store, 5)
    tell(parts.store, names)
    assert turn(parts)
    assert [seen(parts.store, name) for name in names] == [2] * 5
    assert not turn(parts)
    assert {work.state for name in names for work in parts.store.work_of(name)} == {"done"}


def test_harm_among_what_is_only_known_takes_that_rollout_back_and_no_other(parts):
    names = rollouts(parts.store, 4)
    tell(parts.store, names[:2])
    tell(parts.store, names[2:3], verdict=Verdict.HARM)
    tell(parts.store, names[3:])
    assert turn(parts)
    assert [release(parts.store, name).phase for name in names] == [
        Phase.SHIFTING, Phase.SHIFTING, Phase.RESTORING, Phase.SHIFTING
    ]  # fmt: skip
    assert [seen(parts.store, name) for name in names] == [2] * 4
    assert [work.subject for work in parts.store.unfinished("SetTraffic")] == [names[2]]


def test_evidence_that_only_newer_code_can_read_holds_up_no_other(parts, clock):
    names = rollouts(parts.store, 3)
    tell(parts.store, names)
    with writing(parts.store.engine) as connection:
        newer = tables.work.c.subject == names[1]
        connection.execute(update(tables.work).where(newer).values(body={"schema": 99}))
    assert turn(parts)
    assert [seen(parts.store, name) for name in names] == [2, 1, 2]
    (waiting,) = parts.store.unfinished("evidence")
    assert (waiting.subject, waiting.state, waiting.not_before > clock.now) == (names[1], "pending", True)


def test_where_another_change_came_first_to_one_of_them_each_is_weighed_alone(parts, monkeypatch):
    names = rollouts(parts.store, 3)
    tell(parts.store, names)
    real, together = Change.save_releases, []

    def save(change, rows):
        together.append(len(rows))
        if len(rows) > 1:
            newer = update(tables.release).where(tables.release.c.name == names[0])
            change.connection.execute(newer.values(rev=tables.release.c.rev + 1))
        real(change, rows)

    monkeypatch.setattr(Change, "save_releases", save)
    assert turn(parts)
    assert together == [3, 1, 1, 1]
    assert [seen(parts.store, name) for name in names] == [2] * 3


def test_only_what_is_next_is_taken_together(parts, clock):
    names = rollouts(parts.store, 4)
    tell(parts.store, names[:2])
    clock.now += 1
    with parts.store.change() as change:
        change.add_work(Work("command", "command", "c-1", "c-1"))
    clock.now += 1
    tell(parts.store, names[2:])
    first = parts.store.claim_together("w", ["evidence"], 50, kinds=URGENT)
    assert [work.subject for work in first] == names[:2]
    assert [work.kind for work in parts.store.claim_together("w", ["evidence"], 50, kinds=URGENT)] == [
        "command"
    ]
    assert len(parts.store.claim_together("w", ["evidence"], 1, kinds=URGENT)) == 1


def test_what_ended_its_worker_is_tried_alone(parts, clock):
    names = rollouts(parts.store, 3)
    tell(parts.store, names)
    assert len(parts.store.claim_together("dead", ["evidence"], 2, kinds=URGENT)) == 2
    clock.now += 31
    taken = [parts.store.claim_together("w", ["evidence"], 50, kinds=URGENT) for _ in names]
    assert [[work.subject for work in works] for works in taken] == [[name] for name in names]
    assert [works[0].attempts for works in taken] == [2, 2, 1]


def test_of_what_was_taken_together_nothing_is_stored_where_one_was_lost(parts, clock):
    names = rollouts(parts.store, 2)
    tell(parts.store, names)
    mine = parts.store.claim_together("slow", ["evidence"], 50, kinds=URGENT)
    clock.now += 31
    theirs = parts.store.claim("quick", kinds=URGENT)
    with pytest.raises(Lost), parts.store.change() as change:
        change.finish_all(mine)
    with parts.store.change() as change:
        change.finish_all([theirs])
    assert [work.state for name in names for work in parts.store.work_of(name)] == ["done", "running"]


def test_more_than_one_turn_holds_is_left_for_the_next(parts):
    names = rollouts(parts.store, TOGETHER + 1)
    tell(parts.store, names)
    assert [turn(parts), turn(parts), turn(parts)] == [True, True, False]
    assert {seen(parts.store, name) for name in names} == {2}


# --- rollouts at 5 %, and what is told of them ------------------------------------------------


def rollouts(store, count):
    """Their names, oldest first; each holds a target of its own and has evidence 1."""
    with store.change() as change:
        for number in range(1, count + 1):
            target = f"model-{number}/production"
            held = Target(target, epoch=3, holder=f"rel-{number}", newest=1)
            change.save_target(TargetRow(target, TARGET.dump(held)))
            change.save_release(release_row(_rollout(number, target), 0, change.now))
    return [f"rel-{number}" for number in range(1, count + 1)]


def _rollout(number, target):
    cause = Cause("push to main", "ann", "git", f"{number:040x}")
    one = Release(
        f"rel-{number}", 1, f"model-{number}", target, Environment("production"), f"{number:064x}", "b", cause
    )
    return replace(
        one, phase=Phase.SHIFTING, steps=STEPS, epoch=3, step="s-1", wanted=5.0, observed=5.0, since=1e9,
        evidence=_evidence(1), evidence_at=1000.0,
    )  # fmt: skip


def _evidence(sequence, verdict=Verdict.CLEARED):
    finding = Finding("errors", verdict, "no more errors than stable", (), None, 100, "")
    return Evidence(verdict, (finding,), 5.0, 3, 5.0, 5.0, sequence)


def tell(store, names, verdict=Verdict.CLEARED):
    with store.change() as change:
        for name in names:
            body = EVIDENCE.dump(EvidenceChanged(_evidence(2, verdict), change.now))
            change.add_work(Work(f"evidence:{name}", "evidence", f"evidence:{name}:2", name, body))


def turn(parts):
    return work_once(parts, "w", kinds=["evidence"])


def release(store, name):
    return release_of(store.release(int(name.removeprefix("rel-"))))


def seen(store, name):
    return release(store, name).evidence.sequence
