"""What the recorder is told to pass on and to note: one file, written by who writes the routes.

`<home>/recorder/orders.json` names each version with its address and its target's policy. It is replaced
whole, before the router sends anybody to the recorder; the recorder reads it anew when it changed.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from policies import recording
from policies.recording import Recording

LEG = "X-Segue-Leg"  # set by the router: `answer <backend>`, or `copy <backend>`
ALIVE = "/segue-recorder-is-alive"
MOST_ASKED = 2 << 20  # bytes of a request that are held; the router copies none that is longer


@dataclass(frozen=True, slots=True)
class Leg:
    """A version behind the recorder."""

    target: str
    backend: str
    url: str
    recording: Recording
    replays: "Replays | None" = None


@dataclass(frozen=True, slots=True)
class Replays:
    """Recorded requests, by name, that this version and `stable` (a backend) are asked, `rate` a second; each
    is asked once under the same `key`."""

    requests: str
    rate: float
    stable: str
    key: str


@dataclass(frozen=True, slots=True)
class Home:
    """The recorder's files, below `<home>/recorder`."""

    folder: Path

    @property
    def orders(self) -> Path:
        return self.folder / "orders.json"

    @property
    def address(self) -> Path:
        return self.folder / "address"

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def replayed(self) -> Path:
        return self.folder / "replayed"

    @property
    def samples(self) -> Path:
        return self.folder / "samples"

    def port(self) -> int | None:
        """Where it listens, on loopback; None where it never has."""
        try:
            return int(self.address.read_text())
        except (OSError, ValueError):
            return None

    def secret(self) -> bytes:
        """The key of the digests, made with the first look. It is forgotten with the home."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(32))
        return self.key.read_bytes()

    def write(self, legs: Iterable[Leg]) -> None:
        """Replace the orders."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.folder / "orders.draft"
        draft.write_text(json.dumps([row_of(leg) for leg in legs], indent=1) + "\n")
        draft.replace(self.orders)

    def read(self) -> dict[str, Leg]:
        """The legs by backend. Raises `OSError` or `ValueError` where they cannot be read."""
        return {leg.backend: leg for leg in map(leg_of, json.loads(self.orders.read_text()))}


class Followed:
    """The orders as they are now; the last good ones while the file cannot be read."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._seen: tuple[int, int] | None = None
        self._legs: dict[str, Leg] = {}

    def legs(self) -> list[Leg]:
        """All of them."""
        return list(self._legs.values())

    def find(self, backend: str) -> Leg | None:
        """The leg of that backend; the file is looked at only where it is not known."""
        found = self._legs.get(backend)
        if found is None:
            self.refresh()
            found = self._legs.get(backend)
        return found

    def refresh(self) -> None:
        """Read the file anew where it changed."""
        try:
            stat = self._home.orders.stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
            if seen != self._seen:
                self._legs, self._seen = self._home.read(), seen
        except (OSError, ValueError, KeyError, TypeError):
            return


def leg_of(row: dict[str, object]) -> Leg:
    """A leg as it was written."""
    recorded = recording.from_json(dict(row["recording"]))  # type: ignore[call-overload]
    replays = Replays(**row["replays"]) if row.get("replays") else None  # type: ignore[arg-type]
    return Leg(str(row["target"]), str(row["backend"]), str(row["url"]), recorded, replays)


def row_of(leg: Leg) -> dict[str, object]:
    """As a recorder reads it that was there before this process came."""
    row: dict[str, object] = {"target": leg.target, "backend": leg.backend, "url": leg.url}
    known = recording.to_json(replace(leg.recording, requests="", rate=0.0))
    return row | {"recording": known} | ({"replays": asdict(leg.replays)} if leg.replays else {})
