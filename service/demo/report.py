"""What a demo proved: the acts' ends, every answer that users got, and whether all is explained."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from service.demo import timeline
from service.demo.acts import Outcome
from service.demo.traffic import Answer

LEAST_RATE = 100.0  # requests per second that users must have sent, all the time
Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """What users of one target got. `strangers` and `unexplained` must both be empty."""

    target: str
    requests: int
    failed: int
    rate: float  # requests per second over the whole time
    median: float  # seconds
    p99: float
    versions: tuple[tuple[str, int], ...]
    strangers: tuple[Answer, ...]
    unexplained: tuple[Answer, ...]

    @property
    def ok(self) -> bool:
        return self.requests > 0 and not self.strangers and not self.unexplained


def served(target: str, answers: list[Answer], releases: Iterable[Found], faulty: frozenset[str]) -> Served:
    """A target's answers against the record of its releases."""
    told = timeline.moments(releases)
    took = sorted(a.done - a.sent for a in answers) or [0.0]
    whole = answers[-1].done - answers[0].sent if len(answers) > 1 else 0.0
    return Served(
        target=target,
        requests=len(answers),
        failed=sum(a.failed for a in answers),
        rate=len(answers) / whole if whole else 0.0,
        median=statistics.median(took),
        p99=took[int(0.99 * (len(took) - 1))],
        versions=tuple(Counter(a.version for a in answers if a.version).most_common()),
        strangers=tuple(timeline.strangers(answers, told)),
        unexplained=tuple(timeline.unexplained(answers, faulty)),
    )


def complaints(
    outcomes: list[Outcome], users: list[Served], acts: int, least_rate: float = LEAST_RATE
) -> list[str]:
    """Everything that is not as it should be, in words; none: the demo succeeded."""
    wrong = [
        f"act {outcome.number}: not true: {sentence}"
        for outcome in outcomes
        for sentence, true in outcome.checks
        if not true
    ]
    if len(outcomes) < acts:
        wrong.append(f"only {len(outcomes)} of {acts} acts were played")
    for one in users:
        if one.strangers:
            wrong.append(f"{one.target}: {len(one.strangers)} answers by versions that had no traffic")
        if one.unexplained:
            wrong.append(f"{one.target}: {len(one.unexplained)} failed requests that no fault explains")
    if sum(one.rate for one in users) < least_rate:
        wrong.append(f"users sent fewer than {least_rate:g} requests per second")
    return wrong


def as_json(outcomes: list[Outcome], users: list[Served], wrong: list[str], seconds: float) -> dict[str, Any]:
    """The report as it is written to `demo-report.json`."""
    return {
        "ok": not wrong,
        "wrong": wrong,
        "seconds": round(seconds, 1),
        "acts": [
            {
                "act": one.number,
                "title": one.title,
                "ok": one.ok,
                "release": one.release,
                "ended": one.ended,
                "reason": one.reason,
                "seconds": round(one.seconds, 1),
                "checks": [{"sentence": sentence, "true": true} for sentence, true in one.checks],
            }
            for one in outcomes
        ],
        "users": [
            {
                "target": one.target,
                "requests": one.requests,
                "failed": one.failed,
                "requests_per_second": round(one.rate, 1),
                "median_ms": round(one.median * 1000, 1),
                "p99_ms": round(one.p99 * 1000, 1),
                "versions": dict(one.versions),
                "strangers": [_answer(a) for a in one.strangers[:20]],
                "unexplained": [_answer(a) for a in one.unexplained[:20]],
            }
            for one in users
        ],
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {"sent": answer.sent, "done": answer.done, "status": answer.status, "version": answer.version}


def table(outcomes: list[Outcome]) -> Table:
    """The acts with their ends and reasons."""
    shown = Table(title="What happened", title_justify="left", box=None, pad_edge=False)
    for column in ("", "act", "release", "ended", "after", "why"):
        shown.add_column(column, overflow="fold")
    for one in outcomes:
        mark = "[green]✓[/green]" if one.ok else "[red]✗[/red]"
        shown.add_row(
            mark,
            f"{one.number} {one.title}",
            one.release,
            one.ended,
            f"{one.seconds:.0f} s",
            escape(one.reason),
        )
    return shown


def users_table(users: list[Served]) -> Table:
    """What users got."""
    shown = Table(title="What users got", title_justify="left", box=None, pad_edge=False)
    for column in (
        "target",
        "requests",
        "per second",
        "failed",
        "median",
        "p99",
        "by versions without traffic",
    ):
        shown.add_column(column, justify="left")
    for one in users:
        shown.add_row(
            one.target,
            str(one.requests),
            f"{one.rate:.0f}",
            str(one.failed),
            f"{one.median * 1000:.1f} ms",
            f"{one.p99 * 1000:.1f} ms",
            str(len(one.strangers)),
        )
    return shown
