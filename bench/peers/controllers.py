"""The controllers as processes of this machine, and what they use."""

import math
import os
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.peers import building
from bench.peers.plane import NAMESPACE
from tests.cluster.kubectl import Kubectl
from tests.cluster.local import around
from tests.running import free_port

_LOOK_SECONDS = 0.25


@dataclass(slots=True)
class Usage:
    """CPU seconds since it was asked for, by process; the most memory (MiB) of all together since then."""

    pids: tuple[int, ...]
    memory: float = 0.0
    _spent: list[tuple[float, dict[int, float]]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._look()
        threading.Thread(target=self._look_for_ever, daemon=True).start()

    def end(self) -> float:
        """The CPU seconds; nothing is looked at any more."""
        self._over.set()
        self._look()
        return self.until(math.inf)

    def until(self, moment: float) -> float:
        """The CPU seconds up to a moment of the monotonic clock, or just after it."""
        return sum(self.by_process(moment).values())

    def by_process(self, moment: float) -> dict[int, float]:
        """The same of each process that still ran at the last look."""
        first = self._spent[0][1]
        last = next((spent for at, spent in self._spent if at >= moment), self._spent[-1][1])
        return {pid: seconds - first.get(pid, 0.0) for pid, seconds in last.items()}

    def _look_for_ever(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        spent, used = {}, 0.0
        for process in _alive(self.pids):
            times = process.cpu_times()
            spent[process.pid] = times.user + times.system
            used += process.memory_info().rss / (1 << 20)
        self._spent.append((time.monotonic(), spent))
        self.memory = max(self.memory, used)


@contextmanager
def argo(kubectl: Kubectl, login: Path, folder: Path) -> Iterator[int]:
    """Argo Rollouts' controller, with its definitions; its process id."""
    ports = (f"--metricsPort={free_port()}", f"--healthzPort={free_port()}")
    flags = [f"--kubeconfig={login}", "--leader-elect=false", "--loglevel=warn", *ports]
    # It keeps its own settings in the namespace that it is told it runs in.
    with running(kubectl, building.ARGO, flags, folder, POD_NAMESPACE=NAMESPACE) as pid:
        yield pid


@contextmanager
def flagger(kubectl: Kubectl, login: Path, folder: Path, prometheus: str) -> Iterator[int]:
    """Flagger's controller, with its definitions; its process id."""
    flags = [f"-kubeconfig={login}", "-mesh-provider=gatewayapi:v1"]
    flags += [f"-metrics-server={prometheus}", f"-port={free_port()}", "-log-level=info"]
    with running(kubectl, building.FLAGGER, flags, folder) as pid:
        yield pid


@contextmanager
def running(
    kubectl: Kubectl, module: around.Module, flags: list[str], folder: Path, **environ: str
) -> Iterator[int]:
    """A controller that is built where it is not there, with its kinds of objects; its process id."""
    command = [str(around.controller(module)), *flags]
    files = [word for path in around.definitions(module) for word in ("-f", str(path))]
    kubectl.run("apply", "--server-side", *files)
    kubectl.run("wait", "--for=condition=Established", "--timeout=60s", *files)
    with (folder / f"{module.program}.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=log, stderr=log, cwd=folder)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        kubectl.run("delete", "--ignore-not-found", "--wait=false", *files)


def _alive(pids: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        try:
            yield psutil.Process(pid)
        except psutil.NoSuchProcess:
            continue
