"""Segue's guards beside Kayenta's judge and the loops of Argo Rollouts and Flagger, in the same worlds.

`make bench-guards` runs five minutes of it, `SLICE=60` so many seconds. The exit code is 1 where a guard's
state is too large, or where more good versions than promised are certainly rolled back (even the kind end
of the interval is beyond the limit).
"""

import argparse
import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.guards import costs, fixed, saved, tables, targets, whole, worlds
from bench.guards.running import Cell, all_of

ENOUGH, ENOUGH_WORSE = 1000, 300
BATCH = 40  # runs; one of each cell is about a minute of processor time
LONG = 1800.0  # seconds
LARGE = 200  # where there is time: half the processor time of each run


def _fixed(case: worlds.Case, runs: int, seed: int) -> dict[str, Any]:
    return fixed.run(case, runs, seed, worlds.DEFAULT_BUCKETS)


def _often(case: worlds.Case, runs: int, seed: int) -> dict[str, Any]:
    return fixed.often(case, runs, seed, worlds.DEFAULT_BUCKETS)


def _alone(runs: int, seed: int) -> dict[str, Any]:
    failed = whole.after_promotion(runs, seed)
    none = np.full(runs, np.inf)
    return {whole.SEGUE: whole.Went(none, none, none, failed, failed)}


def cells(batch: int) -> list[Cell]:
    """All places of the result."""
    return [
        *(Cell(("equal", c.name), functools.partial(_fixed, c), batch, ENOUGH) for c in worlds.EQUAL),
        *(
            Cell(("worse", c.name), functools.partial(_fixed, c), batch // 2, ENOUGH_WORSE)
            for c in worlds.WORSE
        ),
        *(
            Cell(("often", c.name), functools.partial(_often, c), batch // 2, ENOUGH_WORSE)
            for c in worlds.WORSE
            if c.often
        ),
        *(
            Cell(("whole", t.name), functools.partial(whole.run, t), batch // 2, ENOUGH_WORSE)
            for t in whole.TRIPS
        ),
        Cell(("whole", "after promotion"), _alone, batch, ENOUGH_WORSE),
    ]


def main() -> int:
    """Run, print, and write where it was asked to."""
    ask = argparse.ArgumentParser(prog="python -m bench.guards", description=__doc__)
    ask.add_argument(
        "--seconds", type=float, default=300.0, help="about how long; more runs, narrower intervals"
    )
    ask.add_argument("--seed", type=int, default=20_261_126)
    ask.add_argument("--jobs", type=int, default=2, help="processes")
    ask.add_argument("--save", type=Path, help="a JSON file for every run, which bench.guards.pictures draws")
    asked = ask.parse_args()

    def told(line: str) -> None:
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)

    batch = LARGE if asked.seconds >= LONG else BATCH
    found = all_of(cells(batch), seconds=asked.seconds, seed=asked.seed, jobs=asked.jobs, told=told)
    print(file=sys.stderr)
    if asked.save is not None:
        saved.write(asked.save, found)
    lines = targets.lines(found)
    parts = [tables.false_rollbacks(found), tables.requests_until_caught(found), tables.rollouts(found)]
    print("\n\n".join([*parts, tables.reached(lines)]), end="\n\n")
    too_large = costs.main()
    broken = [line for line in lines if line.certain and line.promised]
    return int(too_large or bool(broken))


if __name__ == "__main__":
    sys.exit(main())
