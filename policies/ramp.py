"""How far a candidate's weight may go: promotion evidence against a risk budget.

The question is not "is the candidate worse?" (the guards ask that) but "if it is as bad as it may
still be, how many of *all* requests would fail because of it?". An anytime-valid upper bound on the
candidate's error rate, less stable's own rate, is the excess that cannot be excluded yet; a weight
is allowed while `weight * excess <= risk`. Nothing seen allows nothing. Standard library only, no
clock; it must not know guards, and it never says that a version is good.

Bound: the mixture over a Gamma(a, b) prior of the Poisson likelihood ratio, a method of Robbins
(1970) as used by Howard, Ramdas, McAuliffe, Sekhon (2021). For every rate L the process
`b^a G(a+x) / (G(a) (b+n)^(a+x)) / (L^x exp(-n L))` is a supermartingale, so the largest L at which
it is below `1/wrong` is exceeded by the true rate at *any* time with probability at most `wrong`.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

PRIOR_EVENTS = 0.5  # a: half a failure ...
PRIOR_REQUESTS = 500.0  # b: ... in 500 requests; any choice is valid, this one is tight near 0.1 %
WRONG = 0.05  # how often the bound may ever be too low
MOST_REQUESTS = 1e15  # more than anybody served: not a count
LEAST_RISK = 0.001  # 0.1 % of all requests
_HOPELESS = 1e9  # requests for which nobody waits


@lru_cache(maxsize=1 << 10)
def upper_bound(errors: float, requests: float, wrong: float = WRONG) -> float:
    """The largest error rate that these counts do not exclude; 1 while nothing is known.

    It is asked for several times in one verdict, so the last answers are kept.
    """
    if not (0 < requests <= MOST_REQUESTS and 0 <= errors <= requests):
        return 1.0
    level = math.log(1 / wrong) - _log_mixture(errors, requests)
    return min(1.0, _largest_root(errors, requests, level))


def bounds(errors: float, requests: float, wrong: float = WRONG) -> tuple[float, float]:
    """All error rates that these counts do not exclude, as (least, largest); (0, 1) while nothing is known.

    The same mixture as `upper_bound`, read at both ends: the true rate leaves it at *any* time with
    probability at most `wrong`.
    """
    high = upper_bound(errors, requests, wrong)
    if errors <= 0 or not (0 < requests <= MOST_REQUESTS and errors <= requests):
        return 0.0, high
    return _smallest_root(errors, requests, math.log(1 / wrong) - _log_mixture(errors, requests)), high


def _log_mixture(errors: float, requests: float) -> float:
    a, b = PRIOR_EVENTS, PRIOR_REQUESTS
    return a * math.log(b) - math.lgamma(a) + math.lgamma(a + errors) - (a + errors) * math.log(b + requests)


def _largest_root(errors: float, requests: float, level: float) -> float:
    """The largest `rate` with `requests * rate - errors * log(rate) = level` (convex: Newton from above)."""
    if errors == 0:
        return level / requests
    rate = (abs(level) + 2 * errors + 1) / requests
    while requests * rate - errors * math.log(rate) < level:
        rate *= 2
    for _ in range(60):
        value = requests * rate - errors * math.log(rate) - level
        lower = rate - value / (requests - errors / rate)
        if not lower < rate:
            break
        rate = lower
    return rate


def _smallest_root(errors: float, requests: float, level: float) -> float:
    """The smallest such `rate` (Newton from below)."""
    rate = math.exp(-level / errors)
    for _ in range(200):
        value = requests * rate - errors * math.log(rate) - level
        higher = rate - value / (requests - errors / rate)
        if not higher > rate:
            break
        rate = higher
    return rate


def risk_of(stable_rate: float | None, risk: float | None = None) -> float:
    """The written risk, or the larger of 0.1 % and half of stable's own rate."""
    if risk is not None:
        return risk
    return max(LEAST_RISK, (stable_rate or 0.0) / 2)


def excess(errors: float, requests: float, stable_rate: float | None, wrong: float = WRONG) -> float:
    """The part of the candidate's possible error rate that stable does not explain."""
    return max(0.0, upper_bound(errors, requests, wrong) - (stable_rate or 0.0))


def allowed_weight(excess_rate: float, risk: float, ladder: Sequence[float]) -> float:
    """The largest weight (percent) of the ladder whose possible harm stays within the risk; else 0."""
    return float(max((w for w in ladder if w / 100 * excess_rate <= risk), default=0.0))


def clean_requests_needed(
    errors: float, requests: float, stable_rate: float | None, risk: float, weight: float
) -> int | None:
    """How many more requests without a failure would allow `weight` (percent); None if hopeless."""

    def enough(more: float) -> bool:
        return weight / 100 * excess(errors, requests + more, stable_rate) <= risk

    if enough(0):
        return 0
    rate = (stable_rate or 0.0) + 100 * risk / weight
    fewest = _requests_for(errors, rate) - requests if rate > 0 and errors >= 0 else math.inf
    if not fewest <= _HOPELESS:
        return None
    near = max(1, math.ceil(fewest))  # but for roundings
    return next((more for more in range(max(1, near - 1), near + 3) if enough(more)), None)


def _requests_for(errors: float, rate: float, wrong: float = WRONG) -> float:
    """From how many requests on so many errors exclude each rate above that (convex: Newton from above)."""
    a, b = PRIOR_EVENTS, PRIOR_REQUESTS
    level = math.log(1 / wrong) + errors * math.log(rate) - a * math.log(b)
    level += math.lgamma(a) - math.lgamma(a + errors)

    def beyond(requests: float) -> float:
        return requests * rate - (a + errors) * math.log(b + requests) - level

    requests = (abs(level) + 2 * (a + errors) + 1) / rate
    while beyond(requests) < 0:
        requests *= 2
    for _ in range(60):
        lower = requests - beyond(requests) / (rate - (a + errors) / (b + requests))
        if not lower < requests:
            break
        requests = lower
    return requests
