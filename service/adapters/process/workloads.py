"""Runs versions as processes of this host that outlive Segue, each on a port of its own.

The program must listen on the port in `$PORT`. It serves once its health path answers 2xx.
"""

import fcntl
import http.client
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from service import plugins
from service.adapters.process import ports
from service.adapters.process.jobs import ending
from service.adapters.process.sandbox import Sandbox, Unpack, Wish
from service.adapters.process.users import Users
from service.machine import shim
from service.machine.shim_main import read_json, write_json
from service.ports.connections import Source
from service.ports.outcomes import Failed, Gone, Refused, Working
from service.ports.workloads import Serving, WorkloadOrder
from service.settings import Settings
from service.store import codec

_LIVES = 5  # ends without ever having been healthy, after which it has failed
_PATIENCE = 2.0  # seconds for a health check


class ProcessWorkloads:
    """Workloads live in `<home>/workloads/<name>`; any process of Segue finds them there."""

    def __init__(self, home: Path, unpack: Unpack, users: Users | None = None, grace: float = 10.0) -> None:
        self._home = home
        self._sandbox = Sandbox(home, "workloads", unpack, users)
        self._grace = grace

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:  # noqa: ARG003
        """Workloads below the home folder, from images of its OCI layout."""
        return cls(settings.home, plugins.load("image_stores", "oci"))

    @property
    def isolation(self) -> str:
        """As whom the processes run."""
        return self._sandbox.isolation

    def start(self, order: WorkloadOrder) -> None:
        """Keep it running, unless it is kept already; a stopped or failed one starts anew."""
        with self._sandbox.alone(order.name) as folder:
            known = read_json(str(folder / "workload.json"))
            if known.get("order") == _as_json(order) and self._kept(folder):
                return
            if self._kept(folder):
                raise Refused(f"the workload {order.name} runs with another order; stop it first")
            shim.stop(folder, self._grace)
            self._launch(folder, order)

    def state(self, name: str) -> Working | Serving | Failed | Gone:
        """How far it is, asked of the workload itself. One that lost its shim gets a new one here."""
        folder = self._sandbox.folder(name)
        known = read_json(str(folder / "workload.json"))
        status = shim.status(folder)
        if not known or status.ended:
            return Gone()
        if not shim.supervised(folder):
            self._take_care(folder, known)
            status = shim.status(folder)
        exits = status.restarts + (not status.running)
        healthy = (folder / "healthy").exists()
        if status.running and _answers(known["port"], known["order"]["health"]):
            (folder / "healthy").touch(mode=0o600)
            url, ended = f"http://127.0.0.1:{known['port']}", _ended(status) if status.restarts else ""
            return Serving(url, status.started, status.restarts, ended)
        if exits >= _LIVES and not healthy:
            return Failed(_why(status, exits), shim.log_tail(folder))
        return Working("starting" if not healthy else "restarting" if not status.running else "unhealthy")

    def stop(self, name: str) -> None:
        """End it gracefully; a name that is not running is fine."""
        shim.stop(self._sandbox.folder(name), self._grace)

    def logs(self, name: str) -> str:
        """The end of what it printed."""
        return shim.log_tail(self._sandbox.folder(name))

    def restore(self) -> None:
        """Give every workload that should run its shim again, as after the machine has booted."""
        for name in self._sandbox.names():
            folder = self._sandbox.folder(name)
            known = read_json(str(folder / "workload.json"))
            if known and not shim.status(folder).ended and not shim.supervised(folder):
                self._take_care(folder, known)

    def _kept(self, folder: Path) -> bool:
        """Whether it runs or will run again, and has not failed."""
        status = shim.status(folder)
        if status.ended or shim.recorded(folder) is None:
            return False
        exits = status.restarts + (not status.running)
        return status.running or exits < _LIVES or (folder / "healthy").exists()

    def _take_care(self, folder: Path, known: dict[str, Any]) -> None:
        with self._sandbox.alone(folder.name):
            if shim.supervised(folder):
                return
            recorded = shim.recorded(folder)
            if recorded is not None and shim.status(folder).running:
                shim.keep(folder, recorded)
            else:
                self._launch(folder, _order(known["order"]), known["port"])

    def _launch(self, folder: Path, order: WorkloadOrder, last_port: int = 0) -> None:
        """Choose a port, the last one where it can be had: routes may still lead there."""
        with self._ports(besides=folder) as taken:
            port = ports.free(taken, last_port)
            (folder / "healthy").unlink(missing_ok=True)
            write_json(str(folder / "workload.json"), {"order": _as_json(order), "port": port})
        env = (*order.env, ("PORT", str(port)))
        wish = Wish(order.name, order.image, order.run, order.limits, env)
        shim.keep(folder, self._sandbox.order(wish, restart=True))

    @contextmanager
    def _ports(self, besides: Path) -> Iterator[set[int]]:
        """The ports of all other workloads that are not stopped, while nobody else may choose one."""
        place = self._home / "workloads"
        descriptor = os.open(place / ".ports", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            folders = [place / name for name in self._sandbox.names() if place / name != besides]
            yield {
                read_json(str(f / "workload.json")).get("port", 0)
                for f in folders
                if not shim.status(f).ended
            }
        finally:
            os.close(descriptor)


def _answers(port: int, path: str) -> bool:
    """Whether the workload says by itself that it is ready: no proxy, no redirect."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", path)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ended(status: shim.Status) -> str:
    """How its life before ended."""
    return "used more memory than its limit" if status.reason == "memory" else ending(status.exit_code)


def _why(status: shim.Status, exits: int) -> str:
    why = f"it ended {exits} times without ever having been ready"
    if status.reason == "memory":
        return f"{why}; it uses more memory than its limit"
    return f"{why}; the last time it {ending(status.exit_code)}" if status.exit_code is not None else why


def _as_json(order: WorkloadOrder) -> dict[str, Any]:
    """The order in the form in which it is read again, so that the two can be compared."""
    found: dict[str, Any] = codec.encode(WorkloadOrder, order)
    return found


def _order(values: dict[str, Any]) -> WorkloadOrder:
    found: WorkloadOrder = codec.decode(WorkloadOrder, values)
    return found
