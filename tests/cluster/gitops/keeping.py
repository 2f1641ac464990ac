"""What tests ask of a tool that keeps a cluster as Git has it, and how its programs run here."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import requests
import yaml

from tests.cluster.kubectl import Kubectl
from tests.cluster.local import around
from tests.running import wait_until

START_SECONDS = 60.0
LOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Folder:
    """What is kept: the objects in a folder of a repository's branch `main`, and where they belong."""

    name: str  # of the Application or the Kustomization
    url: str
    path: str
    namespace: str
    spec: dict[str, Any] = field(default_factory=dict)  # more of it, as Segue prints the lines


class Keeper(Protocol):
    """Argo CD or Flux. Both look by themselves every few seconds, heal, and remove what Git has no more."""

    tool: str

    def keep(self, folder: Folder) -> AbstractContextManager[None]:
        """Have it keep the folder until the block ends; its objects stay."""
        ...

    def look(self, name: str) -> None:
        """Have it look at Git and the cluster now, and wait until it has, and has healed what it would."""
        ...

    def applied(self, name: str) -> str | None:
        """The commit with which it says that all is in order; None where it does not say so."""
        ...


def definitions(*modules: around.Module) -> list[dict[str, Any]]:
    """The kinds of objects that these modules define."""
    files = [path for module in modules for path in around.definitions(module)]
    return [one for path in files for one in yaml.load_all(path.read_text(), yaml.CSafeLoader) if one]


@contextmanager
def running(
    command: Sequence[str], folder: Path, ready: Callable[[], bool], name: str | None = None, **environ: str
) -> Iterator[None]:
    """One program until the block ends, from when it is `ready` on. Its log lies in the folder, by its name."""
    log = folder / f"{name or Path(command[0]).name}.log"
    home = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, env={**home, **environ}, cwd=folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        wait_until(lambda: ready() or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, log.read_text()[-4000:]
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> Callable[[], bool]:
    """Whether it answers there, and is well."""

    def look() -> bool:
        try:
            return requests.get(url, timeout=2).ok
        except requests.RequestException:
            return False

    return look


def listens(port: int) -> Callable[[], bool]:
    """Whether somebody listens at that port of this machine."""

    def look() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return look


@contextmanager
def space(kubectl: Kubectl, name: str) -> Iterator[None]:
    """The tool's own namespace, until the block ends."""
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield
    finally:
        kubectl.run("delete", "namespace", name, "--timeout=60s")
