"""Names for whoever holds a lease, and whether one of them is known to be dead.

A lease ends by itself. Where its owner was a process of this host that is gone, nobody needs to wait for
that: a worker that was killed while it wrote a weight would keep that weight for half a minute else.
"""

import os
import socket
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from service.machine import proc


def name_of_this_process(kind: str) -> str:
    """Host, its process namespace, process, when that started, and kind: no other is ever called so."""
    return "/".join((*_here(), str(os.getpid()), str(proc.start_of(os.getpid())), kind))


def gone(owners: Iterable[str]) -> list[str]:
    """Those that were processes of this host and are not any more. Of other hosts nothing is known."""
    return [owner for owner in owners if _is_gone(owner)]


def _is_gone(owner: str) -> bool:
    parts = owner.split("/")
    if len(parts) != 6 or tuple(parts[:3]) != _here() or not parts[3].isdigit():
        return False
    return str(proc.start_of(int(parts[3]))) != parts[4]


@cache
def _here() -> tuple[str, str, str]:
    """Process ids mean something on this host, since it was booted, within one namespace."""
    return (
        socket.gethostname().replace("/", "-"),
        proc.boot_id(),
        str(Path("/proc/self/ns/pid").stat().st_ino),
    )
