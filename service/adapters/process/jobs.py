"""Runs evaluations as processes of this host, each once, with limits, inside an unpacked image."""

from pathlib import Path
from typing import Self

from service import plugins
from service.adapters import log_file
from service.adapters.process import results
from service.adapters.process.sandbox import Sandbox, Unpack, Wish
from service.adapters.process.users import Users
from service.machine import shim
from service.ports.connections import Source
from service.ports.jobs import Job, Result
from service.ports.outcomes import Failed, Gone, Working
from service.ports.printing import Printed
from service.settings import Settings

_NICE = 10  # serving goes first
_VARIABLE = "SEGUE_RESULT"


class ProcessJobs:
    """Jobs live in `<home>/jobs/<name>`; any process of Segue finds them there."""

    def __init__(self, home: Path, unpack: Unpack, users: Users | None = None) -> None:
        self._sandbox = Sandbox(home, "jobs", unpack, users)

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:  # noqa: ARG003
        """Jobs below the home folder, in images of its OCI layout."""
        return cls(settings.home, plugins.load("image_stores", "oci"))

    @property
    def isolation(self) -> str:
        """As whom the processes run."""
        return self._sandbox.isolation

    def start(self, job: Job) -> None:
        """Begin, unless a job of this name runs or has ended well; a failed one starts anew."""
        with self._sandbox.alone(job.name) as folder:
            if isinstance(self.state(job.name), Working | Result):
                return
            env = (*job.env, (_VARIABLE, str(_result(folder)))) if job.writes else job.env
            wish = Wish(job.name, job.image, job.run, job.limits, env)
            order = self._sandbox.order(wish, restart=False, nice=_NICE)
            shim.keep(folder, order)

    def state(self, name: str) -> Working | Result | Failed | Gone:
        """How far it is. A job whose shim was killed gets a new one here, so that limits hold."""
        folder = self._sandbox.folder(name)
        order = shim.recorded(folder)
        if order is None:
            return Gone()
        status = shim.status(folder)
        if status.running and not shim.supervised(folder):
            shim.keep(folder, order)
        if status.running or not status.ended:
            return Working("running")
        return self._outcome(folder, order, status)

    def logs(self, name: str) -> str:
        """The end of what it printed."""
        return shim.log_tail(self._sandbox.folder(name))

    def read_on(self, name: str, mark: str) -> Printed:
        """What it printed behind the mark."""
        return log_file.read_on(shim.log_of(self._sandbox.folder(name)), mark)

    def cancel(self, name: str) -> None:
        """End it; one that has ended is left as it is."""
        folder = self._sandbox.folder(name)
        if isinstance(self.state(name), Working):
            shim.stop(folder)

    def _outcome(self, folder: Path, order: shim.Order, status: shim.Status) -> Result | Failed:
        log = shim.log_tail(folder)
        match status:
            case shim.Status(reason="stopped"):
                return Failed("the job was cancelled", log)
            case shim.Status(reason="time"):
                return Failed(f"the job did not end within {order.seconds:g} s", log)
            case shim.Status(reason="memory"):
                return Failed(f"the job used more memory than its limit of {order.memory >> 20} MiB", log)
            case shim.Status(exit_code=None):
                return Failed("the job's end was not seen, because its shim was killed; run it again", log)
            case shim.Status(exit_code=0):
                writes = any(name == _VARIABLE for name, _ in order.env)
                found = results.read(_result(folder)) if writes else Result(())
                return Failed(found.reason, log) if isinstance(found, Failed) else found
        return Failed(f"the job {ending(status.exit_code)}", log)


def ending(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "ended unseen"
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _result(folder: Path) -> Path:
    return folder / "work" / "result.json"
