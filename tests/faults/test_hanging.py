"""R7, with real adapters and sockets: servers that accept and never answer, or answer a byte at a time.

A Git host that is told statuses, a chat (comments at a host), a model registry that is told tags, an image
registry that is asked for tags: patient workers come to wait for it, or for one that does. Weights and a rollback go on in time,
which is counted in the installation's own.
"""

import time
from dataclasses import replace

import pytest

from policies.effects import ReportCommit, TagVersion, WriteComment, lane
from policies.spec.declaration import FromImage
from service.ports.connections import Source
from service.sources import opened
from service.store.queue import Work
from service.store.rows import ModelRow
from service.store.states import EFFECT, MODEL, model_of
from tests.faults.harness import SLOTS, running, scaled, seed_of_this_run, told
from tests.faults.outside import Far
from tests.faults.runs import PACE
from tests.misbehaving import Misbehaving, drip, hang

LONGEST = 300.0  # seconds of Segue's clock; a rollout takes some fifteen
PIECES = 4  # of work for who hangs: more than there are patient workers
PATIENT_WORKERS = SLOTS.count("patient")


class AtHost(Far):
    """The world's repository, whose statuses are told to a Git host."""

    def __init__(self, address, host):
        super().__init__(address, "git")
        self.report = host.report


def git_host(harness, url):
    """Statuses wait to be told."""
    host = opened(harness.settings, Source("host", "gitea", f"{url}/acme/x"))
    harness.parts.open_source = lambda _source: AtHost(harness.address, host)
    _add(
        harness,
        [ReportCommit("git", f"{n:040x}", "k", "success", "A title", "A text") for n in range(PIECES)],
    )


def chat(harness, url):
    """Comments wait to be written."""
    _connect(harness, Source("chat", "gitea", f"{url}/acme/x"))
    effects = [WriteComment("chat", f"issues/{n}", f"c{n}", "A comment.") for n in range(PIECES)]
    _add(harness, effects)


def model_registry(harness, url):
    """Tags wait to be written."""
    _connect(harness, Source("models", "mlflow", url))
    _add(harness, [TagVersion("models", f"m{n}", "1", (("segue", "ready"),)) for n in range(PIECES)])


def image_registry(harness, url):
    """Two registries are looked at for the newest image of a model."""
    place, store = url.removeprefix("http://"), harness.parts.store
    model = model_of(store.models()[0])
    for number in range(PATIENT_WORKERS):
        name = f"shop{number}"
        _connect(harness, Source(name, "registry", url))
        other = replace(model, name=name, source=FromImage(f"{place}/acme/{name}", "1-*"))
        with store.change() as change:
            change.save_model(ModelRow(name, "elsewhere", "", "", MODEL.dump(other)))


def _connect(harness, source):
    git = Far(harness.address, "git")
    harness.parts.open_source = lambda asked: git if asked.name == "git" else opened(harness.settings, asked)
    with harness.parts.store.change() as change:
        change.save_source(source)


def _add(harness, effects):
    with harness.parts.store.change() as change:
        for effect in effects:
            where = lane(effect, "nobody")
            change.add_work(Work(where, type(effect).__name__, where, "nobody", EFFECT.dump(effect)))


CASES = [
    (who, how, phase)
    for who in (git_host, chat, model_registry, image_registry)
    for how, phase in ((hang, "promoted"), (drip, "rolled back"), (drip, "promoted"), (hang, "rolled back"))
]
IN_SLICE = CASES[0::8] + CASES[5::8]  # each of them once; both ways to hang, and both ends


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("who", "how", "phase"), scaled(IN_SLICE, CASES))
def test_whoever_hangs_weights_go_on_and_a_bad_version_is_taken_back(tmp_path, who, how, phase):
    seed = seed_of_this_run()
    with Misbehaving() as server, running(tmp_path / "segue", seed, models=2) as harness:
        server.does(how)
        (harness.people.push if phase == "promoted" else harness.people.push_bad)("m0")
        harness.by_hand(harness.writing)
        written = len(harness.world.report().writes)
        who(harness, server.url)
        all_wait(harness, server)
        began = harness.clock()
        reached = goes_on(harness, phase)
        lasted, writes = harness.clock() - began, harness.world.report().writes
    told(
        f"{who.__name__} {'trickles' if how is drip else 'never answers'}",
        seed=seed,
        phase=phase if reached else "none",
        clock_seconds=round(lasted),
        hanging_calls=len(server.asked),
        traffic_writes=len(writes) - written,
    )
    assert reached
    assert len(writes) > written
    given = dict(writes[-1].weights)
    assert max(given.values()) == 100.0


def all_wait(harness, server):
    """Fork the bodies; those that are urgent when the patient workers hang."""
    harness.parts._opened.clear()
    harness.let_go()
    for slot in SLOTS:
        if slot in {"patient", "reconciler"}:
            harness.fork(slot)
    harness.clock.move(harness.settings.sweep_seconds)
    while not server.asked:
        harness.patient("a call of whoever hangs")
        time.sleep(0.02)
    for slot in SLOTS:
        if slot not in {"patient", "reconciler"}:
            harness.fork(slot)


def goes_on(harness, phase):
    """Whether a release gets there in time."""
    before, until = harness.count(phase), harness.clock() + LONGEST
    while harness.clock() < until:
        while not harness.clock.go_on(PACE):
            harness.patient(f"a release that is {phase}")
            harness.clock.beat("patient")  # they hang; time goes on for everybody else
            time.sleep(0.005)
        if harness.count(phase) > before:
            return True
    return False
