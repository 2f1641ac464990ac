"""How noisy two *identical* versions are: two numbers, learned from stable against stable.

Requests do not fail independently: clients retry, and a pod can have a bad five minutes. A test that
ignores this rolls back good versions. `burst` (phi) divides all counts; `spread` (sigma) is the
standard deviation of log(rate of one arm / rate of the other) over a block of time between equal
versions. The estimate is a plain method of moments and is inflated, because a guess too low costs
false rollbacks and one too high only requests. Model-based, not exact: say "calibrated", never
"guaranteed". No scraping, no clock here.

Moments: with k bad events in both arms, x of them in one that had the share w of requests,
`s = x - k w` and `v = k w (1 - w)`: `phi = sum(s^2)/sum(v)` over scrapes, which weights a scrape by
its information (a mean of s^2/v would miss bursts where a scrape rarely holds two); and
`sigma^2 = sum(s^2 - phi v)/sum(v^2)` over blocks.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

BLOCK = 300.0  # seconds during which an arm's luck is taken to last
LEAST_BLOCKS = 24  # two hours with bad events in them
LEAST_INFORMATION = 20.0  # sum of v: below this a moment is a guess
MOST_BURST = 100.0
MOST_SPREAD = 1.5  # above, the beta-binomial of a half-half split has no shape left
LEAST_SPREAD = 0.03


@dataclass(frozen=True, slots=True)
class Noise:
    """`provisional` where there was no history to learn from; verdicts then say so."""

    burst: float
    spread: float
    provisional: bool
    block: float = BLOCK


PROVISIONAL = Noise(burst=1.5, spread=0.3, provisional=True)


@dataclass(frozen=True, slots=True)
class Pair:
    """Bad events and requests of two arms that served the same version, in one scrape interval."""

    at: float
    bad_one: float
    one: float
    bad_other: float
    other: float


def estimate(pairs: Iterable[Pair], block: float = BLOCK) -> Noise:
    """Noise from history, inflated; `PROVISIONAL` while there is too little of it."""
    scrape_squares = scrape_information = 0.0
    blocks: dict[int, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for pair in pairs:
        moment = _moment(pair)
        if moment is None:
            continue
        score, information = moment
        scrape_squares += score * score
        scrape_information += information
        key = math.floor(pair.at / block)
        blocks[key] = (blocks[key][0] + score, blocks[key][1] + information)
    if len(blocks) < LEAST_BLOCKS or scrape_information < LEAST_INFORMATION:
        return Noise(PROVISIONAL.burst, PROVISIONAL.spread, provisional=True, block=block)
    burst = max(1.0, scrape_squares / scrape_information)
    variance = sum(s * s - burst * v for s, v in blocks.values()) / sum(v * v for _, v in blocks.values())
    return inflated(burst, math.sqrt(max(0.0, variance)), block)


def _moment(pair: Pair) -> tuple[float, float] | None:
    """(score, information) of one scrape; None where it says nothing or is no count."""
    numbers = (pair.bad_one, pair.one, pair.bad_other, pair.other)
    if not (math.isfinite(pair.at) and all(math.isfinite(n) and n >= 0 for n in numbers)):
        return None
    bad = pair.bad_one + pair.bad_other
    if bad == 0 or pair.one == 0 or pair.other == 0:
        return None
    share = pair.one / (pair.one + pair.other)
    return pair.bad_one - bad * share, bad * share * (1 - share)


def inflated(burst: float, spread: float, block: float = BLOCK) -> Noise:
    """The margin on learned numbers: 10 % on the burst, 20 % and 0.03 on the spread."""
    return Noise(
        burst=min(MOST_BURST, 1.1 * burst),
        spread=min(MOST_SPREAD, 1.2 * spread + LEAST_SPREAD),
        provisional=False,
        block=block,
    )
