"""What is changed, and the tests that must notice. No third-party library: two environments read this."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported(file, found=()):
    """This module's file and those of `policies` that it is made of, but for what is declared."""
    found = {*found, file}
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("policies"):
            folder = node.module.replace(".", "/")
            for other in (f"{folder}.py", *(f"{folder}/{name.name}.py" for name in node.names)):
                if other not in found and "/spec/" not in other and (ROOT / other).is_file():
                    found |= imported(other, found)
    return found


GROUPS = {
    "guards": tuple(sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "policies/guards").rglob("*.py"))),
    "rollout machine": tuple(
        sorted(imported("policies/rollout.py") | {"policies/ramp.py", "policies/turns.py"})
    ),
}
TESTS = (
    "approvals", "asking", "bets_by_hand", "calendars", "coarse", "counted", "evidence", "food_by_hand", "forecast",
    "gates", "grpc_calls", "guards", "histogram_guard", "histories", "increment", "journeys", "judge",
    "judgements", "labels", "lanes", "late_counters", "learning", "limits_of_guards", "never_fails_open",
    "noise", "notices", "observing_by_hand", "only_watching", "orders", "overshoot", "paired_guard", "place", "quality_guard",
    "ramp", "ratios", "readings", "recorded", "recurrence", "replays", "report", "rollout", "segments", "segments_of_labels",
    "shifting", "slow_limit", "split", "stable_alone",
    "stretches", "summary", "turns", "verdict", "wagers", "windows", "written",
)  # fmt: skip


def tests():
    """The files of the tests that look at them closely; each runs in seconds."""
    return [f"tests/unit/test_{name}.py" for name in TESTS]
