"""Ten thousand live releases in one store: pages of them, and whether decisions come in time.

Run from the repository's root: `python bench/live.py [--json]`; some minutes. `bench.crowd` fills the store,
on SQLite and, where a server is installed, on PostgreSQL. Pages come from the web application itself, over
HTTP. What observer, reconciler and one worker do with the store runs as it is; what clusters and routers take
is no part of it.
"""

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import update
from urllib3.util import Retry

from bench import crowd
from bench.installed import free_ports
from bench.report import Row, report
from policies.release import Phase, Release
from service.adapters.memory.builder import MemoryBuilder
from service.adapters.memory.jobs import MemoryJobs
from service.adapters.memory.metrics import MemoryMetrics
from service.adapters.memory.router import MemoryRouter
from service.adapters.memory.workloads import MemoryWorkloads
from service.bootstrap import Parts
from service.identity import tokens
from service.machine import serving
from service.observing.telling import TELL_SECONDS
from service.observing.watched import Scenes
from service.reconciler import DRIFT_SECONDS, ROUND_SECONDS, Reconciler
from service.settings import Settings
from service.store import advisory, tables
from service.store.bell import DEAF_SECONDS
from service.store.inbox import Inbox
from service.store.series import Series
from service.store.states import number_of, release_of
from service.store.store import Store
from service.web import create_web
from service.work import URGENT
from service.worker import drain
from tests.conftest import Postgres, _unprivileged, postgres_programs

PAGE_SECONDS, RESTART_SECONDS = 0.1, 5.0
ROUNDS, REQUESTS, SETTLE = 3, 20, 0.5
PAGES = {
    "first page": "",
    "page from the middle": "?before=rel-10001",
    "page of a model": "?model=model-777",
    "page of a target": "?target=model-777/europe",
    "page of open ones": "?open=1",
    "page of a model's open ones": "?open=1&model=model-777",
}
# What people look at, with the words that must stand there.
SHOWN = {
    "overview": ("/-/", "model-1000/europe"),
    "overview from the middle": ("/-/?after=model-5/europe", "model-500/europe"),
    "releases": ("/-/releases", "rel-20000"),
    "releases on their way": ("/-/releases?open=1&before=rel-10001", "rel-10000"),
    "target": ("/-/targets/model-777/europe", "model-777"),
    "release": ("/-/releases/rel-10000", "rel-10000"),
    "record": ("/-/record", "Record"),
}


def main() -> int:
    """Both kinds of store, one after the other."""
    rows: list[Row] = []
    notes: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left behind then, either
    with tempfile.TemporaryDirectory(prefix="segue-bench-") as folder:
        usual, busy = Settings(Path(folder, "usual")), Settings(Path(folder, "busy"))
        measure("SQLite", usual, rows, notes)
        measure_judgements("SQLite", busy, rows)
        with postgresql() as new_database:
            if new_database is None:
                notes.append("PostgreSQL is not installed: measured on SQLite only")
            else:
                measure("PostgreSQL", replace(usual, database=new_database()), rows, notes)
                measure_judgements("PostgreSQL", replace(busy, database=new_database()), rows)
    return report("ten thousand live releases", rows, notes)


def measure(name: str, settings: Settings, rows: list[Row], notes: list[str]) -> None:
    """All rows of one kind of store."""
    began = time.monotonic()
    with opened(settings) as (parts, series):
        judged = crowd.fill(parts.store)
        notes.append(
            f"{name}: filled in {time.monotonic() - began:.1f} s; {len(judged):,} rollouts are judged"
        )
        found = [*pages(parts, series), *looks(parts.store, judged), *worked(parts, judged), *rounds(parts)]
    rows += [replace(row, what=f"{name}: {row.what}") for row in found]


def measure_judgements(name: str, settings: Settings, rows: list[Row]) -> None:
    """Where all that are live are judged at once."""
    with opened(settings) as (parts, _):
        judged = crowd.fill(parts.store, {Phase.SHIFTING: sum(crowd.LIVE.values())})
        found = worked(parts, judged)
    rows += [replace(row, what=f"{name}, all judged: {row.what}") for row in found]


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Parts, Series]]:
    """The stores, with adapters in memory."""
    store = Store.open(settings.store_url("engine"), limits=settings.limits)
    inbox, series = Inbox.open(settings.store_url("inbox")), Series.open(settings.store_url("series"))
    world = (MemoryBuilder(), MemoryJobs(), MemoryWorkloads(), MemoryRouter(), MemoryMetrics())
    try:
        yield Parts(settings, store, inbox, *world, open_source=lambda source: source), series
    finally:
        store.close()
        inbox.close()
        series.close()


@contextmanager
def postgresql() -> Iterator[Callable[[], str] | None]:
    """What makes new databases on a server of our own; None where none is installed."""
    programs, user = postgres_programs(), _unprivileged()
    if programs is None or user is None:
        yield None
        return
    server = Postgres(programs, user)
    try:
        server.start()
        yield server.new_database
    finally:
        server.remove()


