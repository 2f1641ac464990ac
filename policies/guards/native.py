"""Prometheus's native histograms as the cumulative buckets that increments are made of.

A native histogram has exponential buckets, at a resolution of its own that falls as it fills, and only
those that hold something. Two of them can be compared once both are at one resolution and in one range:
bucket i of schema s holds `(2^((i-1)/2^s), 2^(i/2^s)]`, so the bounds of a coarser schema are among those
of a finer one and folding loses nothing but detail. Here that is at most four bounds to an octave, from
1 ms to 64 s. No differences are taken here; those with custom bounds (schema -53) are classic ones.

Contract: the HTTP API's `"buckets": [[rule, "lower", "upper", "count"], ...]`, as documented by Prometheus.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FINEST = 2  # bounds to an octave: 2^2
LOWEST, HIGHEST = -10, 6  # octaves: 2^-10 s is about 1 ms, 2^6 s is 64 s
ZEROS = 0.001  # what is taken for zero at most: the lowest bound is as good as that
_SCHEMAS = range(-4, 9)
Cumulative = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Native:
    """One reading: counts by bucket index at a schema, and how many were zero (or below)."""

    schema: int
    zero: float
    counts: tuple[tuple[int, float], ...]


def of_rows(rows: Iterable[Sequence[float | str]]) -> Native | str:
    """As a query answers: rows of (rule, lower, upper, count); or what is wrong with them."""
    zero, wide = 0.0, []
    for row in rows:
        if len(row) != 4:
            return "a bucket is not four numbers"
        try:
            _, low, high, count = (float(part) for part in row)
        except ValueError:
            return "a bucket is not four numbers"
        if low <= 0 and high > ZEROS:  # or it has bounds of its own, and the first is open below
            return f"its bucket of zeros reaches to {high:g}, and may reach to {ZEROS:g}"
        if low <= 0:  # the zero bucket, or durations below zero
            zero += count
        elif not low < high < math.inf:
            return "a bucket has no width"
        else:
            wide.append((low, high, count))
    if not wide:
        return _checked(Native(FINEST, zero, ()))
    low, high, _ = wide[0]
    schema = round(-math.log2(math.log2(high / low)))
    if schema not in _SCHEMAS:
        return "its buckets are not exponential"
    counts = [(round(math.log2(high) * 2.0**schema), count) for _, high, count in wide]
    strays = any(
        abs(math.log2(bound) * 2.0**schema - place) > 0.01
        for (start, end, _), (index, _) in zip(wide, counts, strict=True)
        for bound, place in ((start, index - 1), (end, index))
    )
    return "its buckets are not exponential" if strays else _checked(Native(schema, zero, tuple(counts)))


def _checked(native: Native) -> Native | str:
    values = (native.zero, *(count for _, count in native.counts))
    if not all(math.isfinite(value) and value >= 0 for value in values):
        return "a bucket's count is not a count"
    return native


def alike(*natives: Native, coarsest: int = FINEST) -> tuple[Cumulative, ...]:
    """All in the same buckets, cumulative, the last bound infinite; at most as fine as `coarsest`."""
    schema = min(coarsest, *(native.schema for native in natives))
    return tuple(_cumulative(native, schema) for native in natives)


def _cumulative(native: Native, schema: int) -> Cumulative:
    per_octave = 2.0**schema
    first, last = math.ceil(LOWEST * per_octave), math.floor(HIGHEST * per_octave)
    counts = dict.fromkeys(range(first, last + 2), 0.0)
    counts[first] += native.zero
    for index, count in native.counts:
        # Bucket i of a finer schema lies in bucket ceil(i / 2^difference) of a coarser one.
        folded = math.ceil(index / 2 ** (native.schema - schema))
        counts[min(max(folded, first), last + 1)] += count
    total, found = 0.0, []
    for index, count in counts.items():
        total += count
        found.append((2.0 ** (index / per_octave) if index <= last else math.inf, total))
    return tuple(found)
