"""Copies a version's weights from a bucket and proves them: `python3 -m service.adapters.buckets.copy`.

Runs in a pod before its model does, with nothing of Segue's but this image. Each file is what the list of
sums says, and the list is the one that the release was made with; anything else ends it with code 1, and the
last line says why. It opens no file that it copies.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import requests

from service.adapters.buckets.identity import Identity
from service.adapters.buckets.order import LIST, VARIABLE, Order, listed, read_order
from service.adapters.buckets.signing import request
from service.adapters.steady import steady
from service.ports.outcomes import PortError, Refused, Retry

T = TypeVar("T")
_SECONDS = (10.0, 60.0)  # to connect, and between two pieces
_PIECE = 1 << 20
_LARGEST_LIST = 8 << 20
_AT_ONCE = 4
_ATTEMPTS = 5


def copy(order: Order, identity: Identity) -> int:
    """Copy every listed file; how many. Raises `Refused` for what is not as it must be, `Retry` after the
    last attempt at a bucket that does not answer."""
    files = listed(_patiently(partial(_list, order, identity)))
    with ThreadPoolExecutor(_AT_ONCE) as several:
        jobs = [
            several.submit(_patiently, partial(_file, order, identity, name, digest))
            for name, digest in sorted(files.items())
        ]
        for job in jobs:
            job.result()
    return len(files)


def _list(order: Order, identity: Identity) -> str:
    raw = bytearray()
    for piece in _read(order, identity, LIST):
        raw += piece
        if len(raw) > _LARGEST_LIST:
            raise Refused(f"{LIST} is larger than {_LARGEST_LIST >> 20} MiB")
    if hashlib.sha256(raw).hexdigest() != order.sums:
        raise Refused(f"{LIST} in {order.url} is not the one that the release was made with")
    return raw.decode(errors="surrogateescape")


def _file(order: Order, identity: Identity, name: str, digest: str) -> None:
    place, found = Path(order.path) / name, hashlib.sha256()
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        for piece in _read(order, identity, name):
            found.update(piece)
            file.write(piece)
    if found.hexdigest() != digest:
        place.unlink()
        raise Refused(f"{name} in {order.url} is not what {LIST} says")


def _read(order: Order, identity: Identity, name: str) -> Iterator[bytes]:
    url, headers = request(order.url, name, identity.login(), datetime.now(UTC))
    try:
        with _session().get(
            url, headers=headers, timeout=_SECONDS, stream=True, allow_redirects=False
        ) as answer:
            if answer.status_code >= 500 or answer.status_code == 429:
                raise Retry(f"the bucket answers {answer.status_code} for {name}")
            if answer.status_code != 200:
                raise Refused(f"the bucket answers {answer.status_code} for {name} in {order.url}")
            yield from answer.iter_content(_PIECE)
    except requests.RequestException as error:
        raise Retry(f"the bucket does not answer for {name}: {type(error).__name__}") from error


def _session() -> requests.Session:
    session = steady(requests.Session())
    session.auth = lambda asked: asked  # ours is a header; a .netrc file is none of our business
    session.headers["Accept-Encoding"] = "identity"  # the sums are those of the files as they lie there
    return session


def _patiently(work: Callable[[], T]) -> T:
    """Its result; a bucket that does not answer is asked a few times, later and later."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            return work()
        except Retry:
            time.sleep(2**attempt)
    return work()


def main(environ: Mapping[str, str]) -> None:
    """Copy, and end the process with the reason where that cannot be."""
    order = read_order(environ[VARIABLE])
    try:
        count = copy(order, Identity(order.url, environ))
    except (PortError, OSError) as error:
        sys.exit(f"{error}")
    print(f"{count} files of {order.url} are at {order.path}", flush=True)  # noqa: T201  its log


if __name__ == "__main__":
    main(os.environ)
