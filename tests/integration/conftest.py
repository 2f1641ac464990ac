"""An open engine store with a clock that the test sets."""

import pytest

from service.store.store import Store
from tests import databases


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module", autouse=True)
def _unsynced():
    with databases.unsynced():
        yield


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(database_url, clock):
    store = Store.open(database_url, clock)
    yield store
    store.close()
