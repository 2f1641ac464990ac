"""Gates: an evaluation's numbers against the rules that they must satisfy before any traffic.

A metric that is missing, NaN or infinite never passes. A gate relative to stable has nothing to
compare with on a first release: it does not stop it, and the record says so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from policies.spec.declaration import Comparison, Gate

_ROUNDING = 1e-9  # 0.93 - 0.03 is not exactly 0.9 in binary
_RELATIVE = {Comparison.NO_WORSE, Comparison.NO_HIGHER}


@dataclass(frozen=True, slots=True)
class GateReport:
    """Whether all gates passed, a line for each, and what was not proven by them."""

    passed: bool
    lines: tuple[str, ...]
    reason: str  # why not, for people; "" if they passed
    unproven: tuple[str, ...]


def judge(
    rules: tuple[Gate, ...], metrics: Mapping[str, float], baseline: Mapping[str, float] | None
) -> GateReport:
    """All gates against the evaluation's `metrics` and stable's own (`baseline`, None: no stable)."""
    outcomes = [_judge(rule, metrics, baseline) for rule in rules]
    failed = [line for verdict, line in outcomes if verdict is False]
    unproven = tuple(line for verdict, line in outcomes if verdict is None)
    return GateReport(
        passed=not failed,
        lines=tuple(line for _, line in outcomes),
        reason="; ".join(failed),
        unproven=unproven,
    )


def _judge(
    rule: Gate, metrics: Mapping[str, float], baseline: Mapping[str, float] | None
) -> tuple[bool | None, str]:
    """True passes, False fails, None could not be compared on a first release."""
    value = metrics.get(rule.metric)
    wanted = f"{rule.comparison.value} {rule.value:g}"
    if value is None or not math.isfinite(value):
        found = "is missing" if value is None else f"is {value}"
        return False, f"{rule.metric} {found}, wanted {wanted}"
    if rule.comparison not in _RELATIVE:
        return _holds(rule.comparison, value, rule.value), f"{rule.metric} is {value:g}, wanted {wanted}"
    if baseline is None:
        return None, f"{rule.metric} is {value:g}; no stable version to compare with"
    stable = baseline.get(rule.metric)
    if stable is None or not math.isfinite(stable):
        return False, f"{rule.metric} of the stable version is not known, wanted {wanted}"
    line = f"{rule.metric} is {value:g}, stable has {stable:g}, wanted {wanted}"
    no_worse = rule.comparison is Comparison.NO_WORSE
    limit = stable - rule.value - _ROUNDING if no_worse else stable + rule.value + _ROUNDING
    return _holds(rule.comparison, value, limit), line


def _holds(comparison: Comparison, value: float, limit: float) -> bool:
    match comparison:
        case Comparison.AT_LEAST | Comparison.NO_WORSE:
            return value >= limit
        case Comparison.MORE_THAN:
            return value > limit
        case Comparison.AT_MOST | Comparison.NO_HIGHER:
            return value <= limit
        case Comparison.LESS_THAN:
            return value < limit
