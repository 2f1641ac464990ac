"""Shares and medians with their intervals (95 %), and how they are written."""

import math

import numpy as np

Z = 1.959964
SURE = 3.290527  # 99.9 %: for a verdict on a dozen shares in every run


def share(hits: int, of: int, z: float = Z) -> tuple[float, float, float]:
    """A share with Wilson's interval."""
    if of == 0:
        return math.nan, 0.0, 1.0
    seen = hits / of
    middle = (seen + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(seen * (1 - seen) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return seen, max(0.0, middle - half), min(1.0, middle + half)


def median(values: np.ndarray) -> tuple[float, float, float]:
    """A median with the interval that order statistics give; inf where it lies beyond what was seen."""
    ordered = np.sort(values)
    count = len(ordered)
    if count == 0:
        return math.nan, math.nan, math.nan
    half = Z * math.sqrt(count) / 2
    low = max(0, math.floor(count / 2 - half))
    high = min(count - 1, math.ceil(count / 2 + half))
    return float(ordered[count // 2]), float(ordered[low]), float(ordered[high])


def mean(values: np.ndarray) -> tuple[float, float, float]:
    """A mean with its normal interval."""
    if len(values) < 2:
        return (float(values[0]) if len(values) else math.nan), math.nan, math.nan
    middle, half = float(values.mean()), Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return middle, middle - half, middle + half


def percent(found: tuple[float, float, float]) -> str:
    """`0.3 % (0.1 - 0.9)`"""
    value, low, high = (100 * part for part in found)
    return f"{value:.1f} % ({low:.1f}-{high:.1f})"


def count(found: tuple[float, float, float], digits: int = 0) -> str:
    """`14,785 (14,201-15,330)`; `-` for what did not happen in most runs."""
    if not math.isfinite(found[0]):
        return "-"
    value, low, high = (f"{part:,.{digits}f}" if math.isfinite(part) else "?" for part in found)
    return f"{value} ({low}-{high})"
