"""What a tool that asks for a verdict is told: go on, wait, or back; and never *go* without evidence.

The tool shifts the traffic and Segue judges; where Segue shifts it itself, the same words tell what it does.
Pure: `there` says why what runs behind the candidate's Service is not the release's version ("" where it
is), and is looked at when the tool asks: of another version nothing is known, neither good nor bad.
"""

from dataclasses import dataclass
from enum import StrEnum

from policies import messages, observing
from policies.evidence import Evidence, Verdict
from policies.release import HOLDING, Phase, Release
from policies.shifting import STALE_AFTER

_NO = frozenset({Phase.ROLLED_BACK, Phase.ABORTED, Phase.REFUSED, Phase.REJECTED, Phase.FAILED})


class Answer(StrEnum):
    """What to do with the traffic."""

    GO = "go"  # the evidence allows what was asked
    WAIT = "wait"  # it does not yet, or nothing is known: stay at this weight
    BACK = "back"  # harm was found, or somebody or a gate said no: take the candidate back


@dataclass(frozen=True, slots=True)
class Said:
    """The answer and its reason. `current`: whether it rests on numbers of now; `there`: whether the
    release's version is what runs behind the candidate's Service."""

    answer: Answer
    reason: str
    verdict: Verdict = Verdict.UNDECIDED
    current: bool = False
    there: bool = True


def answer(release: Release | None, *, at: float, there: str = "", weight: float | None = None) -> Said:
    """Whether the candidate may have `weight` percent; None: whether it may go on from where it is."""
    if release is None:
        return Said(Answer.WAIT, "no release is known here", there=False)
    if there:
        return Said(Answer.WAIT, f"{release.name} is not what serves there: {there}", there=False)
    if release.phase in _NO:
        return Said(Answer.BACK, messages.title(release) + (f": {release.reason}" if release.reason else ""))
    if release.phase not in HOLDING:
        return Said(Answer.WAIT, messages.title(release))
    if _harmed(release):
        return Said(Answer.BACK, release.would or release.reason, Verdict.HARM, current=True)
    return _by_evidence(release, at, weight)


def _harmed(release: Release) -> bool:
    return observing.harmed(release) if release.only_watched else release.phase is Phase.RESTORING


def _by_evidence(release: Release, at: float, weight: float | None) -> Said:
    evidence = release.evidence
    if release.phase in {Phase.STARTING, Phase.CHECKING} or evidence is None:
        return Said(Answer.WAIT, "nothing was seen of it yet")
    if abs(at - release.evidence_at) > STALE_AFTER or evidence.epoch != release.epoch:
        return Said(Answer.WAIT, "the evidence is old: no numbers came lately")
    verdict, current = evidence.verdict, evidence.current
    if release.paused:
        return Said(Answer.WAIT, release.reason or "paused", verdict, current)
    known = 0 <= evidence.allowed <= 100  # also not where it is no number
    allowed = evidence.allowed if known else 0.0
    enough = known and (evidence.weight > 0 if weight is None else allowed >= weight)
    if current and verdict is Verdict.CLEARED and enough:
        return Said(Answer.GO, f"the evidence allows {allowed:g} %", verdict, current)
    return Said(Answer.WAIT, _needed(evidence, allowed, weight), verdict, current)


def _needed(evidence: Evidence, allowed: float, weight: float | None) -> str:
    asked = "" if weight is None else f", and {weight:g} % were asked for"
    held = [f for f in evidence.findings if f.verdict in {Verdict.SUSPECT, Verdict.UNDECIDED} and f.needed]
    worst = min(held, key=lambda f: list(Verdict).index(f.verdict), default=None)
    more = "" if worst is None else f"; needs {worst.needed}"
    return f"{evidence.verdict.value}: the evidence allows {allowed:g} %{asked}{more}"


# --- the gates of Flagger --------------------------------------------------------------------


class Gate(StrEnum):
    """Webhooks of Flagger that decide something, by its names. 200 means yes; of `rollback` yes is harm.

    https://docs.flagger.app/usage/webhooks
    """

    CONFIRM_ROLLOUT = "confirm-rollout"
    PRE_ROLLOUT = "pre-rollout"
    ROLLOUT = "rollout"
    CONFIRM_TRAFFIC_INCREASE = "confirm-traffic-increase"
    CONFIRM_PROMOTION = "confirm-promotion"
    ROLLBACK = "rollback"


def passes(gate: Gate, release: Release | None, said: Said, routed: float | None) -> bool:
    """Whether the gate is open. `said`: the answer to what it asks; `routed`: the weight (percent) that the
    route says, None where that is not known."""
    begun = release is not None and release.phase in HOLDING and not (release.paused or _harmed(release))
    match gate:
        case Gate.ROLLBACK:
            return said.answer is Answer.BACK
        case Gate.CONFIRM_ROLLOUT:
            return begun  # before any pod of it runs
        case Gate.PRE_ROLLOUT:
            return begun and said.there
        case Gate.ROLLOUT:
            fine = said.verdict in {Verdict.CLEARED, Verdict.UNDECIDED}
            return begun and said.there and said.current and fine
        case Gate.CONFIRM_TRAFFIC_INCREASE:
            # The first requests cannot be asked for evidence; that it has none yet says the route itself.
            first = begun and said.there and routed == 0 and said.verdict is not Verdict.SUSPECT
            return said.answer is Answer.GO or first
        case Gate.CONFIRM_PROMOTION:
            return said.answer is Answer.GO
