"""A bare copy of a host's repository, below `<home>/mirrors`: fetched over HTTP, read like any other.

It holds the host's branches and tags and nothing else. Commits that were pushed over stay readable. One
process fetches at a time; the others read meanwhile. It may be removed: it is fetched anew.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.adapters.repository.reading import Reader, checked
from service.adapters.repository.running import Ended, Reach, run
from service.adapters.unanswered import Unvouched
from service.ports.outcomes import Refused, Retry

LARGEST = 8 << 30  # bytes of one pack
SECONDS = 600.0  # of one fetch; a host that sends nothing for `SILENT` seconds is given up before
PACKS = 40  # above, they are made one
SILENT = 20
_PATIENCE = 60.0  # until another process has fetched
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_FETCH = ("fetch", "--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
          "--no-auto-maintenance", "--force")  # fmt: skip
_PUSH = ("push", "--quiet", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
_MOVED = ("failed to update ref", "cannot lock ref", "fetch first")
_MOST_SAID = 500
_GONE = ("not found", "error: 404", "error: 410")
_UNVOUCHED = ("certificate verification failed", "SSL certificate problem")  # by GnuTLS, by OpenSSL
_DENIED = ("Authentication failed", "error: 401", "error: 403", "could not read Username")


@dataclass(frozen=True, slots=True)
class Way:
    """How the host is reached: a header's value, a proxy's address, a file of authorities; "" for none."""

    authorization: str
    proxy: str = ""
    certificates: str = ""


class Mirror(Reader):
    """One repository's copy."""

    def __init__(self, folder: Path, url: str, page: str, source: str) -> None:
        """`url` is fetched from; `page` is what people know the repository by."""
        super().__init__(page, self._there)
        self._folder_on_disk = folder
        self._url = url
        self._page = page
        self._source = source

    def _there(self) -> Path:
        folder = self._folder_on_disk
        if not (folder / "HEAD").is_file():
            raise Retry(f"{self._page} was not fetched yet", 1.0)
        return folder

    def has(self, commit: str) -> bool:
        """Whether the commit is here already. Raises `Refused` for what is no commit's id."""
        if not (self._folder_on_disk / "HEAD").is_file():
            checked(commit)
            return False
        return super().has(commit)

    def fetch(self, way: Way) -> None:
        """Have it hold what the host holds now. Raises `Retry`, and `Refused` for what is too large."""
        with self.alone("fetching"), _config(way) as config:
            self._prepare()
            ended = run(
                self._there(), *_FETCH, "--", self._url, *_REFS, reach=Reach(config, SECONDS, LARGEST)
            )
            if ended.status != 0:
                raise self._failed(ended.said)
            self._pack()

    def push(self, branch: str, tip: str, made: bytes, way: Way) -> str | None:
        """Make a commit, as `fast-import` reads it, and push it to a branch that still names `tip` there; its
        id, or None where the branch names something else. Raises `Refused` or `Retry`, as the host does."""
        with self.alone("fetching"), _config(way) as config:
            ended = self.command("fast-import", "--quiet", "--done", data=made)
            commit, name = ended.out.decode().strip(), f"refs/heads/{branch}"
            if not commit:
                raise Retry(f"no commit can be made in {self._folder_on_disk}: {ended.said[-500:]}", 5.0)
            only = (f"--force-with-lease={name}:{tip}", "--", self._url, f"{commit}:{name}")
            told = run(self._there(), *_PUSH, *only, reach=Reach(config, SECONDS, LARGEST))
        if told.status == 0:
            return commit
        if (why := self._refusal(branch, told)) is not None:
            raise why
        return None

    def command(self, *words: str, data: bytes = b"") -> Ended:
        """A git command that speaks to nobody."""
        return run(self._there(), *words, data=data)

    def _refusal(self, branch: str, told: Ended) -> Refused | Retry | None:
        """What the host meant; None where others were first.

        Contract: `git push --porcelain`, whose line for a branch ends with the reason.
        """
        lines = told.out.decode("utf-8", "replace").splitlines()
        line = next((one for one in lines if one.startswith("!")), "")
        if "[rejected]" in line or any(word in line for word in _MOVED):
            return None
        said = [one.removeprefix("remote:").strip() for one in told.said.splitlines() if "remote:" in one]
        why = "; ".join(one for one in said if one)[:_MOST_SAID] or line.rpartition("\t")[2]
        if "[remote rejected]" in line:
            return Refused(f"{self._page} does not take a commit to {branch} from Segue: {why}")
        if any(word in told.said for word in _DENIED):
            return Refused(
                f"{self._page} does not let the login of {self._source} push to it; write a token that may"
                f" into the secret file login-{self._source}"
            )
        return self._failed(told.said)

    def _prepare(self) -> None:
        """Make it where it is not there, and take away what a killed fetch left."""
        folder = self._folder_on_disk
        if not (folder / "HEAD").is_file():
            ended = run(folder, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
            if ended.status != 0:
                raise Retry(f"{folder} cannot be made: {ended.said}", 30.0)
        self._clean()

    def _clean(self) -> None:
        folder = self._folder_on_disk
        for left in (*folder.rglob("*.lock"), *self._unfinished()):
            left.unlink(missing_ok=True)

    def _unfinished(self) -> list[Path]:
        return list(self._folder_on_disk.glob("objects/pack/tmp_*"))

    def _pack(self) -> None:
        packs = len(list(self._folder_on_disk.glob("objects/pack/*.pack")))
        if packs > PACKS:
            run(self._folder_on_disk, "repack", "-a", "-d", "-k", "-q")

    def _failed(self, said: str) -> Retry | Refused:
        largest = max((left.stat().st_size for left in self._unfinished()), default=0)
        self._clean()
        if largest >= LARGEST:  # a signal ended git there; it says nothing of it
            return Refused(
                f"{self._page} sends more than {LARGEST >> 20} MiB; keep data out of the repository"
            )
        lines = [line for line in said.splitlines() if line.strip()]
        last = lines[-1].strip() if lines else "it said nothing"
        if any(word in said for word in _DENIED):
            return Refused(
                f"{self._page} does not let the login of {self._source} read it; write a token that may into"
                f" the secret file login-{self._source}"
            )
        if any(word in said for word in _UNVOUCHED):
            return Unvouched(f"{self._page} cannot be fetched", 10.0)
        if any(word in said for word in _GONE):
            return Retry(f"{self._page} is gone, or hidden from the login of {self._source}", 30.0)
        return Retry(f"{self._page} cannot be fetched now ({last})", 10.0)

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Hold the lock of what only one process may do; it ends with the process that holds it."""
        folder = self._folder_on_disk
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / f"segue-{what}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + _PATIENCE
            while not _locked(descriptor):
                if time.monotonic() > until:
                    raise Retry(f"another process is {what} {self._page}", 5.0)
                time.sleep(0.05)
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _config(way: Way) -> Iterator[str]:
    """A file of git's settings that exists in memory alone: a login is in no argument and on no disk."""
    lines = [
        "[http]",
        "followRedirects = false",
        "lowSpeedLimit = 1",
        f"lowSpeedTime = {SILENT}",
        *([f"extraHeader = {_quoted('Authorization: ' + way.authorization)}"] if way.authorization else []),
        *([f"proxy = {_quoted(way.proxy)}"] if way.proxy else []),
        *([f"sslCAInfo = {_quoted(way.certificates)}"] if way.certificates else []),
        "[credential]",
        "helper =",
        "[fetch]",
        "unpackLimit = 1",
    ]
    descriptor = os.memfd_create("segue-git")
    try:
        os.write(descriptor, "\n".join([*lines, ""]).encode())
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
