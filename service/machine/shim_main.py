"""The shim: a tiny process that keeps one other process alive and outlives Segue.

Run by path with `python -I -S`, so it must import nothing but the standard library's cheap parts and
the two modules beside it that do the same. `service/machine/shim.py` starts it and reads what it writes.
In its folder:

    order.json  what to run, written before the shim starts
    state.json  who runs now, written by the shim, always whole
    lock        locked for as long as a shim lives here
    stop        written by `stop`; from then on nothing is started again
    log, log.1  what the process printed; both together stay below the order's cap

A shim that is killed leaves its child running. The next shim adopts it by process id and start
time, which together name one process until the machine boots again.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from typing import Any

if not __package__:  # run by path, not imported
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from service.machine.proc import OWN_USERS, boot_id, proportional, resident, start_of, sweep, terminate_group
from service.machine.shim_child import become

# Seconds: back-off, and a life that resets it: what served that long does not crash as it starts.
FIRST_PAUSE, LONGEST_PAUSE, STEADY = 0.2, 10.0, 10.0
TICK, QUICK = 0.5, 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
_WAKING = (signal.SIGCHLD, signal.SIGTERM)


def write_json(path: str, value: object) -> None:
    """Replace the file in one step."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(f"{path}.new", flags, 0o600)
    try:
        os.write(descriptor, json.dumps(value).encode())
    finally:
        os.close(descriptor)
    os.replace(f"{path}.new", path)  # noqa: PTH105


