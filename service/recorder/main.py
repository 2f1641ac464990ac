"""The recorder's process: `python -m service.recorder.main <home>/recorder PORT`, kept by a shim.

Like the router it outlives Segue. On SIGTERM it finishes what is in hand, writes what it noted, and ends.
"""

import asyncio
import contextlib
import gc
import signal
import sys
import time
from pathlib import Path

from service.recorder import proxy
from service.recorder.noting import Noting
from service.recorder.orders import Followed, Home
from service.recorder.replaying import Replaying
from service.recorder.samples import Samples
from service.recorder.spool import Spool

WRITE_SECONDS = 0.5
GRACE = 4.0  # seconds; shorter than the shim waits


async def run(home: Home, port: int) -> int:
    """Until SIGTERM."""
    orders, noting, spool = Followed(home), Noting(home.secret()), Spool(home.spool)
    orders.refresh()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    home.address.write_text(f"{port}\n")
    samples = Samples(home.samples)
    writing = asyncio.create_task(_write_on(orders, noting, spool, samples))
    replaying = asyncio.create_task(Replaying(home, orders, noting).run())
    await proxy.serve(proxy.Proxy(orders, noting), port, stop, GRACE)
    replaying.cancel()
    await asyncio.gather(replaying, return_exceptions=True)
    writing.cancel()
    _write(noting, spool, samples)
    return 0


async def _write_on(orders: Followed, noting: Noting, spool: Spool, samples: Samples) -> None:
    while True:
        await asyncio.sleep(WRITE_SECONDS / 2)
        orders.refresh()
        await asyncio.sleep(WRITE_SECONDS / 2)
        _write(noting, spool, samples)


def _write(noting: Noting, spool: Spool, samples: Samples) -> None:
    """What cannot be stored is counted, and the count is tried again with what follows."""
    drawn, noting.samples = noting.samples, []
    with contextlib.suppress(OSError):  # nothing rests on samples
        samples.write(drawn)
    notes = noting.take(time.time())
    if not notes:
        return
    try:
        stored = spool.write(notes)
    except OSError:
        stored = False
    if not stored:
        noting.lost(notes)


def main(arguments: list[str]) -> int:
    """Run it."""
    home = Home(Path(arguments[0]))
    gc.freeze()  # what was imported lives as long as this does
    return asyncio.run(run(home, int(arguments[1])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
