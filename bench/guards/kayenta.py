"""Kayenta's judge NetflixACAJudge-v1.0, built anew from its description; none of its code is here.

Of each metric it takes one point per minute, of a canary and of a baseline of the same size. A metric is
`High` if the lower bound of a Mann-Whitney confidence interval (98 %, as in R's `wilcox.test`: normal
approximation, continuity correction, ties) of how far the canary's points are shifted lies above 0.25 of the
estimated shift. All metrics here are critical and may only rise (its most sensitive setting), so one `High`
makes the score 0 and ends the run. It is asked again every few minutes over all that was seen so far.
"""

import math
from collections.abc import Callable

import numpy as np

CRITICAL = 2.3263478740408408  # of 98 % confidence
TOLERANCE = 0.25
ROOT = 1e-4  # absolute, whatever the metric's unit is


def high(canary: np.ndarray, baseline: np.ndarray) -> bool:
    """Whether these points of one metric fail the canary. Points that are not numbers are left out."""
    x, y = canary[np.isfinite(canary)], baseline[np.isfinite(baseline)]
    if not len(x) or not len(y) or np.array_equal(np.sort(x), np.sort(y)):
        return False
    # The lower bound is above 0 only if the statistic at 0 is above the quantile: most runs end here.
    if not _shifted(x, y, 0.0) > CRITICAL or x.mean() <= y.mean():
        return False
    low, top = x.min() - y.max(), x.max() - y.min()
    lower = _root(lambda d: _shifted(x, y, d) - CRITICAL, low, top)
    middle = _root(lambda d: _shifted(x, y, d), low, top)
    return lower > TOLERANCE * abs(middle)


def _shifted(x: np.ndarray, y: np.ndarray, shift: float) -> float:
    """The standardised rank sum of `x - shift` beside `y`."""
    both = np.concatenate([x - shift, y])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(x), len(y)
    beyond = ranks[:n].sum() - n * (n + 1) / 2 - n * m / 2
    total = n + m
    ties = (counts.astype(float) ** 3 - counts).sum() / (total * (total - 1)) if total > 1 else 0.0
    sigma = np.sqrt(n * m / 12 * (total + 1 - ties))
    return float((beyond - np.sign(beyond) * 0.5) / sigma) if sigma > 0 else 0.0


def _root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function of steps goes below 0, by Brent's method (1973); its end where it does not.

    The method and not plain halving: of the two sides of a step it answers with that whose value is nearer
    to 0, and where minutes tie (rare errors) that decides.
    """
    a, b, fa, fb = low, high, f(low), f(high)
    if fa <= 0 or fb >= 0:
        return low if fa <= 0 else high
    c, fc, step, before = a, fa, b - a, b - a
    while True:
        if abs(fc) < abs(fb):
            a, b, c, fa, fb, fc = b, c, b, fb, fc, fb
        half = (c - b) / 2
        if abs(half) <= ROOT or fb == 0:
            return b
        step, before = _next(a, b, c, fa, fb, fc, half, before, step)
        a, fa = b, fb
        b += step if abs(step) > ROOT else math.copysign(ROOT, half)
        fb = f(b)
        if (fb > 0) == (fc > 0):
            c, fc, step, before = a, fa, b - a, b - a


def _next(  # noqa: PLR0917 - the method's own names
    a: float, b: float, c: float, fa: float, fb: float, fc: float, half: float, before: float, step: float
) -> tuple[float, float]:
    """Brent's next step and the one before it: interpolated where that converges, else halved."""
    if abs(before) < ROOT or abs(fa) <= abs(fb):
        return half, half
    s = fb / fa
    if a == c:
        p, q = 2 * half * s, 1 - s
    else:
        q, r = fa / fc, fb / fc
        p, q = s * (2 * half * q * (q - r) - (b - a) * (r - 1)), (q - 1) * (r - 1) * (s - 1)
    p, q = (p, -q) if p > 0 else (-p, q)
    if p < 1.5 * half * q - abs(ROOT * q) and p < abs(before / 2 * q):
        return p / q, step
    return half, half


def first_failure(canary: np.ndarray, baseline: np.ndarray, *, every: int) -> int | None:
    """The minute at which a run ends; None if it passes. Arrays are metrics by minutes."""
    minutes = canary.shape[1]
    for look in range(every, minutes + 1, every):
        if any(high(c[:look], b[:look]) for c, b in zip(canary, baseline, strict=True)):
            return look
    return None
