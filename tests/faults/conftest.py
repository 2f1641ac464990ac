"""The two kinds of stores that harnesses run on, set as in production, and the disk that fails below them."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.conftest import postgres_server

HERE = Path(__file__).parent
LONGEST = "tests/faults/test_named_points.py"


def pytest_collection_modifyitems(items):
    """What takes longest begins first: else the other process waits for it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def postgres():
    """A server whose commits are on the disk before it says so."""
    yield from postgres_server(fsync="on")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request):
    """The URL of a new PostgreSQL database; None for SQLite."""
    if request.param == "sqlite":
        return None
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture(scope="session")
def failing_disk():
    """The library that makes the disk fail, compiled here, where a database's user finds it, too."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is installed: apt install gcc")
    with tempfile.TemporaryDirectory(prefix="segue-disk-") as folder:
        built = Path(folder) / "failing_disk.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", built, HERE / "failing_disk.c", "-ldl"]
        subprocess.run(command, check=True)
        Path(folder).chmod(0o755)
        yield built
