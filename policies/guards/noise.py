"""How noisy two *identical* versions are: two numbers, learned from stable against stable.

Requests do not fail independently: clients retry, and a pod can have a bad five minutes. A test that
ignores this rolls back good versions. `burst` (phi) divides all counts; `spread` (sigma) is the
standard deviation of log(rate of one arm / rate of the other) over a block of time between equal
versions. The estimate is a plain method of moments. What a history of luckless independent requests
could show too is shrunk, what is certain is enlarged: a guess too low costs false rollbacks and one too
high only requests. Model-based, not exact: say "calibrated", never "guaranteed". No scraping, no clock here.

Moments: with k bad events in both arms, x of them in one that had the share w of requests,
`s = x - k w` and `v = k w (1 - w)`: `phi = sum(s^2)/sum(v)` over scrapes, which weights a scrape by
its information (a mean of s^2/v would miss bursts where a scrape rarely holds two); and
`sigma^2 = sum(s^2 - phi v)/sum(v^2)` over blocks. An estimate d that lies z normal deviations above what luck
alone gives counts as `d z^4 / (16 + z^4)`: what so short a history cannot tell from nothing cannot be told
from nothing in a rollout of like length either, so to leave it out breaks no promise. For phi, z is d over
its standard error. Blocks are few, and the squares of few are skewed: for sigma^2 it is the deviate of a
chi-square, as plain standard errors would take ordinary luck for certain.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

BLOCK = 300.0  # seconds during which an arm's luck is taken to last
LONG = 3  # or so many blocks, where that explains more
PREFER_LONG = 1.3  # ... by so much: `block * spread^2`, at which evidence of one block comes to an end
LEAST_BLOCKS = 24  # two hours with bad events in them
LEAST_INFORMATION = 20.0  # sum of v: below this a moment is a guess
MOST_BURST = 100.0
MOST_SPREAD = 1.5  # above, the beta-binomial of a half-half split has no shape left
LEAST_SPREAD = 0.001  # so that its shape is never divided by zero
MORE_BURST, MORE_VARIANCE = 1.1, 1.44  # margins on what was learned; on sigma itself 20 %
SURE = 1.645  # normal deviations: sigma of a history is above what is taken from it once in twenty
CALM = 0.5  # the certain part below which noise is luck: an estimate of twice its standard error
PAIRED = 1.5  # blocks that each are in two pairs tell as much as so many times fewer


@dataclass(frozen=True, slots=True)
class Noise:
    """`provisional` where there was no history to learn from; verdicts then say so. `calm`: history shows
    no noise that luck would not show too, so the chances of outcomes are nearly those of single requests."""

    burst: float
    spread: float
    provisional: bool
    block: float = BLOCK
    calm: bool = False


PROVISIONAL = Noise(burst=1.5, spread=0.3, provisional=True)


@dataclass(frozen=True, slots=True)
class Pair:
    """Bad events and requests of two arms that served the same version, in one scrape interval."""

    at: float
    bad_one: float
    one: float
    bad_other: float
    other: float

    def moment(self) -> tuple[float, float] | None:
        """(score, information); None where it says nothing or is no count."""
        numbers = (self.bad_one, self.one, self.bad_other, self.other)
        if not (math.isfinite(self.at) and all(math.isfinite(n) and n >= 0 for n in numbers)):
            return None
        bad = self.bad_one + self.bad_other
        if bad == 0 or self.one == 0 or self.other == 0:
            return None
        share = self.one / (self.one + self.other)
        return self.bad_one - bad * share, bad * share * (1 - share)


@dataclass(frozen=True, slots=True)
class Bunching:
    """How bad events of short times come together: sums of s^2, v, s^4, s^2 v and v^2."""

    squares: float = 0.0
    information: float = 0.0
    fourths: float = 0.0
    mixed: float = 0.0
    information_squares: float = 0.0

    def plus(self, score: float, information: float) -> "Bunching":
        square = score * score
        return Bunching(
            self.squares + square,
            self.information + information,
            self.fourths + square * square,
            self.mixed + square * information,
            self.information_squares + information * information,
        )

    def with_(self, other: "Bunching") -> "Bunching":
        return Bunching(
            self.squares + other.squares,
            self.information + other.information,
            self.fourths + other.fourths,
            self.mixed + other.mixed,
            self.information_squares + other.information_squares,
        )

    @property
    def ratio(self) -> float:
        """phi, at least 1."""
        return max(1.0, self.squares / self.information) if self.information > 0 else 1.0

    @property
    def certain(self) -> float:
        """Which part of phi - 1 luck does not explain."""
        around = self.fourths - 2 * self.ratio * self.mixed + self.ratio**2 * self.information_squares
        error = math.sqrt(max(around, 0.0)) / self.information if self.information > 0 else 0.0
        return _certain((self.ratio - 1) / error) if error > 0 else float(self.ratio > 1)

    @property
    def burst(self) -> float:
        """What counts are divided by: shrunk, then enlarged."""
        return min(MOST_BURST, 1 + MORE_BURST * (self.ratio - 1) * self.certain)


@dataclass(frozen=True, slots=True)
class Moments:
    """What a history of two equal arms comes to: `blocks` are (score, information) by number of the block."""

    bunching: Bunching = field(default_factory=Bunching)
    blocks: Mapping[int, tuple[float, float]] = field(default_factory=dict)


def moments(pairs: Iterable[Pair]) -> Moments:
    """Of scrape intervals in any order."""
    bunching = Bunching()
    blocks: dict[int, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for pair in pairs:
        found = pair.moment()
        if found is None:
            continue
        score, information = found
        bunching = bunching.plus(score, information)
        key = math.floor(pair.at / BLOCK)
        blocks[key] = (blocks[key][0] + score, blocks[key][1] + information)
    return Moments(bunching, dict(blocks))


def estimate(pairs: Iterable[Pair]) -> Noise:
    """Noise from the scrapes of two equal arms; `PROVISIONAL` while there is too little of it."""
    return of(moments(pairs))


def of(known: Moments) -> Noise:
    """Noise from moments; the block is the longer one where luck is seen to last."""
    if len(known.blocks) < LEAST_BLOCKS or known.bunching.information < LEAST_INFORMATION:
        return PROVISIONAL
    burst = known.bunching.burst
    found = (_variance(_sums(known.blocks, length), length, burst) for length in (1, LONG))
    (short, by_one), (long, by_long) = found
    lasts = long * LONG > PREFER_LONG * short
    spread = math.sqrt(long if lasts else short)
    block = BLOCK * LONG if lasts else BLOCK
    calm = max(known.bunching.certain, by_one, by_long) < CALM
    spread = min(MOST_SPREAD, max(spread, LEAST_SPREAD))
    return Noise(burst, spread, provisional=False, block=block, calm=calm)


def _sums(blocks: Mapping[int, tuple[float, float]], length: int) -> list[tuple[float, float]]:
    """Scores and information of so many blocks in a row, beginning at each."""
    rows = ([blocks[key + i] for i in range(length) if key + i in blocks] for key in blocks)
    return [(sum(s for s, _ in row), sum(v for _, v in row)) for row in rows if len(row) == length]


def _variance(rows: list[tuple[float, float]], length: int, burst: float) -> tuple[float, float]:
    """sigma^2 of a block so long: shrunk, and what is certain enlarged to what it may be at most; and which
    part of it is certain."""
    weight = sum(v * v for _, v in rows)
    if not weight:
        return 0.0, 0.0
    alone = max(1.0, len(rows) / length)  # those that do not overlap
    found = max(0.0, sum(s * s - burst * v for s, v in rows) / weight)
    error = burst * math.sqrt(2 * len(rows) / alone / weight)
    certain = _certain(_deviate(1 + found / error * math.sqrt(2 / alone), alone / PAIRED))
    more = (_surely(alone / PAIRED) - 1) * certain * certain
    return MORE_VARIANCE * certain * found * (1 + more), certain


def _deviate(ratio: float, freedom: float) -> float:
    """Which normal deviate a chi-square of so many degrees of freedom, divided by them, stands for (Wilson
    and Hilferty 1931)."""
    part = 2 / (9 * freedom)
    return (math.cbrt(ratio) - (1 - part)) / math.sqrt(part)


def _surely(freedom: float) -> float:
    """How many times a variance found with so many degrees of freedom it may truly be: by the quantile of
    chi-square (Wilson and Hilferty 1931)."""
    part = 2 / (9 * freedom)
    return max(1 - part - SURE * math.sqrt(part), 0.3) ** -3


def _certain(deviate: float) -> float:
    """Which part of an estimate luck does not explain that lies so many normal deviations above none."""
    fourth = max(deviate, 0.0) ** 4
    return fourth / (16 + fourth)
