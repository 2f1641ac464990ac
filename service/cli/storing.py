"""The store of the installation on this machine, for commands that work on it itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.cli.context import chosen
from service.machine import installation
from service.store.store import Store


@contextmanager
def own_store() -> Iterator[Store]:
    """The store, open. Raises `StartError` where its form is another version's."""
    settings = chosen()
    installation.make_folders(settings.home)
    installation.check_store(settings)
    store = Store.open(settings.store_url("engine"))
    try:
        yield store
    finally:
        store.close()
