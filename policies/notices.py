"""Turns of a release that people elsewhere are told of, each by a notice of its own, as it stood then.

A chat's message says how a release stands now; receivers (webhooks, mail, annotations) are told what has
happened, in order. A notice is made once, in the change that it tells of, and never altered.
"""

from dataclasses import dataclass
from enum import StrEnum

from policies.release import Phase, Release


class Turn(StrEnum):
    """What has happened. Those that have a phase's name: the release has come to it."""

    PENDING = "pending"  # it was asked for
    APPROVAL = "approval"  # people are asked, or asked anew
    APPROVED = "approved"  # somebody said yes
    QUEUED = "queued"
    STARTING = "starting"
    CHECKING = "checking"
    SHADOWING = "shadowing"
    SHIFTING = "shifting"
    STEP = "step"  # the router has confirmed its next weight
    HELD = "held"  # its patience is over, and the evidence lets it go nowhere: people may have to decide
    PAUSED = "paused"
    RESUMED = "resumed"
    OVERRIDDEN = "overridden"  # an admin lets it go on against its rules
    WATCHING = "watching"
    RESTORING = "restoring"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    REJECTED = "rejected"
    REFUSED = "refused"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    ALREADY_THERE = "already_there"
    PARKED = "parked"  # work was given up, and waits for people


# What people must do, or must know.
URGENT = (
    Turn.APPROVAL, Turn.HELD, Turn.PAUSED, Turn.OVERRIDDEN, Turn.ROLLED_BACK, Turn.REFUSED, Turn.FAILED,
    Turn.PARKED,
)  # fmt: skip
ROLLOUT = frozenset(
    {
        Turn.STARTING, Turn.CHECKING, Turn.SHADOWING, Turn.SHIFTING, Turn.STEP, Turn.HELD, Turn.PAUSED,
        Turn.RESUMED, Turn.WATCHING, Turn.RESTORING,
    }
)  # fmt: skip
FINAL = frozenset(
    {
        Turn.PROMOTED, Turn.ROLLED_BACK, Turn.ABORTED, Turn.REJECTED, Turn.REFUSED, Turn.FAILED,
        Turn.SUPERSEDED, Turn.ALREADY_THERE,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Notice:
    """One turn, and how its release stood. Times are Unix seconds, weights percent.

    `about` names what it is about: a release, or work that was given up and belongs to none; then what
    is said of a release is empty. `began` tells releases of one name apart, which two installations have.
    """

    turn: Turn
    at: float
    about: str
    began: float
    title: str
    text: str
    model: str = ""
    environment: str = ""
    target: str = ""
    number: int = 0
    phase: str = ""
    version: str = ""
    image: str = ""
    cause: str = ""
    author: str | None = None
    source: str | None = None
    commit: str | None = None
    registered: tuple[str, str] | None = None
    wanted: float = 0.0
    observed: float = 0.0
    proven: bool = True
    reason: str = ""
    plan: str = ""
    needed: int = 0
    approved: tuple[str, ...] = ()


def turns(before: Release | None, after: Release) -> tuple[Turn, ...]:
    """What has happened between the two, in the order to tell it; `before` None: it was asked for."""
    if before is None:
        return (Turn.PENDING,)
    moved = after.phase is not before.phase
    said = {
        Turn.OVERRIDDEN: after.override not in {None, before.override},
        Turn.APPROVED: len(after.approvals) > len(before.approvals),
        of_phase(after.phase): moved or _asked_anew(before, after),
        Turn.STEP: not moved and _stepped(before, after),
        Turn.HELD: after.held and not before.held,
        Turn.PAUSED: after.paused and not before.paused,
        Turn.RESUMED: before.paused and not (after.paused or after.final),
    }
    return tuple(turn for turn, so in said.items() if so)


def of_phase(phase: Phase) -> Turn:
    """The turn to a phase."""
    return Turn(phase.value.replace(" ", "_"))


def notice(turn: Turn, at: float, release: Release, title: str, text: str) -> Notice:
    """The notice of one turn of a release, as it stands."""
    cause, rule = release.cause, release.environment.approvals
    return Notice(
        turn=turn, at=at, about=release.name, began=release.began, title=title, text=text,
        model=release.model, environment=release.environment.name, target=release.target,
        number=release.number, phase=release.phase.value, version=release.version, image=release.image,
        cause=cause.text, author=cause.author, source=cause.source, commit=cause.commit,
        registered=cause.registered, wanted=release.wanted, observed=release.observed, proven=release.proven,
        reason=release.reason or release.waits, plan=release.plan, needed=rule.count,
        approved=tuple(one.actor for one in release.approvals if one.plan == release.plan),
    )  # fmt: skip


def _asked_anew(before: Release, after: Release) -> bool:
    lost = bool(before.approvals) and not after.approvals
    return after.phase is Phase.APPROVAL and (lost or after.asked[-1:] != before.asked[-1:])


def _stepped(before: Release, after: Release) -> bool:
    """Weights that only pass by while a split is being written are no step."""
    return (
        after.phase is Phase.SHIFTING and after.observed != before.observed and after.observed == after.wanted
    )
