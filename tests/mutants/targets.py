"""What is changed, and the tests that must notice. No third-party library: two environments read this."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
MACHINE = (
    "rollout", "queueing", "starting", "shifting", "ending", "split", "settle", "freezing", "observing", "approving",
    "strategy", "ramp",
)  # fmt: skip
GROUPS = {
    "guards": tuple(sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "policies/guards").rglob("*.py"))),
    "rollout machine": tuple(f"policies/{name}.py" for name in MACHINE),
}
TESTS = (
    "asking", "counted", "evidence", "forecast", "guards", "histogram_guard", "histories", "increment", "journeys", "judge", "judgements",
    "labels", "late_counters", "learning", "only_watching", "orders", "paired_guard", "quality_guard", "ramp",
    "readings", "recorded", "replays", "report", "rollout", "segments", "stretches",
)  # fmt: skip


def tests():
    """The files of the tests that look at them closely; each runs in seconds."""
    return [f"tests/unit/test_{name}.py" for name in TESTS]
