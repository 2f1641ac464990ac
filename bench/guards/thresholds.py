"""How Argo Rollouts and Flagger decide, built anew from what their code does: limits and a count.

Both ask once a minute whether at least 99 % succeeded and the p99 is at most 500 ms (the queries of their
own examples), and give up when five answers were bad: `failureLimit: 4` counted over the whole analysis in
Argo Rollouts, `threshold: 5` counted over the whole run in Flagger. No data is a bad answer for Flagger. Argo
goes 10, 25, 50 % with ten minutes each; Flagger by 10 % to 50 % with each good answer.
"""

import numpy as np

SUCCESS, P99 = 0.99, 0.5
FAILURES = 5
MINUTE = 60.0
ARGO = ((10.0, 600.0), (25.0, 600.0), (50.0, 600.0))
FLAGGER_STEP, FLAGGER_MOST = 10.0, 50.0


def quantile(buckets: np.ndarray, bounds: tuple[float, ...], share: float = 0.99) -> np.ndarray:
    """As PromQL's `histogram_quantile`: linear within a bucket, the last bound beyond it; NaN of nothing."""
    cumulative = buckets.cumsum(axis=-1)
    total = cumulative[..., -1]
    rank = share * total
    index = np.minimum((cumulative < rank[..., None]).sum(axis=-1), len(bounds))
    edges = np.array([0.0, *bounds])
    below = np.take_along_axis(
        np.concatenate([np.zeros((*total.shape, 1)), cumulative], axis=-1), index[..., None], axis=-1
    )[..., 0]
    inside = np.take_along_axis(buckets, index[..., None], axis=-1)[..., 0]
    low, high = edges[np.minimum(index, len(bounds) - 1)], edges[np.minimum(index + 1, len(bounds))]
    value = low + (high - low) * (rank - below) / np.where(inside > 0, inside, 1.0)
    value = np.where(index >= len(bounds), bounds[-1], value)
    return np.where(total > 0, value, np.nan)


def bad(requests: np.ndarray, errors: np.ndarray, p99: np.ndarray) -> np.ndarray:
    """Whether a minute's answer is bad; a minute without requests is."""
    success = 1 - errors / np.where(requests > 0, requests, 1.0)
    return ~((requests > 0) & (success >= SUCCESS) & (p99 <= P99))
