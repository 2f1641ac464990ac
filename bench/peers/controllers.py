"""The controllers as processes of this machine, and what they use."""

import os
import subprocess
import threading
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

_LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Usage:
    """CPU seconds since it was asked for, and the most memory (MiB) of all processes together since then."""

    pids: tuple[int, ...]
    before: float = field(init=False)
    memory: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.before = self._cpu()
        threading.Thread(target=self._look, daemon=True).start()

    def end(self) -> float:
        """The CPU seconds; memory is not looked at any more."""
        self._over.set()
        return self._cpu() - self.before

    def _cpu(self) -> float:
        times = [process.cpu_times() for process in _alive(self.pids)]
        return sum(one.user + one.system for one in times)

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            used = sum(process.memory_info().rss for process in _alive(self.pids)) / (1 << 20)
            self.memory = max(self.memory, used)


@contextmanager
def argo(kubectl: Kubectl, folder: Path) -> Iterator[int]:
    """Argo Rollouts' controller, with its definitions; its process id."""
    ports = (f"--metricsPort={free_port()}", f"--healthzPort={free_port()}")
    flags = [f"--kubeconfig={kubectl.kubeconfig}", "--leader-elect=false", "--loglevel=warn", *ports]
    # It keeps its own settings in the namespace that it is told it runs in.
    with _running(kubectl, building.ARGO, flags, folder, POD_NAMESPACE=NAMESPACE) as pid:
        yield pid


@contextmanager
def flagger(kubectl: Kubectl, folder: Path, prometheus: str) -> Iterator[int]:
    """Flagger's controller, with its definitions; its process id."""
    flags = [f"-kubeconfig={kubectl.kubeconfig}", "-mesh-provider=gatewayapi:v1"]
    flags += [f"-metrics-server={prometheus}", f"-port={free_port()}", "-log-level=info"]
    with _running(kubectl, building.FLAGGER, flags, folder) as pid:
        yield pid


@contextmanager
def _running(
    kubectl: Kubectl, module: around.Module, flags: list[str], folder: Path, **environ: str
) -> Iterator[int]:
    command = [str(around.controller(module)), *flags]
    files = [word for path in around.definitions(module) for word in ("-f", str(path))]
    kubectl.run("apply", "--server-side", *files)
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
