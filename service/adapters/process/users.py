"""A user id for each folder, on this machine until it boots again; used only when Segue is root.

Several installations may run on one machine, and what one ends by user id must not be another's:
so the ids are handed out from one locked file of the machine, not of an installation.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.machine.proc import OWN_USERS
from service.ports.outcomes import Retry

REGISTER = Path("/run/segue/users.json")


class Users:
    """The register of who uses which id."""

    def __init__(self, register: Path = REGISTER) -> None:
        self._register = register

    def of(self, folder: Path) -> int:
        """The id of the folder, for as long as the folder exists."""
        key = str(folder.resolve())
        with self._locked() as given:
            if key not in given:
                for gone in [k for k in given if not Path(k).is_dir()]:
                    del given[gone]
                taken = set(given.values()) | _in_use()
                free = next((user for user in OWN_USERS if user not in taken), None)
                if free is None:
                    raise Retry(f"all user ids from {OWN_USERS.start} to {OWN_USERS.stop} are in use", 60)
                given[key] = free
            return given[key]

    @contextmanager
    def _locked(self) -> Iterator[dict[str, int]]:
        self._register.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._register, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            given = _read(descriptor)
            before = dict(given)
            yield given
            if given != before:
                text = json.dumps(given).encode()
                os.pwrite(descriptor, text, 0)
                os.ftruncate(descriptor, len(text))
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> dict[str, int]:
    try:
        found = json.loads(os.pread(descriptor, os.fstat(descriptor).st_size, 0) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _in_use() -> set[int]:
    """Ids that living processes have, whatever the register says."""
    found = set()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                found.add(place.stat().st_uid)
            except OSError:
                continue  # it ended meanwhile
    return found