def pages(parts: Parts, series: Series) -> list[Row]:
    """Each page's slowest answer of a round."""
    token, stop, (port,) = tokens.make(parts.store, "bench"), threading.Event(), free_ports(1)
    app = create_web(parts, series)
    server = threading.Thread(target=serving.serve, args=(app, "127.0.0.1", port, stop))
    server.start()
    try:
        with requests.Session() as session:
            session.mount(
                "http://", HTTPAdapter(max_retries=Retry(connect=20, backoff_factor=0.1))
            )  # it starts
            session.headers["Authorization"] = f"Bearer {token}"
            address = f"http://127.0.0.1:{port}/api/v1/releases"
            found = [_page(session, name, address + words) for name, words in PAGES.items()]
            web = f"http://127.0.0.1:{port}"
            session.post(f"{web}/-/login", data={"token": token}, timeout=30).raise_for_status()
            return found + [_shown(session, name, web + path, words) for name, (path, words) in SHOWN.items()]
    finally:
        time.sleep(SETTLE)  # waitress is told of an answer's end by the thread that gave it
        stop.set()
        server.join()


def _page(session: requests.Session, name: str, address: str) -> Row:
    def ask() -> None:
        answer = session.get(address, timeout=30)
        assert answer.json()["releases"], answer.text

    return _slowest(name, ask)


def _shown(session: requests.Session, name: str, address: str, words: str) -> Row:
    def ask() -> None:
        answer = session.get(address, timeout=30)
        assert answer.ok, answer.text
        assert words in answer.text, address

    return _slowest(f"people's page: {name}", ask)


def _slowest(name: str, ask: Callable[[], None]) -> Row:
    ask()
    slowest = [max(seconds(ask) for _ in range(REQUESTS)) for _ in range(ROUNDS)]
    return in_milliseconds(f"{name}, slowest of {REQUESTS}", slowest, PAGE_SECONDS)


def looks(store: Store, judged: list[Release]) -> list[Row]:
    """The observer's look at the store: after a start, and with as many changed as change in a second."""
    first, next_ones = [], []
    changed = [number_of(one.name) for one in judged[: _in_a_second(judged)]]
    for _ in range(ROUNDS):
        scenes = Scenes()
        first.append(seconds(lambda: _look(store, scenes, len(judged))))  # noqa: B023  called at once
        with store.change() as change:
            touched = update(tables.release).where(tables.release.c.id.in_(changed))
            change.connection.execute(touched.values(rev=tables.release.c.rev + 1))
        next_ones.append(seconds(lambda: _look(store, scenes, len(judged))))  # noqa: B023  called at once
    interval = Settings(Path()).scrape_seconds
    return [
        in_milliseconds("observer's first look", first, RESTART_SECONDS),
        in_milliseconds(f"observer's look, {len(changed)} changed", next_ones, interval),
    ]


def _look(store: Store, scenes: Scenes, count: int) -> None:
    with store.read() as read:
        found = sum(len(scene.watched) for scene in scenes.read(read))
    assert found == count, found


def worked(parts: Parts, judged: list[Release]) -> list[Row]:
    """One worker weighs what the observer tells of all."""
    told, passes, waits = [], [], []
    for sequence in range(2, 2 + ROUNDS):
        told.append(seconds(lambda: _tell(parts.store, judged, sequence)))  # noqa: B023  called at once
        waits.append(max(seconds(lambda: parts.store.until_due(URGENT)) for _ in range(REQUESTS)))
        passes.append(seconds(lambda: drain(parts, "bench", URGENT)))
        weighed = parts.store.release(number_of(judged[-1].name))
        assert weighed is not None
        assert release_of(weighed).evidence.sequence == sequence  # type: ignore[union-attr]
    share = _in_a_second(judged) / len(judged)
    return [
        in_milliseconds(f"worker's look for work, slowest of {REQUESTS}", waits, DEAF_SECONDS),
        in_milliseconds("a second's judgements told", [one * share for one in told], 1.0),
        in_milliseconds(f"all {len(judged):,} judgements weighed by one worker", passes, TELL_SECONDS),
    ]


def _in_a_second(judged: list[Release]) -> int:
    """How many judgements are told a second: each again after so long."""
    return round(len(judged) / TELL_SECONDS)


def _tell(store: Store, judged: list[Release], sequence: int) -> None:
    for first in range(0, len(judged), advisory.TOGETHER):
        with store.change() as change:
            for one in judged[first : first + advisory.TOGETHER]:
                change.add_work(crowd.told(one, sequence, change.now))


def rounds(parts: Parts) -> list[Row]:
    """The reconciler's: with the question whether routes are as written, of each target, and without."""
    asking, idle = [], []
    for _ in range(ROUNDS):
        one = Reconciler(parts.settings, parts.store, parts.inbox, lambda _queue, _number: None)
        asking.append(seconds(lambda: one.round(delivered=False)))  # noqa: B023  called at once
        idle.append(max(seconds(lambda: one.round(delivered=False)) for _ in range(REQUESTS)))  # noqa: B023
        assert len(parts.store.unfinished("drift")) == crowd.TARGETS
        with parts.store.change() as change:
            ended = update(tables.work).where(tables.work.c.kind == "drift")
            change.connection.execute(ended.values(state="done", finished=change.now, key=tables.work.c.id))
    return [
        in_milliseconds(f"reconciler's round, {crowd.TARGETS:,} routes asked for", asking, DRIFT_SECONDS),
        in_milliseconds(f"reconciler's round, slowest of {REQUESTS}", idle, ROUND_SECONDS),
    ]


def seconds(do: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def in_milliseconds(what: str, values: list[float], limit: float) -> Row:
    """A row of what was measured in seconds."""
    return Row(what, tuple(value * 1e3 for value in values), limit * 1e3, "ms")


if __name__ == "__main__":
    sys.exit(main())
