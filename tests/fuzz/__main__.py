"""`make fuzz`: changed inputs for every parser, then malformed requests to the real intake process.

Each input is made from the seed, the parser's name and its number alone, so that a failure is repeated by
naming them: `python -m tests.fuzz --seed S --only NAME --first N --executions 1 --requests 0`.
"""

import argparse
import logging
import multiprocessing
import random
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

import structlog

from tests.fuzz import requests
from tests.fuzz.parsers import Parser, parsers

CPU_SECONDS = 10  # which no input may take; one of a megabyte takes half a second
MOST_FAILURES = 10
BATCH = 200


@dataclass
class Seen:
    """What one process did."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(counter.total() for counter in self.outcomes.values())


def fuzz(
    given: tuple[Parser, ...], seed: str, executions: int, until: float, first: int = 0, step: int = 1
) -> Seen:
    """Give each parser its share of the inputs numbered first, first + step, ... until the time is over."""
    seen = Seen({parser.name: Counter() for parser in given})
    signal.signal(signal.SIGVTALRM, _too_long)
    number = first
    while seen.count < executions and time.monotonic() < until and len(seen.failures) < MOST_FAILURES:
        for _ in range(BATCH):
            for parser in given[: executions - seen.count]:
                _once(parser, seed, number, seen)
            number += step
            if seen.count >= executions:
                break
    return seen


def _once(parser: Parser, seed: str, number: int, seen: Seen) -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        seen.outcomes[parser.name][parser.once(random.Random(f"{seed}/{parser.name}/{number}"))] += 1
    except Exception:  # noqa: BLE001  whatever it was, it is what is looked for
        seen.outcomes[parser.name]["FAILED"] += 1
        seen.failures.append(
            f"{parser.name}, number {number}, seed {seed}:\n{traceback.format_exc(limit=-4)}"
        )
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _too_long(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"an input took more than {CPU_SECONDS} s of the processor")


def _job(names: tuple[str, ...], seed: str, share: int, seconds: float, first: int, step: int) -> Seen:
    given = tuple(parser for parser in parsers() if parser.name in names)
    return fuzz(given, seed, share, time.monotonic() + seconds, first, step)


def _together(results: list[Seen]) -> Seen:
    whole = Seen()
    for one in results:
        whole.failures += one.failures
        for name, counter in one.outcomes.items():
            whole.outcomes.setdefault(name, Counter()).update(counter)
    return whole


def idle(seen: Seen) -> list[str]:
    """The parsers that were given nothing, or never anything that they understood."""
    dull = {"refused", "nothing", "mistakes", "FAILED"}
    return [name for name, counter in seen.outcomes.items() if not counter.keys() - dull]


def main() -> int:
    told = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    names = tuple(p.name for p in parsers() if told.only in {None, p.name})
    began = time.monotonic()
    share = -(-told.executions // told.jobs)
    work = [(names, told.seed, share, told.seconds, told.first + n, told.jobs) for n in range(told.jobs)]
    with multiprocessing.get_context("fork").Pool(told.jobs) as pool:
        seen = _together(pool.starmap(_job, work))
    seconds = time.monotonic() - began
    for name, counter in sorted(seen.outcomes.items()):
        print(f"{name:<24}{counter.total():>9}  " + ", ".join(f"{k} {v}" for k, v in counter.most_common()))
    print(f"{seen.count} executions over {len(names)} parsers in {seconds:.0f} s, seed {told.seed}")
    for failure in seen.failures:
        print(f"FAILED: {failure}")
    nothing = [] if told.only else idle(seen)
    for name in nothing:
        print(f"FAILED: {name} never understood an input: the harness does not reach its inside")
    kinds = (requests.INTAKE, requests.WEB) if told.requests else ()
    unsound = [kind for kind in kinds if not requests.run(told.requests, told.seed, kind)]
    return 0 if not unsound and seen.count and not seen.failures and not nothing else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=7_200.0, help="stop the executions then")
    parser.add_argument(
        "--requests", type=int, default=50_000, help="malformed requests to intake, and as many to web"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", default="segue")
    parser.add_argument("--only", help="one parser, by name")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
