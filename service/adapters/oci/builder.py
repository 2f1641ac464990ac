"""Builds images in detached processes, which outlive us and are found again by their folder.

`<home>/builds/<name>` holds the recipe, the log and the result. Whether a build runs is told by a
lock that its process holds: the kernel lets go of it however the process ends, so a killed build is
never taken for a running one. This module starts and watches; it never touches an image's content.
"""

import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from service.adapters import log_file
from service.adapters.oci.blobs import Layout, canonical, exclusive, write_whole
from service.adapters.oci.build import read_result, write_recipe
from service.adapters.oci.collecting import GRACE, forget_builds, gc
from service.adapters.oci.installing import passed
from service.ports.builds import Image, Recipe
from service.ports.connections import Source
from service.ports.outcomes import Failed, Gone, Working
from service.ports.printing import Printed
from service.settings import Settings

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,150}")
_TAIL = 64 << 10
_KILLED = "the builder was killed"
_CANCELLED = "the build was cancelled"


class OciBuilder:
    """The image builder of an embedded installation; images are in `<home>/images`."""

    capabilities = frozenset({"lock"})  # no Dockerfile: nothing of a package is ever executed

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = {**passed(environ), "SEGUE_HOME": str(settings.home)}
        if settings.images is not None:
            self._environ["SEGUE_IMAGES"] = settings.images
        if settings.base is not None:
            self._environ["SEGUE_BASE"] = settings.base
        if settings.git_roots:
            self._environ["SEGUE_GIT_ROOTS"] = ":".join(map(str, settings.git_roots))

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:  # noqa: ARG003
        """The builder of this installation."""
        return cls(settings, os.environ)

    def start(self, recipe: Recipe) -> None:
        """Begin, unless a build of this name runs or has finished well; a failed one starts anew."""
        folder = self._folder(recipe.name)
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "lock"):
            if isinstance(self._look(folder), Working | Image):
                return
            for name in ("result.json", "progress", "process.json"):
                (folder / name).unlink(missing_ok=True)
            write_whole(folder / "recipe.json", write_recipe(recipe))
            self._spawn(folder)

    def state(self, name: str) -> Working | Image | Failed | Gone:
        """How far the build is, told from its folder alone."""
        folder = self._folder(name)
        if not folder.is_dir():
            return Gone()
        with exclusive(folder / "lock"):
            return self._look(folder)

    def cancel(self, name: str) -> None:
        """End the build and all that it started; one that has ended is left as it is."""
        folder = self._folder(name)
        if not folder.is_dir():
            return
        with exclusive(folder / "lock"):
            if isinstance(self._look(folder), Working):
                _kill(folder / "process.json")
                if not (folder / "result.json").exists():
                    write_whole(folder / "result.json", canonical({"failed": _CANCELLED}))

    def logs(self, name: str) -> str:
        """The end of what the build printed."""
        path = self._folder(name) / "log"
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode(errors="replace")

    def read_on(self, name: str, mark: str) -> Printed:
        """What the build printed behind the mark."""
        return log_file.read_on(self._folder(name) / "log", mark)

    def tidy(self, keep: frozenset[str], seconds: float) -> None:
        """Remove images that are not to be kept, and what builds printed, once older than this."""
        gc(self._settings.home, keep, max(seconds, GRACE))
        forget_builds(self._settings.home, seconds)

    def _look(self, folder: Path) -> Working | Image | Failed | Gone:
        running = _held(folder / "running")  # asked first: what is dead now has written all it will
        if (folder / "result.json").is_file():
            found = read_result((folder / "result.json").read_bytes())
            if isinstance(found, str):
                return Failed(found, self.logs(folder.name))
            there = Layout(self._settings.home).blob(found.digest).is_file()
            return found if there else Gone()
        if running:
            progress = folder / "progress"
            return Working(progress.read_text() if progress.is_file() else "starting")
        if (folder / "process.json").is_file():
            return Failed(_KILLED, self.logs(folder.name))
        return Gone()

    def _spawn(self, folder: Path) -> None:
        running = os.open(folder / "running", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(running, fcntl.LOCK_EX)
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "service.adapters.oci.build", str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environ,
                    cwd=folder,
                    start_new_session=True,
                    pass_fds=[running],  # the lock lives as long as the process does
                )
        finally:
            os.close(running)
        started = psutil.Process(process.pid).create_time()
        write_whole(folder / "process.json", canonical({"pid": process.pid, "started": started}))
        threading.Thread(target=process.wait, daemon=True).start()  # so that it leaves no zombie

    def _folder(self, name: str) -> Path:
        plain = name if _PLAIN.fullmatch(name) else "x-" + hashlib.sha256(name.encode()).hexdigest()
        return self._settings.home / "builds" / plain


def _held(path: Path) -> bool:
    """Whether a process holds the lock."""
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _kill(path: Path) -> None:
    """End the session of the process that the file names, if it is still that process."""
    if not path.is_file():
        return
    known = json.loads(path.read_bytes())
    try:
        process = psutil.Process(known["pid"])
        if abs(process.create_time() - known["started"]) > 1:
            return
        os.killpg(known["pid"], signal.SIGKILL)
        process.wait(10)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired, ProcessLookupError):
        return
