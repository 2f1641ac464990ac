"""Waiting until a write of traffic is seen to hold, as every router of a cluster does."""

import time
from collections.abc import Callable

from service.ports.outcomes import Retry

SECONDS = 5.0
_POLLS = (0.05, 0.1, 0.2, 0.3, 0.5)  # seconds between looks; the last one repeats


def wait(target: str, unconfirmed: Callable[[], str]) -> None:
    """Look until nothing stands against it any more; raises `Retry` with what does after `SECONDS`."""
    deadline, looks = time.monotonic() + SECONDS, 0
    while why := unconfirmed():
        if time.monotonic() >= deadline:
            raise Retry(f"{target}: {why}", after=0.5)
        time.sleep(_POLLS[min(looks, len(_POLLS) - 1)])
        looks += 1
