"""The process of a recorder's pod: `python -m service.recorder.pod`, with its order in `RECORDER_ORDER`."""

import asyncio
import gc
import os
import signal
import sys

from service.recorder import between
from service.recorder.doubling import Doubling
from service.recorder.overhearing import Overhearing
from service.recorder.serving import Ending, Pod, serve

# The cluster gives it as much from the moment it is told, and five seconds more.
ENDING = Ending(quiet=3.0, most=between.MOST_UNFORGOTTEN, grace=25.0)


async def run(order: between.Order | between.Listening, ports: tuple[int, int]) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pod: Pod = Doubling(order) if isinstance(order, between.Order) else Overhearing(order)
    await serve(pod, ports, stop, ENDING)


def main(arguments: list[str]) -> int:
    """Run it; two ports may be given, for tests."""
    users, control = map(int, arguments) if arguments else (between.PORT, between.CONTROL)
    order = between.read(os.environ.get(between.VARIABLE, "{}"))
    gc.freeze()  # what was imported lives as long as this does
    asyncio.run(run(order, (users, control)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
