"""What the recorder costs: `python -m bench.recorder`. The same requests straight through Traefik, through
the recorder, and copied to a second version, in turns; a model server of its own answers at once.

Prints the median and the 99th percentile of what a caller waits, the recorder's processor time a request,
and its memory. A caller that waits for each answer is the hardest: nothing hides a hop.
"""

import argparse
import http.client
import multiprocessing
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from policies.recording import Keep, Recording
from service.adapters.recorder import RecorderDaemon
from service.adapters.traefik.router import TraefikRouter
from service.machine import shim
from service.ports.traffic import Backend, Route
from tests.running import Model, Traefik

TARGET = "bench/production"
BODY = b'{"instances": [[13.2, 1.78, 2.14, 11.2, 100]]}'
WAYS = {
    "straight": None,
    "who answered": Recording(assigns=True),
    "copied": Recording(copies=True, keep=Keep.HASHED, answer="predictions.0"),
}


def model(pipe):
    """One model's process."""
    with Model("m") as server:
        pipe.send(server.url)
        pipe.recv()


def ask(address, count):
    """Seconds that a caller waits, once for each request."""
    parts = urlsplit(address)
    connection, found = http.client.HTTPConnection(parts.hostname, parts.port), []
    for _ in range(count):
        began = time.perf_counter()
        connection.request("POST", f"{parts.path}/predict", BODY, {"Content-Type": "application/json"})
        connection.getresponse().read()
        found.append(time.perf_counter() - began)
    connection.close()
    return found


def measure(router, daemon, urls, rounds, count):
    """All ways, in turns, so that what else the machine does hits each alike."""
    waits, processor = {way: [] for way in WAYS}, dict.fromkeys(WAYS, 0.0)
    memory, epoch = 0, 0
    for _ in range(rounds):
        for way, recording in WAYS.items():
            epoch += 1
            backends = (Backend("one", urls[0], 100.0), Backend("two", urls[1], 0.0))
            copied = "two" if recording is not None and recording.copies else ""
            router.set(Route(TARGET, epoch, backends, recording=recording, copied=copied))
            ask(router.address(TARGET), 50)
            process = psutil.Process(shim.status(daemon.folder).pid) if recording else None
            before = sum(process.cpu_times()[:2]) if process else 0.0
            waits[way] += ask(router.address(TARGET), count)
            if process:
                processor[way] += sum(process.cpu_times()[:2]) - before
                memory = max(memory, process.memory_info().rss)
    return waits, processor, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=1000)
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp())
    ends = [multiprocessing.Pipe() for _ in range(2)]
    servers = [multiprocessing.Process(target=model, args=(theirs,)) for _, theirs in ends]
    for server in servers:
        server.start()
    traefik = Traefik(home).start()
    daemon = RecorderDaemon.open(traefik.settings)
    try:
        urls = [ours.recv() for ours, _ in ends]
        router = TraefikRouter.open(traefik.settings)
        waits, processor, memory = measure(router, daemon, urls, chosen.rounds, chosen.requests)
    finally:
        for ours, _ in ends:
            ours.send(None)
        daemon.end()
        traefik.kill()
        for server in servers:
            server.join()
        shutil.rmtree(home)
    for way, found in waits.items():
        centiles = statistics.quantiles(found, n=100)
        used = processor[way] / len(found) * 1e3
        print(
            f"{way:>13}: median {centiles[49] * 1e3:.2f} ms, 99 % {centiles[98] * 1e3:.2f} ms,"
            f" {used:.2f} ms of a core"
        )
    print(f"the recorder's memory: {memory / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
