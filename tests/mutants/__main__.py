"""`make test-mutants`: a random sample of small changes to the guards and to the rollout machine; do tests notice?

A change that a test notices is killed. One that none notices either changes nothing, or shows that a test is
missing: they are printed. A seed draws the same mutants as long as the code is the same.
"""

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.mutants import targets
from tests.mutants.trying import ENDLESS, UNMADE, Trial

PYTHON = targets.ROOT / ".venvs/mutants/bin/python"
LEAST = 0.85


def interval(killed, tried, z=1.96):
    """Wilson's interval for a share, at 95 %."""
    share, half = killed / tried, z * z / tried
    centre, width = share + half / 2, z * math.sqrt(share * (1 - share) / tried + half / tried / 4)
    return (centre - width) / (1 + half), (centre + width) / (1 + half)


def figures(killed, tried):
    """In words, as for people."""
    low, high = interval(killed, tried) if tried else (0.0, 1.0)
    return f"{killed} of {tried} mutants killed, {killed / max(tried, 1):.1%} ({low:.1%} to {high:.1%})"


def drawn(seed, number, only):
    command = [PYTHON, Path(__file__).with_name("generate.py"), seed, str(number), only]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def tried(mutants, workers, seconds):
    """For each mutant what `Trial.results` says of it."""
    done = []

    def say(what):
        done.append(what)
        if isinstance(what, str) or len(done) % 25 == 0:
            print(what if isinstance(what, str) else f"{len(done) - 1} of {len(mutants)} tried", flush=True)

    trial = Trial(mutants, workers, say, seconds)
    with tempfile.TemporaryDirectory() as folder:
        quiet = (
            "-q",
            "-s",
            "--no-header",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:unraisableexception",  # one that is stopped amid a `__del__` is no fault of the next one
            "-o",
            "timeout=0",
            "--basetemp",
            f"{folder}/tests",
        )
        if pytest.main([*quiet, *targets.tests()], plugins=[trial]) or not trial.results:
            sys.exit("the tests cannot be run")
    return trial.results


def told(group, of, found):
    """Prints a group's figures and survivors, of pairs of a mutant and its result; whether it is good enough."""
    made = [(mutant, result) for mutant, result in found if result not in (None, UNMADE)]
    survivors = [mutant for mutant, result in made if result == []]
    for mutant in survivors:
        print(f"  survived: {mutant['file']} {mutant['function']}", *mutant["diff"], sep="\n      ")
    endless = sum(result == ENDLESS for _, result in made)
    killed = len(made) - len(survivors)
    for file in sorted({mutant["file"] for mutant, _ in made}):
        its = [result for mutant, result in made if mutant["file"] == file]
        print(f"  {file}: {figures(sum(result != [] for result in its), len(its))}")
    print(f"{group}: {figures(killed, len(made))}, {endless} by time, drawn from {of}")
    return bool(made) and killed >= LEAST * len(made)


def main():
    asking = argparse.ArgumentParser(description=__doc__)
    asking.add_argument("--number", type=int, default=200, help="mutants of each group")
    asking.add_argument(
        "--seconds", type=float, default=math.inf, help="after which no other mutant is tried"
    )
    asking.add_argument("--seed", default="1")
    asking.add_argument("--only", default="", help="files whose path begins so")
    asking.add_argument("--workers", type=int, default=2)
    asked = asking.parse_args()
    groups = {
        name: group for name, group in drawn(asked.seed, asked.number, asked.only).items() if group["of"]
    }
    if not groups:
        sys.exit(f"no file of them begins with {asked.only}")
    print(f"seed {asked.seed}, {asked.number} mutants of each group", flush=True)
    mutants = [(name, one) for name, group in groups.items() for one in group["mutants"]]
    random.Random(asked.seed).shuffle(mutants)  # so that what the time was enough for is of all groups
    results = tried([one for _, one in mutants], asked.workers, asked.seconds)
    pairs = list(zip(mutants, results, strict=True))
    good = [
        told(name, group["of"], [(one, result) for (its, one), result in pairs if its == name])
        for name, group in groups.items()
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
