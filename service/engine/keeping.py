"""Keeps the lease of work in hand that takes longer than a lease lasts, such as a repository's first fetch.

A process that stands still renews nothing, and one that hangs only for `LONGEST_SECONDS`: others go on then.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from service.errors import StoreError
from service.store.queue import LEASE_SECONDS, Lost, Work
from service.store.store import Store

EVERY_SECONDS = LEASE_SECONDS / 3
LONGEST_SECONDS = 1200.0  # twice what the longest single wait for an answer may take
STORE_ONLY = frozenset({"evidence", "Wake", "command", "housekeeping"})  # work that calls nobody
log = structlog.get_logger()


@contextmanager
def kept(store: Store, work: Work, every: float = EVERY_SECONDS) -> Iterator[None]:
    """Renew the lease meanwhile, every so many seconds, while it is ours."""
    if work.kind in STORE_ONLY:
        yield
        return
    done = threading.Event()
    threading.Thread(target=_keep, args=(store, work, done, every), name="keep", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _keep(store: Store, work: Work, done: threading.Event, every: float) -> None:
    for _ in range(int(LONGEST_SECONDS / every)):
        if done.wait(every):
            return
        try:
            store.renew(work)
        except Lost:
            return
        except StoreError:
            log.warning("lease not renewed", work=work.id, exc_info=True)
    log.warning("takes too long", work=work.id, kind=work.kind)
