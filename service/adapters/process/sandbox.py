"""As whom, where and with what environment a process of an image runs.

When Segue runs as root, each name has a user of its own, who can write its working folder and nothing
else. Otherwise everything runs as Segue's own user, which is for trusted repositories only. No
repository's code sees Segue's environment, secrets or stores.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service.adapters.process.users import Users
from service.machine.shim import Order
from service.ports.jobs import Limits
from service.ports.outcomes import Refused

TRUSTED_ONLY = "jobs and models run as Segue's own user: for trusted repositories only"
OWN_USER = "each job and model runs as a user of its own"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")
_SYS_ADMIN = 1 << 21


class Unpacked(Protocol):
    """An image as a folder of this host. `env`, `argv` and `workdir` name real paths."""

    @property
    def root(self) -> Path: ...

    @property
    def env(self) -> Mapping[str, str]: ...

    @property
    def argv(self) -> tuple[str, ...]: ...

    @property
    def workdir(self) -> Path: ...

    def command(self, run: tuple[str, ...]) -> tuple[str, ...]:
        """Another command inside the image."""
        ...


Unpack = Callable[[Path, str], Unpacked]


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall run: `run` empty means the image's own command; `env` is added last."""

    name: str
    image: str
    run: tuple[str, ...]
    limits: Limits
    env: tuple[tuple[str, str], ...]


class Sandbox:
    """The places of one kind of process: `<home>/<kind>/<name>`, the shim's, with `work` inside."""

    def __init__(self, home: Path, kind: str, unpack: Unpack, users: Users | None = None) -> None:
        self._home = home
        self._kind = kind
        self._unpack = unpack
        self._users = users if users or os.geteuid() != 0 else Users()
        self.isolation = OWN_USER if self._users and _may_mount() else TRUSTED_ONLY

    def folder(self, name: str) -> Path:
        """Where the process of that name lives. Raises `Refused` for what cannot be a folder's name."""
        if not _NAME.fullmatch(name):
            raise Refused(
                f"{name!r} cannot name a process: use letters, digits, '.', '_' and '-', at most 128"
            )
        return self._home / self._kind / name

    def names(self) -> tuple[str, ...]:
        """All that have a folder."""
        place = self._home / self._kind
        return tuple(sorted(p.name for p in place.iterdir() if p.is_dir())) if place.is_dir() else ()

    @contextmanager
    def alone(self, name: str) -> Iterator[Path]:
        """The folder, made where it is missing, while no other caller starts something there."""
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / "starter", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(descriptor)

    def order(self, wish: Wish, *, restart: bool, nice: int = 0) -> Order:
        """Unpack the image, make a fresh working folder, and say how to run."""
        image = self._unpack(self._home, wish.image)
        folder = self.folder(wish.name)
        user = self._user(folder)
        work = fresh(folder / "work", user)
        env = environment(work, wish.limits, image.env, wish.env)
        argv = image.command(wish.run) if wish.run else image.argv
        if not argv:
            raise Refused(f"{wish.name} has no command: neither it nor its image names one")
        program = shutil.which(argv[0], path=dict(env)["PATH"])
        reach = (*_folders(image.root), str(work), *_interpreter(program))
        return Order(
            name=wish.name,
            argv=argv,
            env=env,
            cwd=str(image.workdir),
            uid=user,
            cpu=wish.limits.cpu,
            memory=wish.limits.memory,
            restart=restart,
            seconds=wish.limits.seconds,
            nice=nice,
            reach=reach if user is not None else (),
        )

    def _user(self, folder: Path) -> int | None:
        if self._users is None or self.isolation == TRUSTED_ONLY:
            return None
        return self._users.of(folder)


def environment(
    work: Path, limits: Limits, image: Mapping[str, str], wished: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """All that the process gets to know; later ones win."""
    threads = str(max(1, round(limits.cpu)))
    known = {
        "PATH": SYSTEM_PATH,
        "LANG": "C.UTF-8",
        "HOME": str(work / "home"),
        "TMPDIR": str(work / "tmp"),
        "PYTHONUNBUFFERED": "1",
    }
    known |= {f"{library}_NUM_THREADS": threads for library in _THREADS}
    return tuple(sorted((known | dict(image) | dict(wished)).items()))


def fresh(work: Path, user: int | None) -> Path:
    """An empty working folder that belongs to the user."""
    shutil.rmtree(work, ignore_errors=True)
    for folder in (work, work / "home", work / "tmp"):
        folder.mkdir(mode=0o700)
        if user is not None:
            os.chown(folder, user, user)
    return work


def _folders(root: Path) -> Iterator[str]:
    """The image's folder, and those that links in it lead to: layers are shared between images."""
    yield str(root)
    for place, folders, _ in os.walk(root):
        for name in folders:
            path = Path(place, name)
            if path.is_symlink():
                yield str(path.resolve())


def _interpreter(program: str | None) -> tuple[str, ...]:
    """The folder that a program needs around it: its prefix, where it lies in a `bin`."""
    if program is None:
        return ()
    folders = {Path(program).parent, Path(program).resolve().parent}
    prefixes = {f.parent if f.name == "bin" else f for f in folders}
    return tuple(sorted(str(p) for p in prefixes if str(p) != "/"))


def _may_mount() -> bool:
    """Whether the way to folders below closed ones can be opened: CAP_SYS_ADMIN, as root has by default."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & _SYS_ADMIN)
    return False
