"""`make test-mutants`: a random sample of small changes to the guards and to the rollout machine; do tests notice?

A change that a test notices is killed. One that none notices either changes nothing, or shows that a test is
missing: they are printed. A seed draws the same mutants as long as the code is the same.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.mutants import targets
from tests.mutants.trying import Trial

PYTHON = targets.ROOT / ".venvs/mutants/bin/python"
LEAST = 0.85


def interval(killed, tried, z=1.96):
    """Wilson's interval for a share, at 95 %."""
    share, half = killed / tried, z * z / tried
    centre, width = share + half / 2, z * math.sqrt(share * (1 - share) / tried + half / tried / 4)
    return (centre - width) / (1 + half), (centre + width) / (1 + half)


def drawn(seed, number):
    command = [PYTHON, Path(__file__).with_name("generate.py"), seed, str(number)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def tried(mutants, workers):
    """For each mutant [the test that killed it], [] for a survivor, or why it never came to an end."""
    done = []

    def say(what):
        done.append(what)
        if isinstance(what, str) or len(done) % 25 == 0:
            print(what if isinstance(what, str) else f"{len(done) - 1} of {len(mutants)} tried", flush=True)

    trial = Trial(mutants, workers, say)
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "-q",
            "--no-header",
            "-p",
            "no:cacheprovider",
            "-o",
            "timeout=0",
            "--basetemp",
            f"{folder}/tests",
        ]
        if pytest.main([*arguments, *targets.tests()], plugins=[trial]) or not trial.results:
            sys.exit("the tests cannot be run")
    return trial.results


def told(group, of, mutants, results):
    """Prints a group's figures and survivors; whether it is good enough."""
    survivors = [m for m, r in zip(mutants, results, strict=True) if r == []]
    endless = sum(r == "timeout" for r in results)
    for mutant in survivors:
        print(f"  survived: {mutant['file']} {mutant['function']}", *mutant["diff"], sep="\n      ")
    killed = len(mutants) - len(survivors)
    low, high = interval(killed, len(mutants))
    print(
        f"{group}: {killed} of {len(mutants)} mutants killed, {endless} of these by time:"
        f" {killed / len(mutants):.1%} ({low:.1%} to {high:.1%}; drawn from {of})"
    )
    return killed >= LEAST * len(mutants)


def main():
    asking = argparse.ArgumentParser(description=__doc__)
    asking.add_argument("--number", type=int, default=200, help="mutants of each group")
    asking.add_argument("--seed", default="1")
    asking.add_argument("--workers", type=int, default=2)
    asked = asking.parse_args()
    groups = drawn(asked.seed, asked.number)
    print(f"seed {asked.seed}, {asked.number} mutants of each group", flush=True)
    results = tried([m for group in groups.values() for m in group["mutants"]], asked.workers)
    good = True
    for name, group in groups.items():
        mine, results = results[: len(group["mutants"])], results[len(group["mutants"]) :]
        good &= told(name, group["of"], group["mutants"], mine)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
