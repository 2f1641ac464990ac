"""The whole service in one process, on memory adapters and real stores, played step by step."""

import json
import os
import threading
from dataclasses import dataclass
from functools import cached_property

import pytest

from handlers import signing
from policies.release import Phase
from service import worker
from service.adapters.memory.builder import MemoryBuilder
from service.adapters.memory.git import MAIN, MemoryGit
from service.adapters.memory.jobs import MemoryJobs
from service.adapters.memory.metrics import MemoryMetrics
from service.adapters.memory.registry import MemoryRegistry
from service.adapters.memory.router import MemoryRouter
from service.adapters.memory.runs import MemoryRuns
from service.adapters.memory.tables import MemoryTables
from service.adapters.memory.workloads import MemoryWorkloads
from service.arrivals import watching
from service.bootstrap import Parts
from service.identity import tokens
from service.intake import Door, create_intake
from service.observer import Observer
from service.ports.connections import Source
from service.reconciler import Reconciler
from service.settings import Settings
from service.store.inbox import Inbox
from service.store.series import Series
from service.store.states import release_of, target_of
from service.store.store import Store
from service.web import create_web
from tests import databases, described

SECRET = b"a-secret-of-the-test"
WINE = """\
name: wine
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
risk: 1%
ladder: [10%, 30%, 60%, 100%]
dwell: 5s
warm_up: 0s
watch: 10s
"""
CHURN = """\
name: churn
model: models:/churn@challenger
serve: mlflow
strategy: bluegreen
warm_up: 0s
watch: 10s
approvals: {count: 1, from: [ann, bob]}
"""
LTV = """\
name: ltv
model: models:/ltv@challenger
serve: none
"""


class Clock:
    """Stands still until the scenario moves it."""

    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@dataclass(frozen=True)
class Reply:
    """What a person is told."""

    ok: bool
    text: str
    release: str | None


