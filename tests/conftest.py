"""Servers for tests: databases, and one PostgreSQL and one MLflow server for the whole run."""

import gc
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import structlog
from alembic import command
from hypothesis import settings
from pg8000.dbapi import connect

from service.demo.mlflow_server import PYTHON, MlflowServer
from tests import databases, imaging
from tests.running import free_port

# How long an example takes says something of the machine, and nothing of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HERE = Path(__file__).parent
MLFLOW = HERE.parent / PYTHON


# What starts most processes, and so waits most, begins: what is short fills the gaps at the end.
ORDER = ("integration", "contracts", "faults", "fuzz", "scenarios")


def pytest_collection(session):
    """Ten thousand tests are half a million objects, all of which stay: nothing is looked for meanwhile, a third
    of the time, nor are they looked through again each time that something is looked for later."""
    del session
    gc.disable()


def pytest_collection_finish(session):
    del session
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """Where two processes share the run, each is given whole files in this order."""
    folders = {item: item.path.relative_to(HERE).parts[0] for item in items}
    items.sort(key=lambda item: ORDER.index(folders[item]) if folders[item] in ORDER else len(ORDER))


@pytest.fixture(scope="session", autouse=True)
def _migrated_once():
    """Alembic makes the first database of each kind; later ones are made by what it sent."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(command, "upgrade", databases.upgrade)
        yield


# structlog's own way to show an error, with every variable of every frame, takes half a second of the processor.
CONSOLE = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


@pytest.fixture(autouse=True)
def _plain_tracebacks():
    """What is shown here of logs shows errors as Python does; each time, since some reset it."""
    *others, shows = structlog.get_config()["processors"]
    if isinstance(shows, structlog.dev.ConsoleRenderer):
        structlog.configure(processors=[*others, CONSOLE])


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request, tmp_path):
    """A new and empty database, once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'stores' / 'store.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of our own, on a unix socket only; skipped where none is installed."""
    # It would visit each of the hundreds of databases once a minute.
    yield from postgres_server("off", "autovacuum=off")


def postgres_server(fsync, *settings):
    """One that runs until it is not needed any more; `fsync` "on" where what survives its death is the point."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql/*/bin")
    user = _unprivileged()
    if user is None:
        pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
    server = Postgres(programs, user, fsync=fsync)
    try:
        server.start(*settings)
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """A real MLflow server, shared by the run: use names of your own."""
    if not MLFLOW.exists():
        pytest.skip(f"{MLFLOW} is not there; `make test` installs it")
    server = MlflowServer(MLFLOW, tmp_path_factory.mktemp("mlflow"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def image_registry(tmp_path_factory):
    """A real image registry, shared by the run: use repositories of your own."""
    if imaging.program() is None:
        pytest.skip("no image registry is installed: apt install docker-registry")
    server = imaging.ImageServer(tmp_path_factory.mktemp("registry"))
    try:
        yield server.start()
    finally:
        server.stop()


class Postgres:
    """A throw-away server."""

    def __init__(self, programs: Path, user: str, folder: Path | None = None, fsync: str = "off") -> None:
        self._programs, self._fsync = programs, fsync
        self._as_user = _as_user(user)
        self.folder = folder or Path(tempfile.mkdtemp(prefix="segue-pg-"))
        self._numbers = itertools.count(1)
        self._process = None
        if os.geteuid() == 0:
            account = pwd.getpwnam(user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", self.folder / "data", "-U", "segue", "-A", "trust", "-N", "-E", "UTF8")

    def start(self, *more: str, environ: dict[str, str] | None = None) -> None:
        """Start it, and wait until it answers. `more` are settings such as `fsync=on`."""
        settings = ("listen_addresses=", f"fsync={self._fsync}", "max_connections=60", *more)
        options = [word for setting in settings for word in ("-c", setting)]
        command = [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, *map(str, command)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **(environ or {})},
            )
        deadline = time.monotonic() + 120  # after a crash it recovers first
        while self._run("pg_isready", "-q", "-h", self.folder, check=False) != 0:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text()[-4000:])
            time.sleep(0.05)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """All its processes stop: connections stay open, and new ones are taken by the kernel alone."""
        first = self._process.pid
        pids = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself, or was never started."""
        return self._process is None or self._process.poll() is not None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT is fast, SIGQUIT is at once and recovers at the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """End it and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> str:
        """The URL of a new and empty database."""
        name = f"test{next(self._numbers)}"
        socket = f"{self.folder}/.s.PGSQL.5432"
        with closing(connect("segue", database="postgres", unix_sock=socket)) as admin:
            admin.autocommit = True
            admin.cursor().execute(f"CREATE DATABASE {name}")
        return f"postgresql://segue@/{name}?unix_sock={socket}"

    def _run(self, program: str, *arguments: object, check: bool = True) -> int:
        command = [*self._as_user, str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, cwd=self.folder)
        if check and done.returncode != 0:
            raise RuntimeError(done.stderr.decode())
        return done.returncode


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's programs, of its newest version here; None where there is none."""
    places = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {account.pw_name for account in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def _as_user(user: str) -> list[str]:
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam(user)
    ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}"]
    # Not su or runuser: those stand between us and the server, and do not hand signals on.
    return ["setpriv", *ids, "--clear-groups"]
