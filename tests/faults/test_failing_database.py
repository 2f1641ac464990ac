"""R14 on PostgreSQL: its disk fails at the n-th call of any of its processes, one of them dies in it, or its
file system is full. Intake says 202 only for what is stored, 503 otherwise, and goes on once the database does."""

import errno
import mmap
import random
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from service.intake import Door, create_intake
from service.settings import Settings
from service.store import database
from service.store.inbox import INBOX, Inbox
from tests import conftest
from tests.faults.harness import scaled, seed_of_this_run, told

SYNC, WRITE = 1, 2
NOTHING, DIES = 0, 0
SENDERS, MOST = 4, 80  # deliveries for each failure
LATEST = 12  # the call that fails is one of the first so many
PATIENCE = 60.0  # seconds in which a database that can come back does
SMALL = 112  # MB of a file system that fills up; an empty database takes half of it
BALLAST = 24  # MB that are freed at the end
LARGE = 200_000  # bytes of a delivery
# The driver leaves the sockets of connections that broke to the garbage collector.
BROKEN_SOCKETS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
DURABLE = ("fsync=on", "restart_after_crash=on", "wal_writer_delay=10ms")


class Disk:
    """What the preloaded library counts, in a file that all processes of a server map."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(24))
        path.chmod(0o666)  # the server runs as somebody else
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 24)

    def arm(self, what, nth=0, error=0):
        self._memory[:24] = struct.pack("6i", NOTHING, nth, error, 0, 0, 0)
        self._memory[:4] = struct.pack("i", what)

    @property
    def struck(self):
        return struct.unpack("6i", self._memory[:24])[5]


class Taken:
    """Intake on a database, several senders, and what they were told."""

    def __init__(self, url, home):
        self.engine = database.open_database(url)
        with database.writing(self.engine) as connection:
            INBOX.create_all(connection)
        self.app = create_intake(
            Settings(home=home, allow_unsigned=True),
            Inbox(self.engine),
            lambda _: Door("bare", ()),
            lambda _: None,
        )
        self.acknowledged, self.refused, self._names = {}, 0, iter(range(10**9))
        self.strange = []

    def send(self, body=b""):
        """One delivery; whether it was acknowledged."""
        name = str(next(self._names))
        sent = name.encode() + b" " + body
        answer = self.app.test_client().post("/hooks/git", data=sent, headers={"webhook-id": name})
        if answer.status_code == 202:
            self.acknowledged[int(answer.json["delivery"])] = sent
            return True
        self.refused += 1
        if answer.status_code != 503 or "Retry-After" not in answer.headers:
            self.strange.append((answer.status_code, dict(answer.headers)))
        return False

    def burst(self, until):
        """Several senders at once, until that holds or there were enough."""

        def some():
            for _ in range(MOST // SENDERS):
                if until():
                    return
                self.send()

        senders = [threading.Thread(target=some) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()

    def lost(self):
        """What was acknowledged and is not stored as it was sent."""
        with database.reading(self.engine) as connection:
            rows = connection.execute(text("SELECT id, body FROM delivery")).all()
        stored = {row.id: bytes(row.body) for row in rows}
        return [number for number, body in self.acknowledged.items() if stored.get(number) != body]


@contextmanager
def server(folder=None):
    """A PostgreSQL of our own, not started yet."""
    programs, user = conftest.postgres_programs(), conftest._unprivileged()
    if programs is None or user is None:
        pytest.skip("PostgreSQL is not installed, or there is no user that it may run as")
    made = conftest.Postgres(programs, user, folder)
    try:
        yield made
    finally:
        made.remove()


def comes_back(taken, begin):
    """Start the database again where it has ended; seconds until a delivery is acknowledged."""
    began = time.monotonic()
    while True:
        begin()
        if taken.send():
            return time.monotonic() - began
        assert time.monotonic() - began < PATIENCE, "the database does not come back"
        time.sleep(0.05)


@pytest.fixture
def shared():
    """A file that the server's user may open: pytest's own folders are not for others."""
    with tempfile.NamedTemporaryFile(prefix="segue-disk-") as file:
        yield Path(file.name)


@pytest.mark.faults
@pytest.mark.postgres
@BROKEN_SOCKETS
@pytest.mark.timeout(scaled(300, 3600))
def test_whatever_call_of_a_databases_disk_fails_what_was_acknowledged_is_stored(
    failing_disk, tmp_path, shared
):
    seed, disk, struck, began = seed_of_this_run(), Disk(shared), 0, time.monotonic()
    kinds = [(SYNC, DIES), (SYNC, errno.EIO), (WRITE, DIES), (WRITE, errno.EIO), (WRITE, errno.ENOSPC)]
    dice = random.Random(seed)
    orders = [(*kind, dice.randint(1, LATEST)) for _ in range(scaled(1, 16)) for kind in kinds]
    dice.shuffle(orders)
    with server() as postgres:
        environ = {"LD_PRELOAD": str(failing_disk), "SEGUE_FAILING_DISK": str(disk.path)}

        def begin():
            if postgres.ended:
                postgres.start(*DURABLE, environ=environ)

        begin()
        taken, slowest = Taken(postgres.new_database(), tmp_path), 0.0
        for what, error, nth in orders:
            disk.arm(what, nth, error)
            taken.burst(until=lambda: disk.struck)
            struck += disk.struck > 0
            disk.arm(NOTHING)
            slowest = max(slowest, comes_back(taken, begin))
        lost = taken.lost()
        taken.engine.dispose()
    told(
        "failing disk of PostgreSQL",
        seed=seed,
        seconds=round(time.monotonic() - began),
        failures=len(orders),
        struck=struck,
        acknowledged=len(taken.acknowledged),
        refused=taken.refused,
        slowest_return=f"{slowest:.1f} s",
        lost=len(lost),
    )
    assert lost == []
    assert taken.strange == []
    assert struck >= 0.8 * len(orders)
    assert taken.refused > 0
    assert len(taken.acknowledged) > len(orders)


@contextmanager
def small_file_system():
    """A folder on a file system of its own that has little room."""
    folder = Path(tempfile.mkdtemp(prefix="segue-pg-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}m", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("a small file system cannot be mounted here; that needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@pytest.mark.faults
@pytest.mark.postgres
@BROKEN_SOCKETS
@pytest.mark.timeout(300)
def test_a_database_whose_file_system_is_full_takes_nothing_more_and_loses_nothing(tmp_path):
    seed, began = seed_of_this_run(), time.monotonic()
    dice = random.Random(seed)
    with small_file_system() as folder, server(folder) as postgres:
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(BALLAST * 1_000_000))

        def begin():
            if postgres.ended:
                with suppress(RuntimeError):  # there is no room yet even for that
                    postgres.start(*DURABLE)

        begin()
        taken, in_a_row = Taken(postgres.new_database(), tmp_path), 0
        while in_a_row < 20:  # full, and not only for a moment
            in_a_row = 0 if taken.send(dice.randbytes(LARGE)) else in_a_row + 1
            assert len(taken.acknowledged) * LARGE < SMALL * 1_000_000, "it never filled up"
        before = len(taken.acknowledged)
        ballast.unlink()
        returned = comes_back(taken, begin)
        for _ in range(5):
            taken.send(dice.randbytes(LARGE))
        lost = taken.lost()
        taken.engine.dispose()
    told(
        "full disk of PostgreSQL",
        seed=seed,
        seconds=round(time.monotonic() - began),
        acknowledged_before=before,
        refused=taken.refused,
        acknowledged_after=len(taken.acknowledged) - before,
        came_back_after=f"{returned:.1f} s",
        lost=len(lost),
    )
    assert lost == []
    assert taken.strange == []
    assert before > 0
    assert len(taken.acknowledged) - before == 6
