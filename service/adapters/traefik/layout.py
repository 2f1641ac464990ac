"""Where the router's files are, and how its loopback API is asked; no other module knows either.

home/traefik/state.json          the truth: all routes and their epochs, under `lock`
home/traefik/static.yml          what the process is started with
home/traefik/dynamic/segue.yml   rendered from the truth; the only file in the watched folder
home/traefik/address             host:port of its API and metrics, loopback only
"""

import http.client
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.adapters import exposition

LONGEST = 16 << 20  # bytes of an answer that is read whole; a router that says more is not ours


class Unanswered(Exception):
    """The router's API did not answer as it should; the text says how."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files below `home/traefik`."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def static(self) -> Path:
        return self.folder / "static.yml"

    @property
    def dynamic(self) -> Path:
        return self.folder / "dynamic" / "segue.yml"

    @property
    def address(self) -> Path:
        return self.folder / "address"

    def make(self) -> None:
        """Make the folders; others on this machine may not look inside."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.dynamic.parent.mkdir(mode=0o700, exist_ok=True)

    def replace(self, path: Path, text: str) -> None:
        """Write a file whole or not at all: beside the watched folder, to the disk, then renamed."""
        draft = self.folder / f"{path.name}.draft"
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def api(self) -> tuple[str, int]:
        """Host and port of the API; raises `Unanswered` where the router was never started."""
        try:
            host, _, port = self.address.read_text().strip().rpartition(":")
            return host, int(port)
        except (OSError, ValueError) as error:
            raise Unanswered(f"the router's address is not recorded in {self.address}") from error

    def ask(self, path: str, seconds: float = 1.0) -> bytes:
        """The body that the API answers with status 200 within that time, or `Unanswered`."""
        body = bytearray()
        with self.asked(path, seconds, pace=math.inf) as pieces:
            for piece in pieces:
                body += piece
                if len(body) > LONGEST:
                    raise Unanswered(f"the router's answer to {path} is longer than {LONGEST} bytes")
        return bytes(body)

    @contextmanager
    def asked(self, path: str, seconds: float, *, pace: float = exposition.PACE) -> Iterator[Iterator[bytes]]:
        """The body of such an answer in pieces, as it comes. It may take longer where it is long and keeps
        coming at that pace, in bytes a second. Raises `Unanswered`, from the pieces, too."""
        host, port = self.api()
        began = time.monotonic()
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        try:
            with _told(path):
                connection.request("GET", path, headers={"Connection": "close"})
                response = connection.getresponse()
            if response.status != 200:
                raise Unanswered(f"the router answered {path} with {response.status}")
            yield _pieces(response, path, lambda brought: time.monotonic() < began + seconds + brought / pace)
        finally:
            connection.close()


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Errors of the connection as ours."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = f"the router did not answer {path}: {type(error).__name__} {error}"
        raise Unanswered(reason.rstrip()) from error


def _pieces(response: http.client.HTTPResponse, path: str, in_time: Callable[[int], bool]) -> Iterator[bytes]:
    """All of it, piece by piece, so that a trickle cannot outlast what `in_time` allows so many bytes."""
    if response.length is None and not response.chunked:
        raise Unanswered(f"the router's answer to {path} does not say how long it is")
    brought = 0
    while True:
        with _told(path):
            piece = response.read1(1 << 16)
        if not piece:
            break
        brought += len(piece)
        if brought > exposition.LONGEST:
            raise Unanswered(f"the router's answer to {path} is longer than {exposition.LONGEST} bytes")
        if not in_time(brought):
            raise Unanswered(f"the router's answer to {path} did not end in time")
        yield piece
    if response.length:  # read1 does not complain about a body that ends early
        raise Unanswered(f"the router's answer to {path} ended early")
