"""Runs git on a repository that is not trusted: nothing in it runs, nothing of it grows without limit.

GitPython starts the process, here and nowhere else, always from an argument list. The environment
is made anew, so that neither ours nor a user's settings reach git; what a repository's own settings
could start (hooks, transports, a file system monitor) is switched off. Run as root, git becomes the
repository's owner: what it writes can then be read, and written over, by whoever pushes there.
"""

import os
import resource
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from service.ports.outcomes import Refused, Retry

SECONDS = 60.0  # for one command, or for one answer of a command that answers many times
MOST_OUTPUT = 64 << 20
_MOST_SAID = 4096
_CHUNK = 1 << 16
_ENVIRON = {
    "PATH": os.defpath,
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    # A repository may name a remote to fetch missing objects from, and the program that fetches.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}
_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.fsync=committed,reference",
    "core.filesRefLockTimeout=1000",
    "gc.auto=0",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished command: its exit status, what it printed, and the end of what it complained of."""

    status: int
    out: bytes
    said: str


@dataclass(frozen=True, slots=True)
class Reach:
    """What a command that speaks to a host over HTTP may do beyond others. `config` is the path of a file of
    git's settings, for this host's login among them; `largest` the most bytes that one file may get."""

    config: str
    seconds: float
    largest: int


class TooMuch(Refused):
    """Git prints more than can be used."""


def run(folder: Path, *words: str, data: bytes = b"", reach: Reach | None = None) -> Ended:
    """Run one command to its end. Raises `TooMuch`, or `Retry` where it takes too long."""
    with Running(folder, *words, reach=reach) as running:
        running.send(data, last=True)
        out = running.rest()
        return Ended(running.wait(), out, running.said)


class Running:
    """A git process with a deadline. Its three pipes are served together, so that none fills up."""

    def __init__(self, folder: Path, *words: str, reach: Reach | None = None) -> None:
        self._words = words
        self._seconds = reach.seconds if reach else SECONDS
        self._handle = _started(folder, words, reach)  # ends the process when it is collected
        self._process: subprocess.Popen[bytes] = self._handle.proc
        self._stdin = _pipe(self._process.stdin)
        self._stdout, self._stderr = _pipe(self._process.stdout), _pipe(self._process.stderr)
        self._out, self._said, self._data = bytearray(), bytearray(), bytearray()
        self._last = False
        self._deadline = time.monotonic() + self._seconds
        os.set_blocking(self._stdin.fileno(), False)
        self._pipes = selectors.PollSelector()
        self._pipes.register(self._stdout, selectors.EVENT_READ, self._read)
        self._pipes.register(self._stderr, selectors.EVENT_READ, self._hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, whatever it is doing."""
        self._pipes.close()
        self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._stderr):
            pipe.close()

    @property
    def said(self) -> str:
        """The end of what it complained of."""
        return self._said.decode("utf-8", "replace").strip()

    def send(self, data: bytes, *, last: bool = False) -> None:
        """Give it this to read, after which nothing follows if it is the last. The deadline starts anew."""
        if not self._data and not self._last:
            self._pipes.register(self._stdin, selectors.EVENT_WRITE, self._feed)
        self._data += data
        self._last = last
        self._deadline = time.monotonic() + self._seconds

    def until(self, end: bytes) -> bytes:
        """Its next piece that ends so, without the end; b"" where it has ended. Raises `TooMuch`."""
        while (at := self._out.find(end)) < 0:
            if len(self._out) > MOST_OUTPUT:
                raise self._too_much()
            if not self._more():
                return b""
        return self._taken(at + 1)[:-1]

    def exactly(self, size: int) -> bytes:
        """So many bytes of its output; fewer where it has ended."""
        while len(self._out) < size and self._more():
            pass
        return self._taken(size)

    def rest(self) -> bytes:
        """All that it still prints. Raises `TooMuch`."""
        while self._more():
            if len(self._out) > MOST_OUTPUT:
                raise self._too_much()
        return self._taken(len(self._out))

    def wait(self) -> int:
        """Its exit status, once all its pipes have ended."""
        while self._pipes.get_map():
            self._serve()
        try:
            return self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise self._late() from None

    def _taken(self, size: int) -> bytes:
        found = bytes(self._out[:size])
        del self._out[:size]
        return found

    def _more(self) -> bool:
        """Serve the pipes until there is more output; False where there will be none."""
        before = len(self._out)
        while len(self._out) == before and self._stdout in self._pipes.get_map():
            self._serve()
        return len(self._out) > before

    def _serve(self) -> None:
        ready = self._pipes.select(max(0.0, self._deadline - time.monotonic()))
        if not ready:
            raise self._late()
        for key, _ in ready:
            key.data()

    def _read(self) -> None:
        found = os.read(self._stdout.fileno(), _CHUNK)
        self._out += found
        if not found:
            self._pipes.unregister(self._stdout)

    def _hear(self) -> None:
        found = os.read(self._stderr.fileno(), _CHUNK)
        self._said = (self._said + found)[-_MOST_SAID:]
        if not found:
            self._pipes.unregister(self._stderr)

    def _feed(self) -> None:
        try:
            del self._data[: os.write(self._stdin.fileno(), self._data[:_CHUNK])]
        except BrokenPipeError:  # it has ended; its status says why
            self._data.clear()
        if not self._data:
            self._pipes.unregister(self._stdin)
            if self._last:
                self._stdin.close()

    def _too_much(self) -> TooMuch:
        return TooMuch(
            f"git {self._words[0]} prints more than {MOST_OUTPUT >> 20} MiB; keep data out of the repository"
        )

    def _late(self) -> Retry:
        return Retry(
            f"git {self._words[0]} did not answer within {self._seconds:g} s; is the repository slow?",
            10.0,
        )


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 (all three were asked for)
    return pipe


def _started(folder: Path, words: tuple[str, ...], reach: Reach | None) -> Any:
    # GitPython runs git when it is imported, and fails where there is none.
    try:
        from git import Git, GitCommandNotFound  # noqa: PLC0415
    except ImportError as reason:
        raise Retry("git is not installed here; install it, for example: apt install git", 10.0) from reason
    options = [word for option in _OPTIONS for word in ("-c", option)]
    more = {"GIT_CONFIG_GLOBAL": reach.config, "GIT_ALLOW_PROTOCOL": "http:https"} if reach else {}
    environ = [f"{name}={value}" for name, value in (_ENVIRON | more).items()]
    # GitPython adds to our own environment; env is what can take it away.
    argv = ["env", "-i", *environ, "git", f"--git-dir={folder}", *options, *words]
    try:
        handle = Git("/").execute(
            argv,
            istream=subprocess.PIPE,
            as_process=True,
            with_exceptions=False,
            shell=False,
            **_owner(folder),
        )
    except (GitCommandNotFound, OSError) as reason:
        raise Retry(f"git cannot be started: {reason}", 5.0) from reason
    if reach is not None:
        _limit(handle.proc.pid, reach.largest)
    return handle


def _limit(pid: int, largest: int) -> None:
    """No file that it or its children write gets larger: what a host sends has no other bound."""
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, largest))
    except ProcessLookupError:  # it has ended; its status says why
        return


def _owner(folder: Path) -> dict[str, Any]:
    """Whom to run as: the repository's owner where we may choose, else ourselves.

    Git's own check of the owner is for folders that it finds; `--git-dir` names this one.
    """
    found = folder.stat()
    if os.geteuid() != 0 or found.st_uid == 0:
        return {}
    return {"user": found.st_uid, "group": found.st_gid, "extra_groups": ()}
