"""How long a version that only fails keeps its traffic, in a whole installation with a real push.

Run from the repository's root: `python bench/rollback.py [--json]`; about two minutes. A tiny model serves
100 requests a second through the router. Then versions are pushed, one after the other, that answer every
request with an error; each gets 10 % of the requests as its first step, and is taken back by its guard.

Two spans, each to the moment when the record has the router's confirmation of weight 0: from the scrape
whose numbers crossed the guard's threshold, and from the version's first answer to a user.
"""

import http.client
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from bench.installed import Installation, installation
from bench.report import Row, report
from bench.repository import Repository
from policies.guards.increment import from_json
from service.client import Client, client_of
from service.client.results import OneRelease
from service.store.series import Series
from service.store.states import EVIDENCE
from service.store.store import Store

ROUNDS, RATE, THREADS, PATIENCE = 7, 100.0, 4, 60.0
CALM = 3.0  # seconds between two versions, so that no scrape sees two
DECLARED = b"""name: tiny
build: {lock: requirements.lock}
serve: {run: python serve.py}
steps: [10%, 100%]
dwell: 5s
warm_up: 0s
watch: 5s
"""
SERVE = b"""
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else STATUS)
        self.send_header("Content-Length", "0")
        self.send_header("X-Model", NAME)
        self.end_headers()

    def log_message(self, *told):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def main() -> int:
    """Roll back several versions; medians, and the worst."""
    with installation() as place:
        place.start()
        repository = Repository(place.settings.home.parent)
        place.segue("connect", "git", str(repository.bare))
        api = client_of(place.settings)
        push(repository, "good", 200)
        ended(api, 1)
        with Prober(address_of(api)) as prober:
            time.sleep(12.0)  # stable's history is stored every ten seconds
            spans = []
            for number in range(1, ROUNDS + 1):
                push(repository, f"bad-{number}", 500)
                spans.append(measured(place, ended(api, number + 1), prober, f"bad-{number}"))
                time.sleep(CALM)
        strange = [one for one in prober.seen if one.status != 200 and not one.version.startswith("bad")]
    names = ("scrape that crossed to weight 0", "first answer to weight 0", "first answer to last answer")
    limits = (2.0, 3.0, 3.0)
    rows = [
        Row(name, tuple(span[index] for span in spans), limit, "s")
        for index, (name, limit) in enumerate(zip(names, limits, strict=True))
    ]
    failed = [int(span[3]) for span in spans]
    notes = [
        f"failed requests for each version: {', '.join(map(str, failed))}",
        f"of {len(prober.seen):,} requests, {len(strange)} failed that no bad version had answered",
    ]
    return report("rollback of a version that only fails, 10 % of 100 requests a second", rows, notes)


def push(repository: Repository, name: str, status: int, declared: bytes = DECLARED) -> None:
    """A version of that name that answers all with this status."""
    head = f"NAME, STATUS = {name!r}, {status}\n".encode()
    files = {"serve.py": head + SERVE, "segue.yaml": declared, "requirements.lock": b"# none\n"}
    repository.push(files)


def address_of(api: Client) -> str:
    """Where users reach the one model."""
    address = api.targets().page().rows[0]["address"]
    assert address is not None
    return address


def ended(api: Client, number: int) -> OneRelease:
    """The release of that number with its record, once it is final."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = api.releases().page().rows
        if len(found) >= number and found[0]["final"]:
            return api.release(found[0]["name"])
        time.sleep(0.1)
    raise TimeoutError(f"release {number} did not end within {PATIENCE:g} s: {found[:1]}")


def measured(
    place: Installation, shown: OneRelease, prober: "Prober", version: str
) -> tuple[float, float, float, int]:
    """The three spans in seconds, and how many requests the version answered."""
    name = shown["release"]["name"]
    zero = next(entry["at"] for entry in shown["record"] if entry["action"] == "rolled back")
    answers = [one.at for one in prober.seen if one.version == version]
    crossed = crossing(place, name)
    return zero - crossed, zero - answers[0], answers[-1] - answers[0], len(answers)


def crossing(place: Installation, release: str) -> float:
    """When the scrape was made whose increment first led to the verdict `harm`."""
    store = Store.open(place.settings.store_url("engine"))
    told = [EVIDENCE.load(work.body).evidence for work in store.work_of(release) if work.kind == "evidence"]
    store.close()
    sequence = min(one.sequence for one in told if one.verdict.value == "harm")
    series = Series.open(place.settings.store_url("series"))
    found = [one for one in series.increments(release) if one.sequence == sequence]
    series.close()
    return from_json(found[0].body).at


# --- users ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """One request's end: when, HTTP's status, and the version that answered."""

    at: float
    status: int
    version: str


@dataclass(slots=True)
class Prober:
    """Users of the model: `RATE` requests a second over kept connections."""

    address: str
    seen: list[Seen] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._ask_for_ever) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask_for_ever(self) -> None:
        where = urlsplit(self.address)
        connection = http.client.HTTPConnection(where.netloc, timeout=10)
        due = time.monotonic()
        while not self._stop.is_set():
            connection.request("GET", where.path)
            answer = connection.getresponse()
            answer.read()
            self.seen.append(Seen(time.time(), answer.status, answer.headers.get("X-Model", "")))
            due += THREADS / RATE
            self._stop.wait(max(0.0, due - time.monotonic()))
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
