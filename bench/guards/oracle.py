"""How often a doubled error rate is not found within two hours by a test that knows both rates.

Run from the repository's root: `python -m bench.guards.oracle [RUNS] [SEED]`. Wald's sequential test knows
what no guard knows, and of all tests with its chance of a false alarm it needs the fewest requests on average
(Wald and Wolfowitz 1948). What it misses within a budget, a guard can hardly find.
"""

import sys

import numpy as np

from policies.guards.betting import Array

BEFORE, AFTER = 0.001, 0.002  # the rates of errors
REQUESTS = 10.0 * 10.0  # the candidate's between two looks: a tenth of 100 a second, every ten seconds
LOOKS = 720
PART = 5000  # runs at a time
OF = 5_500  # runs of the evidence


def highest(runs: int, dice: np.random.Generator) -> Array:
    """The greatest log likelihood ratio of each run, whose candidate fails twice as often."""
    failed = dice.poisson(REQUESTS * AFTER, (runs, LOOKS)).cumsum(axis=-1)
    served = REQUESTS * np.arange(1, LOOKS + 1)
    found: Array = failed * np.log(AFTER / BEFORE) - served * (AFTER - BEFORE)
    return found.max(axis=-1)


def main() -> int:
    """Print the share that is missed: with the whole budget of 1 %, and with what one of two guards has."""
    runs, seed = ([int(word) for word in sys.argv[1:]] + [200_000, 7][len(sys.argv) - 1 :])[:2]
    dice = np.random.default_rng(seed)
    best = np.concatenate([highest(PART, dice) for _ in range(-(-runs // PART))])
    for budget, whose in ((0.01, "the whole budget"), (0.005, "one of two guards")):
        missed = float(np.mean(best < np.log(1 / budget)))
        print(f"{whose}: {missed:.3%} of {len(best):,} runs missed, {OF * missed:.1f} of {OF:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
