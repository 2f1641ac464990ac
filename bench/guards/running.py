"""Runs all cells: each gets a batch before any gets its next, until there are enough or time is over.

A batch's numbers depend on its seed alone, so a longer run only adds to a shorter one.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the result: `work(runs, seed)` gives methods with what became of their runs."""

    key: tuple[str, str]
    work: Callable[[int, int], dict[str, Any]]
    batch: int
    enough: int


def all_of(
    cells: list[Cell], *, seconds: float, seed: int, jobs: int, told: Callable[[str], None]
) -> dict[tuple[str, str], dict[str, Any]]:
    """What each cell's runs came to. At least one batch of each is run, however little time there is."""
    began = time.monotonic()
    found: dict[tuple[str, str], dict[str, Any]] = {}
    order = iter(
        (cell, turn)
        for turn in range(max(-(-c.enough // c.batch) for c in cells))
        for cell in cells
        if turn * cell.batch < cell.enough
    )
    with ProcessPoolExecutor(jobs) as pool:
        open_: dict[Future[dict[str, Any]], tuple[str, str]] = {}
        more, done = True, 0
        while more or open_:
            while more and len(open_) < jobs:
                cell, turn = next(order, (None, 0))
                more = cell is not None and (turn == 0 or time.monotonic() - began < seconds)
                if more and cell is not None:
                    one = cells.index(cell)
                    open_[pool.submit(cell.work, cell.batch, seed + 1000 * one + 10 * turn)] = cell.key
            ready, _ = wait(open_, return_when=FIRST_COMPLETED) if open_ else ((), ())
            for future in ready:
                key = open_.pop(future)
                done += 1
                _add(found.setdefault(key, {}), future.result())
                told(f"{time.monotonic() - began:.0f} s of {seconds:.0f}: {done} batches, last {key[1]}")
    return found


def _add(there: dict[str, Any], new: dict[str, Any]) -> None:
    for method, what in new.items():
        there[method] = there[method].plus(what) if method in there else what
