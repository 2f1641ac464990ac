"""Keeps one process running in a folder, detached, so that it outlives Segue; found again by folder.

    keep    start it, or find that it runs already        stop    end it, gracefully at first
    status  what is known of it                           log_tail  what it printed last

The work is done by `service/machine/shim_main.py`, one small process per folder. Nothing here waits for the
process itself, and no state is held in memory: any process of Segue may call any of these.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.machine import proc, shim_main
from service.ports.outcomes import Refused, Retry

_PROGRAM = Path(shim_main.__file__)
_STARTING = 10.0  # seconds that a shim may take to say that it runs


@dataclass(frozen=True, slots=True)
class Order:
    """What to run. `argv[0]` is found in the order's own PATH; `env` is the whole environment.

    `memory` is enforced by watching (0: no limit) and `seconds` by the clock (0: none); `cpu` is
    told to the program by whoever makes the order, `nice` is a lower priority. With a `uid` the
    process runs as that user and group, without others, which only root can arrange; `reach` are
    folders that it shall reach even where a folder above them is closed to that user.
    """

    name: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    uid: int | None = None
    cpu: float = 0
    memory: int = 0
    log_bytes: int = 4 << 20
    restart: bool = True
    seconds: float = 0
    nice: int = 0
    reach: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """What is known. `ended`: nothing will start it again, unless `keep` is called.

    `exit_code` is that of the last life that was seen to end, negative for a signal. `reason` says
    who ended it where it did not by itself: "memory", "time", "stopped".
    """

    running: bool
    pid: int | None
    started: float
    restarts: int
    exit_code: int | None
    ended: bool
    reason: str = ""


def keep(folder: Path, order: Order) -> None:
    """Have the order run in the folder, starting it where it does not run.

    A process whose shim died is adopted. Raises `Refused` where another order runs there, `Retry`
    where the shim does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder):
        if _shim_lives(folder) and ((folder / "stop").exists() or _state(folder).get("ended")):
            _wait_for_leaving(folder)
        lives = _shim_lives(folder)
        if lives or _child(_state(folder)) is not None:
            if recorded(folder) != order:
                raise Refused(f"{folder} already runs something else than {order.name!r}; stop that first")
            if lives:
                return
        anew = _state(folder).get("ended", True) or not order.restart
        (folder / "stop").unlink(missing_ok=True)
        shim_main.write_json(str(folder / "order.json"), _as_json(order))
        _start(folder, anew=anew)


def status(folder: Path) -> Status:
    """What the shim wrote, checked against the processes that are there now."""
    state = _state(folder)
    child = _child(state)
    supervised = _shim_lives(folder)
    lost = child is None and not supervised
    restarts = shim_main.read_json(str(folder / "order.json")).get("restart", False)
    return Status(
        running=child is not None,
        pid=child,
        started=float(state.get("started", 0.0)),
        restarts=int(state.get("restarts", 0)),
        exit_code=state.get("exit_code"),
        ended=bool(state.get("ended", False)) or (lost and not restarts) or (folder / "stop").exists(),
        reason=str(state.get("reason", "")),
    )


def recorded(folder: Path) -> Order | None:
    """The order that was last kept in the folder."""
    found = shim_main.read_json(str(folder / "order.json"))
    if not found:
        return None
    lists = {"argv": tuple(found["argv"]), "reach": tuple(found.get("reach", ()))}
    return Order(**found | lists | {"env": tuple((name, value) for name, value in found["env"])})


def supervised(folder: Path) -> bool:
    """Whether a shim lives in the folder."""
    return _shim_lives(folder)


def stop(folder: Path, grace: float = 5.0) -> None:
    """End the process group: SIGTERM, then SIGKILL after `grace`; the shim leaves. May be repeated."""
    if not folder.is_dir():
        return
    with _alone(folder):
        shim_main.write_json(str(folder / "stop"), {"grace": grace})
        state = _state(folder)
        shim = _living(state, "shim")
        if shim is not None and _shim_lives(folder):
            _signal(shim, signal.SIGTERM)
        if not _left(folder, grace + 3.0) and shim is not None:
            _signal(shim, signal.SIGKILL)  # frozen, or it would have left by now
            _left(folder, 3.0)
        _end_orphan(folder, grace)


def log_of(folder: Path) -> Path:
    """The file to which it prints; emptied when it is full."""
    return folder / "log"


def log_tail(folder: Path, count: int = 8192) -> str:
    """The last bytes that the process printed, as text."""
    parts = b""
    for name in ("log", "log.1"):
        if len(parts) < count:
            parts = _tail(folder / name, count - len(parts)) + parts
    return parts.decode("utf-8", "replace")


# --- the shim -------------------------------------------------------------------------------


def _start(folder: Path, *, anew: bool) -> None:
    command = [sys.executable, "-I", "-S", str(_PROGRAM), str(folder), "anew" if anew else "again"]
    with (folder / "shim.log").open("wb") as log:
        done = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
    try:
        code = done.wait(_STARTING)
    except subprocess.TimeoutExpired:
        done.kill()
        done.wait()
        raise Retry(f"the shim in {folder} did not start within {_STARTING:g} s") from None
    if code not in {0, 3}:  # 3: somebody else's shim was quicker
        said = _tail(folder / "shim.log", 500).decode("utf-8", "replace").strip()
        raise Retry(f"the shim in {folder} did not start: {said or f'it ended with {code}'}")


def _shim_lives(folder: Path) -> bool:
    """A living shim holds the lock; the kernel takes it away from a dead one."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _left(folder: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while _shim_lives(folder):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _wait_for_leaving(folder: Path) -> None:
    if not _left(folder, 10.0):
        raise Retry(f"the process in {folder} is being stopped")


def _end_orphan(folder: Path, grace: float) -> None:
    """End a child whose shim died before it could."""
    state = _state(folder)
    order = shim_main.read_json(str(folder / "order.json"))
    user = order.get("uid") if order.get("uid") in proc.OWN_USERS else None
    child = _child(state)
    if child is None:
        if user is not None:
            proc.sweep(None, user)
        return
    proc.terminate_group(child)
    until = time.monotonic() + grace
    while _child(state) is not None and time.monotonic() < until:
        time.sleep(0.02)
    proc.sweep(child if _child(state) else None, user)


# --- what is on disk, and whether it is still true -------------------------------------------


def _as_json(order: Order) -> dict[str, Any]:
    values = asdict(order)
    lists = {"argv": list(order.argv), "env": [list(pair) for pair in order.env], "reach": list(order.reach)}
    return values | lists


def _state(folder: Path) -> dict[str, Any]:
    return shim_main.read_json(str(folder / "state.json"))


def _child(state: dict[str, Any]) -> int | None:
    return _living(state, "child")


def _living(state: dict[str, Any], who: str) -> int | None:
    """The id of that process where it still is the one that was written down."""
    pid, start = state.get(who) or (0, 0)
    if not pid or state.get("boot") != proc.boot_id():
        return None
    return pid if proc.start_of(pid) == start else None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _tail(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(-min(count, os.fstat(file.fileno()).st_size), os.SEEK_END)
            return file.read(count)
    except FileNotFoundError:
        return b""


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One caller at a time for each folder, also among processes."""
    descriptor = os.open(folder / "caller", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
