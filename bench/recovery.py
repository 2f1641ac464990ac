"""How soon what a killed process did is done again, in a whole installation.

Run from the repository's root: `python bench/recovery.py [--json]`; about three minutes. Two ways to die:

* A process is killed and started again by `segue up`, or by the shim that keeps it; `segue up` itself by us,
  at once, while its children still end: until it is ready and a command is acknowledged and answered.
* A host is lost: `segue up` and all its children are killed at once on a host of another name (a namespace
  of its own), and nobody starts them again. Processes of this host, on the same PostgreSQL, go on. They
  cannot know that the others are dead and wait until leases end. Needs root, for the namespace.

Workers are killed with work in hand: they are stopped when the store says that they have some, and killed if
they still have it. Time counts from the kill to the moment when that work is done, by whomever.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import psutil

from bench.installed import free_ports, installation
from bench.live import postgresql
from bench.report import Row, report
from bench.rollback import Prober
from bench.scene import OFTEN, PATIENCE, Scene, opened, wait
from service import processes
from service.client import Client

RESTARTED, LAPSED = 5.0, 45.0  # seconds, the limits
ROUNDS, LOST = 3, 2  # kills of each process, and of the host
FAR = ("unshare", "--uts", "sh", "-c", 'hostname far && exec "$0" "$@"')
Spans = dict[str, list[float]]


def main() -> int:
    """Both ways to die."""
    rows, notes = restarts(), []
    with lost_hosts() as spans:
        if spans is None:
            notes.append("a lost host: not measured; it needs root and an installed PostgreSQL")
        else:
            rows += _rows(spans, LAPSED)
    return report("recovery after a process was killed", rows, notes)


def _rows(spans: Spans, limit: float) -> list[Row]:
    return [Row(what, tuple(values), limit, "s") for what, values in spans.items()]


# --- killed and started again ------------------------------------------------------------------


def restarts() -> list[Row]:
    """Each process in turn, several times."""
    spans: Spans = {}
    with installation() as place:
        place.start()
        with opened(place) as scene:
            with Prober(scene.address):
                scene.judge()
                for _ in range(ROUNDS):
                    for name in (*processes.NAMES, "up"):
                        spans.setdefault(f"{name} killed", []).append(scene.recovered(name))
            for _ in range(ROUNDS):
                for name in ("router", "model"):
                    spans.setdefault(f"{name} killed", []).append(scene.serves_again(name))
    return _rows(spans, RESTARTED)


# --- a host that is lost -----------------------------------------------------------------------


@contextmanager
def lost_hosts() -> Iterator[Spans | None]:
    """How long it took others to go on, several times; None where it cannot be tried here."""
    with postgresql() as new_database:
        if new_database is None or os.geteuid() != 0:
            yield None
            return
        spans: Spans = {}
        with installation("none", DATABASE=new_database()) as place:
            place.before = FAR
            place.start()
            with opened(place) as scene, Prober(scene.address):
                scene.judge()
                for number in range(LOST):
                    if number:
                        place.start()
                    for what, seconds in _lost_host(scene).items():
                        spans.setdefault(f"host lost: {what}", []).append(seconds)
        yield spans


def _lost_host(scene: Scene) -> dict[str, float]:
    """One loss: what the dead had in hand, what they alone did, and what comes afterwards."""
    far = {name: scene.pid(name) for name in ("up", *processes.NAMES)}
    with _near(scene, far) as api:
        release = scene.judged()
        with _standing_still(scene.pid("worker-patient"), scene.pid("worker-urgent")):
            urgent = scene.caught(far["worker-urgent"], "command")
            patient = scene.caught(far["worker-patient"], "look")
        began = time.time()
        for pid in far.values():
            os.kill(pid, signal.SIGKILL)
        assert scene.place.process is not None
        scene.place.process.wait()
        scene.place.process = None
        new = replace(scene, api=api).ask(0)
        waited: dict[str, Callable[[], bool]] = {
            "a command given since obeyed": lambda: scene.store.answer(new) is not None,
            "a decision in hand made": lambda: scene.is_done(urgent),
            "a look in hand done": lambda: scene.is_done(patient),
            "the next interval judged": lambda: scene.judged_after(release, began) is not None,
        }
        spans = {}
        while waited:
            for what in [what for what, holds in waited.items() if holds()]:
                spans[what] = time.time() - began
                del waited[what]
            assert time.time() - began < PATIENCE, waited
            time.sleep(10 * OFTEN)
    return spans


@contextmanager
def _standing_still(*pids: int) -> Iterator[None]:
    """These leave all work to others meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _near(scene: Scene, far: Mapping[str, int]) -> Iterator[Client]:
    """The same processes on this host, as `Procfile` names them, once they are ready; who reaches them."""
    intake, web = free_ports(2)
    environ = psutil.Process(far["intake"]).environ()
    environ |= {"SEGUE_INTAKE_PORT": str(intake), "SEGUE_WEB_PORT": str(web)}
    environ.pop("SEGUE_SUPERVISED")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "service.processes", name], env=environ, stdin=subprocess.DEVNULL
        )
        for name in processes.NAMES
    ]
    try:
        api = replace(scene.api, intake=f"http://127.0.0.1:{intake}", web=f"http://127.0.0.1:{web}")
        wait(lambda: all(scene.pid(name) != pid for name, pid in far.items() if name != "up"))
        wait(replace(scene, api=api).obeyed)
        yield api
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
