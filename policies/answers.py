"""One text for each way to write a class: what a model answers and what a label says are compared by it."""

import math

_DIGITS = 9  # of a number: two versions of one sum differ in the last bits


def text_of(value: str | float) -> str:
    """1, 1.0 and "1" are one class; numbers are compared by their first nine digits."""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return str(value)
    return f"{number:.{_DIGITS}g}" if math.isfinite(number) else str(value)


def rounded(value: float) -> float:
    """The number that is compared in the place of another."""
    return float(f"{value:.{_DIGITS}g}")
