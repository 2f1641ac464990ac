"""When Python looks for garbage among all that a process keeps.

An observer keeps thousands of rollouts, as values without cycles, and replaces their states at each scrape:
to look through what is new after each few hundred objects, as Python does by itself, finds nothing and takes
a tenth of its processor time. After sixteen scrapes of forty rollouts there were thirty objects to be found.
"""

import gc
import time

EVERY_SECONDS = 60.0  # by so much garbage the process may grow, and no more


class Seldom:
    """From now on garbage is looked for by `look` alone, at most once a minute; what is there now stays."""

    def __init__(self) -> None:
        gc.freeze()
        gc.disable()
        self._looked = time.monotonic()

    def look(self) -> None:
        """All at once, where it is time to."""
        if time.monotonic() - self._looked >= EVERY_SECONDS:
            gc.collect()
            self._looked = time.monotonic()
