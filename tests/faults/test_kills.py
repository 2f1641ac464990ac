"""R1, with the real processes, Celery and its broker: `kill -9` of each of them, again and again, while
releases go on: nothing lost, nothing twice, nothing stuck."""

import contextlib
import random
import threading
import time

import pytest

from service.client import Unreachable
from service.demo.traffic import Traffic, request_of
from service.store.inbox import Inbox
from service.store.store import Store
from tests.faults.harness import scaled, seed_of_this_run, told
from tests.installation import TARGET, Installation

# Releases, and how often everything is killed while each goes on.
ROUNDS, TIMES = scaled((2, 1), (10, 2))
OURS = ("intake", "web", "worker-urgent", "worker-patient", "reconciler", "observer", "up")
PARTS = ("valkey", "traefik", "model")
PAUSE = 0.7  # seconds between kills
RECOVERY = 4.0  # seconds after a kill of the router or a model in which requests may fail


@pytest.fixture
def people(installed):
    made = Commands(installed)
    yield made
    made.stop.set()
    if made.ident is not None:
        made.join()


@pytest.fixture
def installed(tmp_path):
    made = Installation(tmp_path / "segue").start()
    try:
        made.connect()
        yield made
    finally:
        made.end()


class Commands(threading.Thread):
    """Somebody who keeps asking for something harmless, and remembers what was acknowledged."""

    def __init__(self, installed):
        super().__init__(daemon=True)
        self.installed, self.acknowledged, self.stop = installed, [], threading.Event()

    def run(self):
        while not self.stop.wait(0.3):
            with contextlib.suppress(Unreachable):  # it was killed: not acknowledged
                stored = self.installed.client.store("abort", "rel-9999")
                self.acknowledged.append(stored["delivery"])


@pytest.mark.faults
@pytest.mark.timeout(scaled(600, 3600))
def test_whatever_is_killed_nothing_is_lost_nothing_is_done_twice_and_nothing_is_stuck(installed, people):
    seed = seed_of_this_run()
    dice, began = random.Random(seed), time.monotonic()
    commits = [installed.push(0)]
    assert installed.release_of(commits[0])["phase"] == "promoted"
    users = Traffic(request_of(TARGET, installed.router(), "predict", {}), rate=60)
    users.start()
    while len(users.answers) < 900:  # a history of stable, so that what the kills cost it is little beside it
        time.sleep(0.1)
    people.start()
    killed = []
    for number in range(1, ROUNDS + 1):
        waiting = [name for _ in range(TIMES) for name in _shuffled(dice)]
        commits.append(installed.push(number))
        while waiting:
            # Two at a time; the parent last, because its children end with it.
            for name in sorted((waiting.pop(), waiting.pop()), key=lambda one: one == "up"):
                _kill(installed, name, killed)
            time.sleep(PAUSE * dice.uniform(0.5, 1.5))
        assert installed.release_of(commits[-1], 90)["phase"] == "promoted", number
    people.stop.set()
    people.join()
    users.end()
    told(
        "kills of processes",
        seed=seed,
        seconds=round(time.monotonic() - began),
        kills=len(killed),
        releases=len(commits),
        commands=len(people.acknowledged),
        requests=len(users.answers),
        failed_requests=sum(answer.failed for answer in users.answers),
    )
    assert sorted(name for name, _ in killed) == sorted([*OURS, *PARTS] * TIMES * ROUNDS)
    _nothing_lost(installed, commits, people.acknowledged)
    _nothing_twice(installed, commits)
    _nothing_stuck(installed)
    _served_on(users.answers, killed)


def _shuffled(dice):
    names = [*OURS, *PARTS]
    dice.shuffle(names)
    return names


def _kill(installed, kind, killed):
    name = installed.client_target()["stable"]["backend"] if kind == "model" else kind
    until = time.monotonic() + 20
    while not installed.kill(name):
        assert time.monotonic() < until, f"{name} did not come back after it was killed"
        time.sleep(0.05)
    killed.append((kind, time.time()))
    if kind == "up":
        installed.restart()


def _nothing_lost(installed, commits, acknowledged):
    for commit in commits:
        assert len(installed.releases(commit)) == 1, commit
    assert len(acknowledged) > 20
    until = time.monotonic() + 30
    for delivery in acknowledged:
        while installed.client.answer(delivery) is None:
            assert time.monotonic() < until, f"delivery {delivery} was acknowledged, and is not answered"
            time.sleep(0.05)
    inbox = Inbox.open(installed.settings.store_url("inbox"))
    assert {str(row.id) for row in inbox.after(0, limit=100_000)} >= set(acknowledged)
    inbox.close()


def _nothing_twice(installed, commits):
    store = Store.open(installed.settings.store_url("engine"))
    assert store.verify() is None, "the record is not as it was written"
    began = [entry.subject for entry in store.record_of(limit=100_000) if entry.action == "began"]
    assert len(began) == len(set(began)) == len(commits)
    for version in store.versions("echo"):
        actions = [entry.action for entry in store.record_of(version.key)]
        assert actions == ["building", "checking", "evaluating", "ready"], actions
    for commit in commits:
        note = installed.repository.note(commit)
        assert note.count("is promoted") == 1, note
    store.close()


def _nothing_stuck(installed):
    store = Store.open(installed.settings.store_url("engine"))
    until = time.monotonic() + 30
    while store.due():
        assert time.monotonic() < until, store.due()
        time.sleep(0.05)
    assert store.dead() == []
    store.close()
    target = installed.client_target()
    assert target["holder"] is None
    warm = {target["stable"]["backend"], target["previous"]["backend"]}
    while installed.workloads() != warm:
        assert time.monotonic() < until, (installed.workloads(), warm)
        time.sleep(0.05)


def _served_on(answers, killed):
    """Killing Segue costs users nothing; killing the router or a model costs what they were doing."""
    costly = [at for kind, at in killed if kind in {"traefik", "model"}]
    blameless = [
        a for a in answers if a.failed and not any(at - 0.5 <= a.done <= at + RECOVERY for at in costly)
    ]
    assert blameless == []
