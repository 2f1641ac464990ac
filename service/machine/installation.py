"""An embedded installation's folder: what lies where, which processes run, on which ports.

Everything is below `SEGUE_HOME`. Ports are chosen once and recorded, so that a restart finds the same.
"""

import fcntl
import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from service.errors import StartError
from service.settings import Settings

PRIVATE = ("stores", "secrets", "run", "logs")
TOKEN = "operator-token"  # noqa: S105  the name of a file
PORTS = ("intake_port", "web_port", "router_port")


@dataclass(frozen=True, slots=True)
class Running:
    """A process that wrote itself down; `started` tells it from another that got its number."""

    name: str
    pid: int
    started: float
    port: int | None = None

    @property
    def alive(self) -> bool:
        try:
            found = psutil.Process(self.pid)
            return abs(found.create_time() - self.started) < 1.0 and found.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running installation is found."""

    intake: str
    web: str
    router: str


def place(settings: Settings) -> Place:
    """The addresses of an installation with these settings."""
    base = f"http://{settings.host}"
    return Place(
        settings.intake_url or f"{base}:{settings.intake_port}",
        settings.web_url or f"{base}:{settings.web_port}",
        f"{base}:{settings.router_port}",
    )


def remember_store(settings: Settings) -> None:
    """Write down which database an installation uses, without what could be read out of its URL."""
    write_json(settings.home / "run" / "store.json", {"digest": _digest(settings)})


def check_store(settings: Settings) -> None:
    """Raises `StartError` where Segue was started here with another database than these settings name."""
    known = read_json(settings.home / "run" / "store.json")
    if known is not None and known.get("digest") != _digest(settings):
        raise StartError(
            f"Segue in {settings.home} uses another database than this shell names; set SEGUE_DATABASE as for"
            " `segue up`"
        )


def _digest(settings: Settings) -> str:
    return hashlib.sha256(settings.store_url("engine").encode()).hexdigest()


def make_folders(home: Path) -> None:
    """The home folder, with what only Segue itself may read. Raises `StartError` where it cannot be made."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        for name in PRIVATE:
            (home / name).mkdir(exist_ok=True, mode=0o700)
            if os.access(home / name, os.W_OK):  # secrets may be mounted, to be read only
                (home / name).chmod(0o700)
    except OSError as reason:
        raise StartError(
            f"{home} cannot be used: {reason.strerror}; set SEGUE_HOME to a folder that you may write"
        ) from reason


def with_ports(settings: Settings) -> Settings:
    """The settings with ports as recorded by an earlier start, as far as the file has them."""
    recorded = read_json(settings.home / "run" / "ports.json") or {}
    known = {name: int(recorded[name]) for name in PORTS if isinstance(recorded.get(name), int)}
    return replace(settings, **known)  # type: ignore[arg-type]


@contextmanager
def chosen_ports(settings: Settings) -> Iterator[Settings]:
    """Settings whose ports are recorded ones, or wanted ones that are free, or any that are free. While the
    context lasts nobody else chooses them, though nobody may listen yet.

    Raises `StartError` where nothing can listen on the host.
    """
    recorded = read_json(settings.home / "run" / "ports.json") or {}
    chosen: dict[str, int] = {}
    with ExitStack() as claims:
        for name in PORTS:
            known = recorded.get(name)
            wanted = known if isinstance(known, int) else getattr(settings, name)
            # The router may run already: it outlives us, and its port stays its own.
            keep = isinstance(known, int) and name == "router_port"
            chosen[name] = wanted if keep else _port(settings.host, wanted, claims)
        write_json(settings.home / "run" / "ports.json", chosen)
        yield replace(settings, **chosen)  # type: ignore[arg-type]


def _port(host: str, wanted: int, claims: ExitStack) -> int:
    """That port or another one, which is ours until the claims are given up."""
    port = wanted or free_port(host)
    while not (is_free(host, port) and _claimed(host, port, claims)):
        port = free_port(host)
    return port


def _claimed(host: str, port: int, claims: ExitStack) -> bool:
    """Whether it is ours to start on, and no other installation's that starts just now.

    The claim is the port's namesake for UDP, which nothing here listens on: it goes with this process.
    """
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind((host, port))
    except OSError:
        claim.close()
        return False
    claims.enter_context(claim)
    return True


def free_port(host: str) -> int:
    """A port of this host that nobody listens on now. Raises `StartError` for a host that is not here."""
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as reason:
            raise StartError(
                f"SEGUE_HOST is {host!r}, where nothing can listen: {reason.strerror}; write an address of"
                " this machine such as 127.0.0.1"
            ) from reason
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether nobody listens there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


# --- which processes run ---------------------------------------------------------------------


def write_down(home: Path, name: str, port: int | None = None) -> None:
    """Record this process under a name."""
    own = psutil.Process()
    write_json(home / "run" / f"{name}.json", {"pid": own.pid, "started": own.create_time(), "port": port})


def running(home: Path, name: str) -> Running | None:
    """The process that wrote itself down under that name, if it still runs."""
    told = read_json(home / "run" / f"{name}.json")
    if not told:
        return None
    found = Running(name, int(told["pid"]), float(told["started"]), told.get("port"))
    return found if found.alive else None


@contextmanager
def alone(home: Path) -> Iterator[bool]:
    """Hold the installation for one `segue up`; False where another one holds it."""
    descriptor = os.open(home / "run" / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any] | None:
    """A small file of ours; None where it is missing or not whole."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, body: dict[str, Any], mode: int = 0o600) -> None:
    """Replace a small file whole."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(body, file)
        os.fchmod(file.fileno(), mode)
    Path(file.name).replace(path)
