"""Keeps the recorder running for the routes that need it, under a shim, and ends it when none does."""

import http.client
import sys
import time
from pathlib import Path
from typing import Self

from service.adapters.process import ports
from service.machine import shim
from service.machine.shim import Order
from service.ports.outcomes import Retry
from service.recorder.orders import ALIVE, Home
from service.settings import Settings

READY_SECONDS = 15.0  # a machine that is busy takes seconds to import


class RecorderDaemon:
    """The recorder's process. `folder` is where its shim works."""

    def __init__(self, home: Path, taken: frozenset[int] = frozenset()) -> None:
        self.files = Home(home / "recorder")
        self.folder = home / "daemons" / "recorder"
        self._taken = taken

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The recorder of this home; it need not run."""
        return cls(settings.home, frozenset({settings.router_port}))

    def order(self) -> Order:
        """What the shim runs: on the port that it had, which the routes name, while it can be had."""
        self.files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = ports.free(set(self._taken), self.files.port() or 0)
        self.files.address.write_text(f"{port}\n")
        argv = (sys.executable, "-P", "-m", "service.recorder.main", str(self.files.folder), str(port))
        return Order("recorder", argv, (("LC_ALL", "C.UTF-8"),), str(self.files.folder))

    def wanted(self) -> bool:
        """Whether any route needs it."""
        try:
            return bool(self.files.read())
        except (OSError, ValueError):
            return False

    def ready(self) -> bool:
        """Whether it answers."""
        port = self.files.port()
        if port is None:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
        try:
            connection.request("GET", ALIVE, headers={"Connection": "close"})
            return connection.getresponse().read() == b"alive\n"
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def keep(self) -> None:
        """Have it run and answer. Raises `Retry` while it does not."""
        if not self.ready() and not shim.status(self.folder).running:
            shim.stop(self.folder)  # what lives there has lost its port to somebody else
            shim.keep(self.folder, self.order())
        until = time.monotonic() + READY_SECONDS
        while not self.ready():
            if time.monotonic() > until:
                said = shim.log_tail(self.folder, 500).strip()
                raise Retry(f"the recorder does not answer yet; it printed: {said or 'nothing'}", after=1.0)
            time.sleep(0.02)

    def end(self) -> None:
        """Nobody needs it: what is in hand is finished."""
        shim.stop(self.folder)
