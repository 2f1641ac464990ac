"""What guards conclude, in words that people read and numbers that decisions need."""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class Verdict(StrEnum):
    """Worst first; `worst` orders by this list."""

    HARM = "harm"  # the candidate is worse than allowed: roll back
    SUSPECT = "suspect"  # it may be: hold the weight
    UNDECIDED = "undecided"  # not enough was seen, or nothing: hold the weight
    CLEARED = "cleared"  # the evidence allows what was asked


_SEVERITY = list(Verdict)


def worst(verdicts: "list[Verdict] | tuple[Verdict, ...]") -> Verdict:
    """The most severe of several verdicts; nothing at all is `undecided`, never a pass."""
    return min(verdicts, key=_SEVERITY.index, default=Verdict.UNDECIDED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One guard's verdict with its reason.

    `rule` is what was tested, `numbers` what was counted, `interval` the range the true value lies
    in (None where the guard has none), `needed` what would change the verdict.
    """

    guard: str
    verdict: Verdict
    rule: str
    numbers: tuple[tuple[str, float], ...]
    interval: tuple[float, float] | None
    samples: int
    needed: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All findings on one release at one moment, and how far they let its weight go.

    `weight` is the candidate's weight (percent) that the router served while this was gathered,
    `epoch` the target's epoch then: evidence of another epoch is worth nothing. `allowed` is the
    largest weight (percent) that the risk budget permits now; 0 while nothing is known. `share` is
    the candidate's share of requests that was seen since the weight last changed (percent), None
    before any request. `sequence` grows with each scrape. `current`: whether the numbers of the last
    interval came and could be taken; what does not say so is not.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    weight: float
    epoch: int
    allowed: float
    share: float | None
    sequence: int
    current: bool = field(default=False, metadata={"later": True})


def completed(seen: Evidence, told: Evidence) -> Evidence | None:
    """What was found without a word on what would change it, with the words of what was told before.

    None where those would be old: at another weight, after another verdict or after more bad things.
    """
    before = {finding.guard: finding for finding in told.findings}
    if (seen.epoch, seen.weight, len(seen.findings)) != (told.epoch, told.weight, len(before)):
        return None
    findings = []
    for one in seen.findings:
        known = before.get(one.guard)
        if known is None or (not one.needed and _said(one) != _said(known)):
            return None
        findings.append(one if one.needed else replace(one, needed=known.needed))
    return replace(seen, findings=tuple(findings))


def _said(one: Finding) -> tuple[Verdict, float | None]:
    return one.verdict, dict(one.numbers).get("bad")
