"""Keeps a set of our own processes running: starts them, starts again what died, ends them all.

Unlike a shim's charges these end with their parent. It knows nothing of what they do.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger()
FIRST_WAIT = 0.2
LONGEST_WAIT = 10.0
GRACE_SECONDS = 10.0
STEADY_SECONDS = 10.0  # what served that long does not crash as it starts, and is needed


@dataclass(slots=True)
class Child:
    """One process by name, and when it may be started again."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait: float = FIRST_WAIT
    not_before: float = 0.0
    restarts: int = 0


@dataclass(slots=True)
class Children:
    """Processes of the module `service.processes`, all with the same environment."""

    names: tuple[str, ...]
    environ: Mapping[str, str]
    output: Path | None  # what they print beside their logs: a traceback of a start; None: as this process
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start them all."""
        self._children = [Child(name) for name in self.names]
        for child in self._children:
            self._spawn(child)

    def tend(self) -> None:
        """Start again what has died; one that dies at once is waited for longer each time."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._died(child, now)
            if child.process is None and now >= child.not_before:
                child.restarts += 1
                self._spawn(child)

    def pid(self, name: str) -> int | None:
        """The number of the process of that name; None while it waits to be started again."""
        return next((c.process.pid for c in self._children if c.name == name and c.process is not None), None)

    def _died(self, child: Child, now: float) -> None:
        code = child.process.returncode if child.process else None
        log.warning("process died", name=child.name, code=code)
        if now - child.started > STEADY_SECONDS:
            child.wait = FIRST_WAIT
        child.process, child.not_before = None, now + child.wait
        child.wait = min(LONGEST_WAIT, child.wait * 2)

    def _spawn(self, child: Child) -> None:
        command = [sys.executable, "-P", "-m", "service.processes", child.name]
        with nullcontext() if self.output is None else self.output.open("ab") as out:
            child.process = subprocess.Popen(
                command, env=dict(self.environ), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        child.started = time.monotonic()

    def end(self) -> None:
        """Ask all to end, and make those that do not."""
        running = [c.process for c in self._children if c.process is not None and c.process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