class World:
    """What a scenario can do to Segue, and see of it."""

    def __init__(self, home, **settings):
        self.clock = Clock()
        self.settings = Settings(home=home, **settings)
        self.store = Store.open(self.settings.store_url("engine"), self.clock, self.settings.limits)
        self.inbox = Inbox.open(self.settings.store_url("inbox"))
        self.series = Series.open(self.settings.store_url("series"), self.clock)
        self.hosts = {}
        self.router, self.workloads = MemoryRouter(), MemoryWorkloads()
        self.builder, self.jobs = MemoryBuilder(clock=self.clock), MemoryJobs()
        self.metrics = MemoryMetrics(self.clock)
        self.tables, self.runs = MemoryTables(), MemoryRuns()
        self.parts = Parts(
            self.settings,
            self.store,
            self.inbox,
            self.builder,
            self.jobs,
            self.workloads,
            self.router,
            self.metrics,
            lambda source: self.hosts[source.name],
            lambda url, address, backend, health: f"{health} answers 200",
            open_tables=lambda source: self.tables,
            open_runs=lambda source: self.runs,
        )
        self.reconciler = Reconciler(self.settings, self.store, self.inbox, None)
        self.observer = Observer(self.parts, self.series, "observer", self.clock)
        self.git = self.connect(Source("git", "bare", "memory"), MemoryGit())
        self.registry = self.connect(Source("mlflow", "mlflow", "memory"), MemoryRegistry())
        intake = create_intake(
            self.settings, self.inbox, self._door, lambda a: tokens.actor(self.store, a), self.clock
        )
        self.intake = described.client(intake)
        self.stop = threading.Event()  # ends streams
        self.people = {name: tokens.make(self.store, name) for name in ("ann", "bob", "eve")}
        self.deliveries = 0
        self.load, self.slow = (1500, {}), {}
        self.stuck = None  # shares (percent, by backend) that the data plane serves, whatever was written

    @cached_property
    def web(self):
        """The web's client; most scenarios need none, and its many routes take a while."""
        return described.client(create_web(self.parts, self.series, self.stop))

    def close(self):
        self.stop.set()
        self.store.close()
        self.inbox.close()
        self.series.close()

    def _door(self, name):
        source = next((s for s in self.store.sources() if s.name == name), None)
        return None if source is None else Door(source.kind, (SECRET,))

    # --- the world outside -----------------------------------------------------------------

    def connect(self, source, host):
        """A new connection, which starts nothing."""
        self.hosts[source.name] = host
        with self.store.change() as change:
            change.save_source(source)
            watching.observe(change, source, watching.values_of(source, host), quietly=True)
        return host

    def push(self, files, ref=MAIN, author="ann", source="git", told=True):
        """Commit, move the reference, and let the hook tell of it; the commit."""
        content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        commit = self.hosts[source].commit(content, ref=ref, author=author)
        if told:
            assert self.hook(source, {"ref": ref, "before": "0" * 40, "after": commit}).status_code == 202
        return commit

    def hook(self, source, change, secret=SECRET, number=None):
        """The signed delivery of a bare repository's hook; the intake's answer."""
        body = json.dumps({"pusher": "ann", "changes": [change]}).encode()
        self.deliveries += 1
        name, stamp = f"d{number or self.deliveries}", f"{self.clock.now:.0f}"
        headers = {
            "webhook-id": name,
            "webhook-timestamp": stamp,
            "webhook-signature": signing.sign(secret, f"{name}.{stamp}.".encode() + body),
        }
        return self.intake.post(f"/hooks/{source}", data=body, headers=headers)

    def move_alias(self, model, version, alias="challenger"):
        """Somebody moves an alias; a sweep finds it."""
        self.registry.set_alias(model, alias, version)
        self.clock.now += self.settings.sweep_seconds

    def say(self, verb, subject=None, who="bob", **more):
        """A command through the API; the reply that the person gets."""
        arguments = {k: more.pop(k) for k in ("version", "registry", "image") if k in more}
        told = {"verb": verb, "subject": subject, "arguments": arguments, **more}
        headers = {"Authorization": f"Bearer {self.people[who]}"}
        stored = self.intake.post("/api/v1/commands", json=told, headers=headers)
        assert stored.status_code == 202, stored.text
        self.settle()
        return Reply(**self.store.answer(stored.json["delivery"]))

    # --- time ------------------------------------------------------------------------------

    def drain(self):
        """All that is due now."""
        self.reconciler.round()
        worker.drain(self.parts, "worker")

    def settle(self, seconds=3.0):
        """A little time, in which work that was begun is looked at again."""
        for _ in range(int(seconds / 0.5)):
            self.drain()
            self.clock.now += 0.5
        self.drain()

    def serve(self, requests, errors=None, slow=None):
        """From now on so many requests a second arrive; `errors` is the failing share by backend, `slow` the
        share that takes a second."""
        self.load, self.slow = (requests, errors or {}), slow or {}

    def play(self, seconds, until=None):
        """Seconds of traffic, each scraped and judged, until the release has ended."""
        for _ in range(seconds):
            self._traffic()
            self.observer.look()
            self.drain()
            self.clock.now += 1.0
            if until is not None and self.release(until).final:
                return

    def _traffic(self):
        requests, failing = self.load
        for name in {row.name for row in self.store.targets()}:
            route = self.router.get(name)
            served = {one.name: one.weight for one in route.backends} if route else {}
            for backend, weight in served.items():
                share = weight if self.stuck is None else self.stuck.get(backend, 0.0)
                count = round(requests * share / 100)
                late = round(count * self.slow.get(backend, 0.0))
                self.metrics.record(backend, count - late, round(count * failing.get(backend, 0.0)))
                self.metrics.record(backend, late, seconds=1.0)

    # --- what can be seen --------------------------------------------------------------------

    def release(self, name):
        return release_of(self.store.release(int(name.removeprefix("rel-"))))

    def releases(self):
        """All of them, oldest first."""
        return [release_of(row) for row in reversed(self.store.releases())]

    def phases(self):
        return [release.phase for release in self.releases()]

    def target(self, name="wine/production"):
        return target_of(self.store.target(name), name)

    def weights(self, target="wine/production"):
        """Backend to weight, as the router serves them."""
        route = self.router.get(target)
        return {b.name: b.weight for b in route.backends} if route else {}

    def live(self, files=None):
        """A first version that serves; its release."""
        self.push({"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1", **(files or {})})
        self.settle()
        name = self.releases()[-1].name
        self.play(40, until=name)
        assert self.release(name).phase is Phase.PROMOTED
        return self.release(name)

    def rollout(self, files=None):
        """A second version on its way beside the first; its release."""
        self.push(files or {"serve.py": "2"})
        self.settle()
        self.play(4)
        release = self.releases()[-1]
        assert release.phase is Phase.SHIFTING
        return release


def pytest_generate_tests(metafunc):
    """SQLite, and PostgreSQL too where a test is marked so; all on SEGUE_TEST_SCENARIOS=postgres."""
    if "stores" not in metafunc.fixturenames:
        return
    postgres = pytest.param("postgres", marks=pytest.mark.postgres)
    everywhere = metafunc.definition.get_closest_marker("every_store") is not None
    kinds = ["sqlite", postgres] if everywhere else ["sqlite"]
    if os.environ.get("SEGUE_TEST_SCENARIOS") == "postgres":
        kinds = [postgres]
    metafunc.parametrize("stores", kinds, indirect=True, ids=None if everywhere else [""] * len(kinds))


@pytest.fixture(scope="module", autouse=True)
def _unsynced():
    with databases.unsynced():
        yield


@pytest.fixture
def stores(request):
    """The settings that say where the stores of a world are."""
    if request.param == "sqlite":
        return {}
    return {"database": request.getfixturevalue("postgres").new_database()}


@pytest.fixture
def world(tmp_path, stores):
    world = World(tmp_path, **stores)
    yield world
    world.close()
