"""The cluster's processes: started inside its network namespace, and found again by it.

There are no pid files: a process belongs to the cluster when it is in its network namespace or below
its cgroup. That holds after any crash, and a pid that was used again is never mistaken.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.local.network import entered
from tests.cluster.local.place import Place

CGROUPS = Path("/sys/fs/cgroup")
_CHILDREN: list[subprocess.Popen[bytes]] = []  # one that is forgotten complains that its process runs on


@dataclass(frozen=True, slots=True)
class Started:
    """A component that was just started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Ask until it does what it is for; raises with its last words where it ended instead."""
        wait_until(lambda: condition() or self.process.poll() is not None, self.name, seconds)
        if self.process.poll() is not None:
            words = self.log.read_text().splitlines()[-20:]
            raise RuntimeError("\n".join([f"{self.name} ended with {self.process.returncode}", *words]))


def start(place: Place, name: str, command: Iterable[object]) -> Started:
    """Start a component; it outlives us. Its command is kept, so that it can be started again."""
    words = [str(word) for word in command]
    (place.folder / "components" / f"{name}.json").write_text(json.dumps(words))
    path = place.folder / "logs" / f"{name}.log"
    with path.open("ab") as log:
        process = subprocess.Popen(
            [*entered(place), *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=place.folder,
        )
    _CHILDREN.append(process)
    return Started(name, process, path)


def again(place: Place, name: str) -> Started:
    """Start a component that was stopped."""
    return start(place, name, json.loads((place.folder / "components" / f"{name}.json").read_text()))


def running(place: Place, name: str) -> set[int]:
    """The processes of a component: those in the cluster that run its program."""
    words = json.loads((place.folder / "components" / f"{name}.json").read_text())
    return {pid for pid in _in_netns(place) if _program(pid) in words}


def stop(place: Place, name: str, how: signal.Signals = signal.SIGTERM) -> None:
    """End one component and wait for its end: an API server gives requests that it serves a minute."""
    _signal(running(place, name), how)
    wait_until(lambda: not running(place, name), f"{name} to end", 120)
    _bury()


def inhabitants(place: Place) -> set[int]:
    """All processes of the cluster: components, shims, containers."""
    return {*_in_netns(place), *_in_cgroups(place)} - {os.getpid()}


def end_all(place: Place) -> None:
    """End whatever is left. Containers get no grace: their cluster is gone already."""
    for how, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 20.0)):
        _signal(inhabitants(place), how)
        deadline = time.monotonic() + patience
        while inhabitants(place) and time.monotonic() < deadline:
            time.sleep(0.05)
    _bury()
    if left := inhabitants(place):
        raise RuntimeError(f"processes {sorted(left)} of {place.netns} do not end")


def cgroups(place: Place) -> list[Path]:
    """The folders of the cluster in all controllers, deepest first."""
    tops = [CGROUPS / place.netns, *(folder / place.netns for folder in CGROUPS.glob("*/"))]
    found = [Path(path) for top in tops if top.is_dir() for path, _, _ in os.walk(top)]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Ask until it holds; raises where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.1)


def _in_netns(place: Place) -> Iterator[int]:
    try:
        wanted = _identity(Path(f"/var/run/netns/{place.netns}"))
    except FileNotFoundError:
        return
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and _identity(entry / "ns/net") == wanted:
                yield int(entry.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or has ended and nobody has asked how


def _bury() -> None:
    for child in [*_CHILDREN]:
        try:
            _identity(Path(f"/proc/{child.pid}/ns/net"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # it is about to be a zombie, or is
            child.wait()
            _CHILDREN.remove(child)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _in_cgroups(place: Place) -> Iterator[int]:
    for folder in cgroups(place):
        try:
            yield from map(int, (folder / "cgroup.procs").read_text().split())
        except OSError:
            continue


def _program(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return words[0].decode()


def _signal(pids: Iterable[int], how: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            continue
