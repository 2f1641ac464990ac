"""What scrapes that are far apart cost: whole rollouts under Segue, which looks each 1, 15 or 30 seconds.

`python -m bench.guards.scrapes [--runs 300] [--seed N]`: the same worlds and seeds for each; some minutes.
What Prometheus adds (it tells of its last scrape, whenever it is asked) is not played.
"""

import argparse
from dataclasses import replace

import numpy as np

from bench.guards import numbers, whole
from bench.guards.whole import Trip
from service.worlds.traffic import World

EVERY = (1.0, 15.0, 30.0)  # seconds
TRIPS = (
    Trip("5 % errors, 100/s", World(100, 0.001, worse=50), good=False),
    Trip("2 % errors, 100/s", World(100, 0.001, worse=20), good=False),
    Trip("5 % errors, 1000/s", World(1000, 0.001, worse=50), good=False),
    Trip("all requests fail, 100/s", World(100, 0.001, worse=1000), good=False),
    Trip("good, 100/s", World(100, 0.001), good=True),
)


def row(trip: Trip, runs: int, seed: int) -> str:
    """One world at one distance, as a line of a Markdown table."""
    went = whole.segue(trip, runs, seed)
    ended = went.full if trip.good else went.back
    back = numbers.percent(numbers.share(int(np.isfinite(went.back).sum()), runs))
    failed = "" if trip.good else f"{numbers.count(numbers.median(went.failed))}, {went.failed.max():.0f}"
    seconds = numbers.count(numbers.median(ended))
    return f"| {trip.name} | {trip.every:g} s | {failed} | {seconds} | {back} |"


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(prog="python -m bench.guards.scrapes", description=__doc__)
    ask.add_argument("--runs", type=int, default=300)
    ask.add_argument("--seed", type=int, default=20_261_126)
    asked = ask.parse_args()
    print("| version | scrapes | failed requests: median, most | seconds to the end: median | rolled back |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for trip in TRIPS:
        for every in EVERY:
            print(row(replace(trip, every=every), asked.runs, asked.seed), flush=True)


if __name__ == "__main__":
    main()
