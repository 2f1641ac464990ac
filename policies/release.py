"""A release and its target, as values: where a journey stands, and what a target serves.

The machine itself is `policies.rollout`. What was asked of the router (`wanted`) and what it
confirmed (`observed`) are two fields; `step` names the one answer that is waited for.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from policies.approvals import Approval, Bond, Override
from policies.evidence import Evidence
from policies.place import HERE, Place
from policies.spec.declaration import LATER, Environment, Gate, Mode
from policies.strategy import Step


class Phase(StrEnum):
    """Where a release stands."""

    PENDING = "pending"  # its version is being built or evaluated
    APPROVAL = "approval"  # waits for people
    QUEUED = "queued"  # ready; another release holds the target
    STARTING = "starting"  # holds the target; the candidate's workload starts
    CHECKING = "checking"  # the preview is asked
    SHADOWING = "shadowing"  # it answers copies of requests, and no user sees that
    SHIFTING = "shifting"  # traffic moves step by step
    WATCHING = "watching"  # all traffic on the candidate, stable kept warm
    RESTORING = "restoring"  # traffic goes back to stable
    PROMOTED = "promoted"  # final: it serves
    ROLLED_BACK = "rolled back"  # final: a guard took it back
    ABORTED = "aborted"  # final: a person took it back
    REJECTED = "rejected"  # final: people said no, or nobody in time
    REFUSED = "refused"  # final: a gate said no; it had no traffic
    FAILED = "failed"  # final: could not be built, evaluated, started or checked
    SUPERSEDED = "superseded"  # final: a newer release took its place
    ALREADY_THERE = "already there"  # final: this version serves already


FINAL = frozenset(
    {
        Phase.PROMOTED,
        Phase.ROLLED_BACK,
        Phase.ABORTED,
        Phase.REJECTED,
        Phase.REFUSED,
        Phase.FAILED,
        Phase.SUPERSEDED,
        Phase.ALREADY_THERE,
    }
)
JUDGED = frozenset({Phase.SHADOWING, Phase.SHIFTING, Phase.WATCHING})
HELD = "held: "  # how the reason begins of one whose patience is over, and that waits for evidence or people
HOLDING = frozenset({Phase.STARTING, Phase.CHECKING, *JUDGED, Phase.RESTORING})


@dataclass(frozen=True, slots=True)
class Cause:
    """What started the release, in words and in the places to report back to.

    `commit` and `source` say where the commit's status goes; `registered` is the registered
    version that aliases and tags are written for.
    """

    text: str
    author: str | None
    source: str | None = None
    commit: str | None = None
    registry: str | None = None
    registered: tuple[str, str] | None = None  # model name, version
    alias: str | None = None  # the candidate's alias


@dataclass(frozen=True, slots=True)
class Serving:
    """A version with a running workload, in a target."""

    release: str
    number: int
    version: str
    image: str
    backend: str
    url: str
    since: float
    metrics: tuple[tuple[str, float], ...] = ()
    registered: tuple[str, str] | None = None
    adopted: str = field(default="", metadata=LATER)  # who took it for right, where no release brought it
    registry: str | None = field(default=None, metadata=LATER)  # the source that `registered` is a name at


@dataclass(frozen=True, slots=True)
class Remedy:
    """What is to be done about a target's drift, as long as it is the one that was seen.

    `repair`: write once more what Segue decided, under `epoch`; `adopt`: what is there is right from now on.
    """

    verb: Literal["repair", "adopt"]
    seen: str  # the drift that it is for: nothing else is overwritten
    actor: str  # who said so; "the policy"
    reason: str
    epoch: int
    at: float


@dataclass(frozen=True, slots=True)
class Target:
    """One model in one environment.

    `holder` is the release that may write traffic, `epoch` grows with each handover, `newest` is
    the greatest release number that ever held it: nothing older may take it again.
    """

    name: str
    epoch: int = 0
    holder: str | None = None
    newest: int = 0
    stable: Serving | None = None
    previous: Serving | None = None
    place: Place = HERE  # where `stable` serves
    drift: str = ""  # how what serves differs from what was written, where somebody else changed it
    apart: str = field(default="", metadata=LATER)  # what an alias or Git names that does not serve
    accepted: str = field(default="", metadata=LATER)  # an `apart` that people said is right
    unmended: str = field(default="", metadata=LATER)  # why the last remedy was not done
    remedy: Remedy | None = field(default=None, metadata=LATER)  # to be done about `drift`
    repairs: tuple[float, ...] = field(default=(), metadata=LATER)  # when the policy had it repaired lately


@dataclass(frozen=True, slots=True)
class Release:
    """One version's journey to one target."""

    name: str
    number: int
    model: str
    target: str
    environment: Environment
    version: str
    backend: str
    cause: Cause
    steps: tuple[Step, ...] = ()
    rules: tuple[Gate, ...] = ()
    batch: bool = False  # a model that serves no traffic
    switch: bool = False  # a rollback: one absolute move to a version that is warm
    phase: Phase = Phase.PENDING
    position: int = 0
    step: str = ""
    attempt: int = 0
    epoch: int = 0
    image: str = ""
    url: str = ""
    metrics: tuple[tuple[str, float], ...] = ()
    wanted: float = 0.0
    observed: float = 0.0
    since: float = 0.0  # when `observed` was confirmed, or the phase began
    peak: float = 0.0  # the largest weight it ever had
    plan: str = ""
    approvals: tuple[Approval, ...] = ()
    evidence: Evidence | None = None
    evidence_at: float = 0.0
    paused: bool = False
    unproven: tuple[str, ...] = ()  # why the record calls it *not proven*
    gates: tuple[str, ...] = ()
    outcome: Phase | None = None  # what RESTORING ends in
    reason: str = ""
    waits: str = ""  # why the answer to `step`, or to its version's, is still to come
    began: float = 0.0
    ended: float | None = None
    retries: str | None = None  # the release that this one tries again
    place: Place = HERE
    copied: bool = field(default=False, metadata=LATER)  # the router is to copy requests to it
    would: str = field(default="", metadata=LATER)  # where it is only watched: what Segue would have done
    override: Override | None = field(
        default=None, metadata=LATER
    )  # an admin lets it go on against its rules
    asked: tuple[Bond, ...] = field(default=(), metadata=LATER)  # what people were asked for; the last counts

    @property
    def only_watched(self) -> bool:
        """Whether nothing is changed for it: somebody else shifts its traffic, or moves its alias."""
        return self.environment.mode is Mode.OBSERVE

    @property
    def final(self) -> bool:
        return self.phase in FINAL

    @property
    def held(self) -> bool:
        """Whether its patience is over, so that people may have to decide."""
        return self.reason.startswith(HELD)

    @property
    def proven(self) -> bool:
        return not self.unproven

    @property
    def settled(self) -> bool:
        """Whether the router has confirmed what was asked of it last."""
        return self.wanted == self.observed and not (self.phase is Phase.SHADOWING and self.step)
