"""Ten thousand rollouts judged by one observer: processor time of each look, and memory.

Run from the repository's root: `python -m bench.many [ROLLOUTS] [--json]`; 10,000 take minutes. The observer
itself looks every 10 seconds of a clock that is set: it asks a router's counters over HTTP (a process of its
own makes them up), compares, judges, stores every increment in a real store and tells the engine evidence.
Limits are a core's 10 seconds and 1 GB for 10,000 rollouts; of time, their share for fewer.
"""

import contextlib
import http.server
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import requests

from bench import crowd
from bench.installed import free_ports
from bench.live import opened
from bench.report import Row, report
from policies.guards.readings import Series
from policies.release import Phase, Release
from policies.spec.support import BOUNDS
from service.adapters.memory.workloads import MemoryWorkloads
from service.adapters.traefik.metrics import streamed
from service.machine.garbage import Seldom
from service.observer import Observer
from service.ports.jobs import Limits
from service.ports.metrics import Sample
from service.ports.workloads import WorkloadOrder
from service.settings import Settings

WHOLE = 10_000
EVERY = 10.0  # seconds between two looks
LOOKS, FIRST = 5, 2  # counted, and those before them: the first reading, and the first bets
MOST_MEGABYTES = 1_024.0
RATE = 12.0  # requests a second of each target, a twentieth of them the candidate's
FAILS = 0.002
SHARES = np.diff([0.0, *(1 - np.exp(-np.asarray(BOUNDS) / 0.12)), 1.0])  # of requests, by bucket


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Scraped:
    """The counters of the router at that port, with the clock's time."""

    def __init__(self, port: int, clock: Clock) -> None:
        self._url, self._clock = f"http://127.0.0.1:{port}/metrics", clock

    def sample(self) -> Sample:
        with requests.get(self._url, timeout=600, stream=True) as answer:
            return streamed(answer.iter_content(1 << 16), self._clock())

    def split(self, labels: Sequence[str]) -> tuple[Series, ...]:
        """By no labels: no rollout of these has segments."""
        del labels
        return ()


def main() -> int:
    """So many rollouts as the first argument says."""
    count = int(next((word for word in sys.argv[1:] if word.isdigit()), WHOLE))
    clock, (port,) = Clock(), free_ports(1)
    with tempfile.TemporaryDirectory(prefix="segue-bench-") as folder, router(port, count):
        settings = Settings(Path(folder))
        with opened(settings) as (parts, series):
            judged = crowd.fill(parts.store, {Phase.SHIFTING: count}, clusters=0)
            assert isinstance(parts.workloads, MemoryWorkloads)
            serve(parts.workloads, judged)
            parts.metrics = Scraped(port, clock)
            observer = Observer(parts, series, "bench", clock)
            garbage = Seldom()
            spent = [look(observer, clock, garbage) for _ in range(FIRST + LOOKS)][FIRST:]
            stored = sum(len(series.increments(one.name, -1)) for one in judged[:10])
            assert stored == 10 * (FIRST + LOOKS), stored
            observer.close()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    share = count / WHOLE
    rows = [
        Row(f"a look at {count:,} rollouts, processor", tuple(spent), EVERY * share, "s"),
        Row("memory of the process", (megabytes,), MOST_MEGABYTES, "MB"),
    ]
    per = 1e3 * min(spent) / count
    return report("many rollouts, one observer", rows, [f"{per:.2f} ms of a core for each rollout and look"])


def look(observer: Observer, clock: Clock, garbage: Seldom) -> float:
    """Processor seconds of one look, ten seconds after the one before."""
    clock.now += EVERY
    began = time.process_time()
    observer.look()
    garbage.look()
    return time.process_time() - began


def serve(workloads: MemoryWorkloads, judged: list[Release]) -> None:
    """Each candidate runs, so that nobody is judged to be dead."""
    for one in judged:
        workloads.start(WorkloadOrder(one.backend, one.image, (), 8080, Limits()))
        workloads.state(one.backend)


# --- a router that only counts ------------------------------------------------------------------


@contextlib.contextmanager
def router(port: int, count: int) -> Iterator[None]:
    """In a process of its own, whose time is nobody's here."""
    words = [sys.executable, "-m", "bench.many", "--serve", str(port), str(count)]
    process = subprocess.Popen(words)
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with contextlib.suppress(requests.RequestException):
                requests.get(f"http://127.0.0.1:{port}/", timeout=120)
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


class Counting:
    """The page after so many scrapes: each adds what ten seconds bring, with their luck."""

    def __init__(self, names: list[str]) -> None:
        self._dice = np.random.default_rng(1)
        self._names = names
        rates = np.tile([0.05, 0.95], len(names) // 2) * RATE * EVERY
        self._each = rates[:, None] * SHARES
        self._seen = np.zeros((len(names), len(SHARES)))
        self._bad = np.zeros(len(names))

    def page(self) -> str:
        """As Traefik writes it."""
        gained = self._dice.poisson(self._each)
        self._seen += gained
        self._bad += self._dice.binomial(gained.sum(axis=-1), FAILS)
        bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        lines = ["process_start_time_seconds 1.0e+09"]
        for name, row, bad in zip(self._names, self._seen.cumsum(axis=-1), self._bad, strict=True):
            of = f'service="version.{name}@file"'
            for code, value in (("200", row[-1] - bad), ("500", bad)):
                lines.append(f'traefik_service_requests_total{{code="{code}",method="POST",{of}}} {value:g}')
            lines += [
                f"traefik_service_request_duration_seconds_bucket"
                f'{{code="200",method="POST",{of},le="{bound}"}} {value:.0f}'
                for bound, value in zip(bounds, row, strict=True)
            ]
        return "\n".join(lines) + "\n"


def serve_counters(port: int, count: int) -> None:
    """Until terminated."""
    made = (crowd.made(number, Phase.SHIFTING, 0.0, count) for number in range(1, count + 1))
    counting = Counting([name for one in made for name in (one.backend, f"{one.backend}-before")])

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = counting.page().encode() if self.path == "/metrics" else b"here\n"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http.server.HTTPServer(("127.0.0.1", port), Page).serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve_counters(int(sys.argv[2]), int(sys.argv[3]))
    sys.exit(main())
