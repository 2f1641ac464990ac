"""Processes by id and start time: which one is meant, what it uses, and how it is ended with its kin.

Read from /proc, so only Linux. The shim runs this in a bare interpreter: standard library only, and
only its cheap parts.
"""

import contextlib
import os
import signal
import time

OWN_USERS = range(210_000, 275_536)  # user ids that Segue gives to one process's folder each
_PAGE = os.sysconf("SC_PAGE_SIZE")


def boot_id() -> str:
    """The running kernel's own id: process ids mean nothing under another."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123  pathlib costs memory here
            return file.read().strip()
    except OSError:
        return ""


def stat_of(pid: int | str) -> list[str]:
    """The fields of /proc/<pid>/stat after the name: state, parent, group, session, ...; or none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return file.read().rpartition(b")")[2].decode("ascii", "replace").split()
    except OSError:
        return []


def start_of(pid: int) -> int | None:
    """When a living process started, in clock ticks since boot; None for none and for a zombie."""
    fields = stat_of(pid)
    return None if not fields or fields[0] in "ZX" else int(fields[19])


def terminate_group(leader: int) -> None:
    """SIGTERM to a process group, or to its leader alone where that has not made the group yet."""
    try:
        os.killpg(leader, signal.SIGTERM)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)


def sweep(session: int | None, user: int | None) -> None:
    """Kill all processes of a session and of a user, until none is left; some may fork meanwhile."""
    for _ in range(20):
        found = 0
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdigit() and _belongs(name, session, user):
                found += 1
                with contextlib.suppress(OSError):
                    os.kill(int(name), signal.SIGKILL)
        if not found:
            return
        time.sleep(0.01)


def _belongs(name: str, session: int | None, user: int | None) -> bool:
    fields = stat_of(name)
    if not fields or fields[0] in "ZX":
        return False
    if session is not None and int(fields[3]) == session:
        return True
    with contextlib.suppress(OSError):
        return user is not None and os.stat(f"/proc/{name}").st_uid == user  # noqa: PTH116
    return False


def resident(pid: int) -> int:
    """Bytes in memory of a process and its descendants; what they share is counted more than once."""
    return sum(_resident(member) for member in _family(pid))


def proportional(pid: int) -> int:
    """The same, with what is shared divided between the sharers; slower."""
    total = 0
    for member in _family(pid):
        try:
            with open(f"/proc/{member}/smaps_rollup") as file:  # noqa: PTH123
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        except OSError:
            total += _resident(member)
    return total


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _family(pid: int) -> list[int]:
    found: list[int] = []
    todo = [pid]
    while todo and len(found) < 1000:
        found.append(todo.pop())
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{found[-1]}/task"):  # noqa: PTH208
                with open(f"/proc/{found[-1]}/task/{thread}/children") as file:  # noqa: PTH123
                    todo += map(int, file.read().split())
    return found
