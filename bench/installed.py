"""A whole installation in a temporary folder, run by `segue up` as people run it, and ended whole."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service import settings
from service.settings import Settings

PATIENCE = 60.0


@dataclass(slots=True)
class Installation:
    """One `segue up`, its settings, and how long it took to say that it is ready.

    `before` are words that its command begins with, such as a program that starts it somewhere else.
    """

    settings: Settings
    environ: dict[str, str]
    broker: str
    process: subprocess.Popen[str] | None = None
    seconds: float = 0.0
    before: tuple[str, ...] = ()

    def start(self) -> None:
        """Run `segue up`, and wait until it says that it is ready."""
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [*self.before, *SEGUE, "up", "--broker", self.broker],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.rstrip().endswith("  ready"):
                self.seconds = time.perf_counter() - began
                return
        raise RuntimeError("segue up ended:\n" + "".join(said))

    def stop(self) -> None:
        """End `segue up` as Ctrl-C does; the router and the models go on."""
        if self.process is None:
            return
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)
        self.process = None

    def segue(self, *words: str) -> str:
        """What a command prints."""
        done = subprocess.run([*SEGUE, *words], env=self.environ, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"segue {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def remove(self) -> None:
        """End everything, and leave no file."""
        self.stop()
        self.segue("down", "--all", "--yes")
        shutil.rmtree(self.settings.home.parent)


SEGUE = (sys.executable, "-c", "from service.cli import main; main()")


@contextmanager
def installation(broker: str = "embedded", **more: str) -> Iterator[Installation]:
    """An installation that is not started yet; `more` are `SEGUE_*` variables without their beginning."""
    # Below a folder that others may pass: models run as users of their own.
    folder = Path(tempfile.mkdtemp(prefix="segue-bench-"))
    folder.chmod(0o755)
    ports = dict(zip(("INTAKE_PORT", "WEB_PORT", "ROUTER_PORT"), map(str, free_ports(3)), strict=True))
    wanted = {"HOME": str(folder / "home"), "GIT_ROOTS": str(folder), **ports, **more}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEGUE_")}
    environ |= {f"SEGUE_{name}": value for name, value in wanted.items()}
    made = Installation(settings.read(environ), environ, broker)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left behind then, either
    try:
        yield made
    finally:
        made.remove()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
