"""How often Python looks for garbage among all that a process keeps.

An observer keeps thousands of rollouts, as values without cycles, and replaces their states at each scrape:
a whole collection after every quarter of them finds nothing, and takes a sixth of its processor time. A
scrape of ten thousand leaves about a million new objects beside a million older ones, so a thousand
collections of what is younger go by before one of everything. After sixteen scrapes of forty it would have
found thirty objects.
"""

import gc

SELDOM = 1_000  # collections of what is younger, to one of everything; each is of some 7,000 new objects


def look_seldom() -> None:
    """Pass over what is there now for good, and look at all that comes after it rarely."""
    gc.freeze()
    first, second, _ = gc.get_threshold()
    gc.set_threshold(first, second, SELDOM)