def read_json(path: str) -> dict[str, Any]:
    """What is written there; nothing where there is nothing whole."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Shim:
    """The life of one order. The current folder is the shim's."""

    def __init__(self, order: dict[str, Any], state: dict[str, Any]) -> None:
        self.order = order
        self.stopping = False
        self.own = False  # our child, or one adopted
        self.child: tuple[int, int] | None = None
        self.log_size = 0
        self.state: dict[str, Any] = {
            "boot": boot_id(),
            "shim": [os.getpid(), start_of(os.getpid())],
            "child": None,
            "started": 0.0,
            "restarts": int(state.get("restarts", 0)),
            "exit_code": state.get("exit_code"),
            "ended": False,
            "reason": "",
        }
        self._adopt(state)

    def _adopt(self, state: dict[str, Any]) -> None:
        pid, start = state.get("child") or (0, 0)
        if not pid:
            return
        if state.get("boot") == self.state["boot"] and start_of(pid) == start:
            self.child = (pid, start)
            self.state |= {"child": [pid, start], "started": state["started"]}
        else:
            self.state["restarts"] += 1

    def forget(self) -> None:
        """Begin as if nothing had run here before."""
        self.state |= {"restarts": 0, "exit_code": None}
        for name in ("log", "log.1"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)  # noqa: PTH108

    def run(self, ready: int) -> None:
        """Until the process has ended for good, or is told to stop."""
        pause = FIRST_PAUSE
        if self.child is None:
            self._spawn()
        else:
            self._record()
        os.write(ready, b"1")
        os.close(ready)
        while True:
            code, reason, life = self._watch()
            self.state |= {"child": None, "exit_code": code, "reason": reason}
            pause = FIRST_PAUSE if life > STEADY else pause
            if self.order["restart"]:
                self._record()
                self._pause(pause)
            if self.stopping or not self.order["restart"]:
                return self._leave()
            pause = min(pause * 2, LONGEST_PAUSE)
            self.state["restarts"] += 1
            self._spawn()

    def _leave(self) -> None:
        """Say that it is over. A machine that shuts down also tells us to stop, but not for good."""
        asked = os.path.exists("stop")  # noqa: PTH110
        self.state["ended"] = asked or not self.order["restart"]
        if asked:
            self.state["reason"] = "stopped"
        self._record()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopping and (left := until - time.monotonic()) > 0:
            self._sleep(left)

    def _record(self) -> bool:
        """Write the state; False where that failed."""
        try:
            write_json("state.json", self.state)
        except OSError:
            self._notice_removal()
            return False
        return True

    def _notice_removal(self) -> None:
        """A disk may be full for a while, but nobody will ever look into a folder that was removed."""
        with contextlib.suppress(OSError):
            self.stopping = self.stopping or os.stat(".").st_nlink == 0  # noqa: PTH116

    def _spawn(self) -> None:
        """Start the process. It waits for our word until its name is on disk, so that none is lost."""
        self._cap_log()
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(tell)
            become(self.order, told)
        os.close(told)
        self.own, self.child = True, (pid, start_of(pid) or 0)
        self.state |= {"child": list(self.child), "started": time.time(), "reason": ""}
        if self._record():
            os.write(tell, b"1")
        os.close(tell)

    # --- watching -----------------------------------------------------------------------

    def _watch(self) -> tuple[int | None, str, float]:
        """Wait for the child's end. Returns its exit code, who ended it and how long it lived."""
        assert self.child is not None  # noqa: S101  the caller looked
        pid, start = self.child
        reason = ""
        while not self._exited():
            if self.stopping or reason:
                self._terminate(patient=reason != "memory")
                break
            self._sleep(self._cap_log())
            reason = self._over_limits(pid, start)
        life = time.clock_gettime(time.CLOCK_BOOTTIME) - start / _TICKS
        self._sweep()
        self._cap_log()
        code = None
        if self.own:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.child = None
        return code, reason, life

    def _exited(self) -> bool:
        """Whether the child is no more; ours is left unreaped, which keeps its id from new owners."""
        assert self.child is not None  # noqa: S101
        pid, start = self.child
        if self.own:
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        return start_of(pid) != start

    def _over_limits(self, pid: int, start: int) -> str:
        limit, seconds = self.order["memory"], self.order["seconds"]
        if seconds and time.clock_gettime(time.CLOCK_BOOTTIME) - start / _TICKS > seconds:
            return "time"
        if limit and resident(pid) > limit and proportional(pid) > limit:
            return "memory"
        return ""

    def _sleep(self, seconds: float) -> None:
        """Until that long has passed, the child ends or somebody says stop."""
        if not self.own and self.child:
            seconds = min(seconds, 0.2)  # nobody tells us of the end of an adopted child
        seen = signal.sigtimedwait(_WAKING, seconds)
        if (seen is not None and seen.si_signo == signal.SIGTERM) or os.path.exists("stop"):  # noqa: PTH110
            self.stopping = True

    def _cap_log(self) -> float:
        """Move a full log aside. Returns how soon to look again: soon while it grows quickly."""
        half = self.order["log_bytes"] // 2
        try:
            size = os.stat("log").st_size  # noqa: PTH116
            if size > half:
                _move_aside("log", half)
        except OSError:
            self._notice_removal()
            return TICK
        grown, self.log_size = size - self.log_size, 0 if size > half else size
        if grown > half // 8:
            return QUICK
        return TICK / 2 if self.order["memory"] or self.order["seconds"] else TICK

    # --- ending -------------------------------------------------------------------------

    def _terminate(self, *, patient: bool) -> None:
        """Ask the child's group to end, and wait for as long as is granted."""
        assert self.child is not None  # noqa: S101
        until = time.monotonic() + (float(read_json("stop").get("grace", 5.0)) if patient else 0.0)
        if patient:
            terminate_group(self.child[0])
        while not self._exited() and time.monotonic() < until:
            signal.sigtimedwait((signal.SIGCHLD,), QUICK)

    def _sweep(self) -> None:
        """Kill what is left of the child's session, and of its user where the user is its own."""
        assert self.child is not None  # noqa: S101
        pid, start = self.child
        whole = self.own or start_of(pid) == start  # a dead stranger's session id may be anybody's
        user = self.order["uid"] if self.order["uid"] in OWN_USERS else None
        sweep(pid if whole else None, user)
        while self.own and not self._exited():
            os.kill(pid, signal.SIGKILL)  # ours and not reaped, so the id is still its own
            time.sleep(0.01)


def _move_aside(name: str, keep: int) -> None:
    """Copy the log's tail and empty it in place: its writer holds it open, for appending."""
    with open(name, "r+b") as log, open(f"{name}.1", "wb") as old:  # noqa: PTH123
        log.seek(-min(keep, os.fstat(log.fileno()).st_size), os.SEEK_END)
        left = keep
        while left > 0 and (block := log.read(min(left, 65536))):
            old.write(block)
            left -= len(block)
        log.truncate(0)


def main(folder: str, how: str) -> int:
    """Go to the background; 0 once the process runs there, 3 where another shim is at work.

    `how` is `anew`, to forget earlier lives, or `again`.
    """
    os.umask(0o077)
    os.chdir(folder)
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return {b"1": 0, b"3": 3}.get(os.read(told, 1), 1)
    os.close(told)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAKING)
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _locked(lock):
        os.write(tell, b"3")
        return 0
    shim = Shim(read_json("order.json"), read_json("state.json"))
    if how == "anew" and shim.child is None:
        shim.forget()
    shim.run(tell)
    return 0


def _locked(lock: int) -> bool:
    """Those who look whether a shim lives hold the lock for a moment; a shim holds it for long."""
    for _ in range(100):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
