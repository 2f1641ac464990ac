"""What happens between a shim's fork and the program that it starts: user, view, limits, environment.

Everything here runs in the child, with the standard library only. It returns to nobody.
"""

import contextlib
import os
import signal
from typing import Any

_NEW_MOUNTS, _PRIVATE, _RECURSIVE, _BIND = 0x20000, 1 << 18, 0x4000, 0x1000
_NO_SUID, _NO_DEVICES = 2, 4


def become(order: dict[str, Any], told: int) -> None:
    """In the child: take the order's place, limits and user, then its program. Never returns."""
    status = 126
    try:
        os.setsid()
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and exec would keep that
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _limit(order)
        if os.read(told, 1) == b"1":
            status = 127
            os.umask(0o077)
            os.chdir(order["cwd"])
            os.execvpe(order["argv"][0], order["argv"], dict(order["env"]))  # noqa: S606
    except BaseException as wrong:  # noqa: BLE001  whatever it is belongs into the log
        os.write(2, f"cannot start {order['argv'][0]}: {wrong}\n".encode())
    finally:
        os._exit(status)


def _limit(order: dict[str, Any]) -> None:
    import ctypes  # noqa: PLC0415  only the child pays for these
    import resource  # noqa: PLC0415

    libc = ctypes.CDLL(None, use_errno=True)
    if order["uid"] is not None:
        _open_the_way(libc, order["reach"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if order["memory"]:
        # The watchdog counts what is used. This only stops what would be too quick for it; address
        # space cannot be limited, since numerical libraries reserve much more than they use.
        _lower(resource.RLIMIT_DATA, 2 * order["memory"] + (2 << 30))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("500")
    if order["nice"]:
        os.nice(order["nice"])
    if order["uid"] is not None:
        _lower(resource.RLIMIT_NPROC, 1024)
        os.setgroups([])
        os.setresgid(order["uid"], order["uid"], order["uid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])
    libc.prctl(38, 1, 0, 0, 0)  # no new privileges: no set-user-id program helps it


def _lower(kind: int, value: int) -> None:
    import resource  # noqa: PLC0415

    hard = resource.getrlimit(kind)[1]
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (wanted, wanted))


def covers(paths: list[str]) -> dict[str, list[str]]:
    """The folders that other users may not enter, each with those of the paths that lie below it."""
    found: dict[str, list[str]] = {}
    for path in paths:
        parts = path.rstrip("/").split("/")
        for count in range(2, len(parts)):
            above = "/".join(parts[:count])
            if not os.stat(above).st_mode & 0o001:  # noqa: PTH116
                found.setdefault(above, []).append(path)
                break
    return found


def _open_the_way(libc: Any, paths: list[str]) -> None:
    """Let another user reach the paths where folders above are closed to it, such as root's home.

    Nothing is opened on the disk: the process sees, in a mount namespace of its own, an empty folder
    in place of each closed one, with only the paths in it.
    """
    closed = covers(paths)
    if not closed:
        return
    _check(libc.unshare(_NEW_MOUNTS), "unshare")
    _check(libc.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None), "mount")
    held = {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in paths}
    os.umask(0o022)
    for folder, below in closed.items():
        options = b"mode=755,size=64k"
        _check(libc.mount(b"tmpfs", folder.encode(), b"tmpfs", _NO_SUID | _NO_DEVICES, options), folder)
        for path in below:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
            source = f"/proc/self/fd/{held[path]}".encode()
            _check(libc.mount(source, path.encode(), None, _BIND | _RECURSIVE, None), path)


def _check(result: int, what: str) -> None:
    import ctypes  # noqa: PLC0415

    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
