"""What the world can tell us, as values: changes seen at a source, commands of people, answers to effects.

Every event carries `at` (Unix seconds), the only clock that decisions know. A *source event* is a
change of an observed value; it is known by (source, reference, sequence), so that a webhook and a
sweep that tell the same change are one. An *answer* names the effect that it answers by `step`;
anything late, repeated or out of place changes nothing.
"""

from dataclasses import dataclass, field
from typing import Literal

from policies.approvals import Approval
from policies.evidence import Evidence
from policies.spec.declaration import Approvals, Budget

ZERO_COMMIT = "0" * 40


# --- what a source says ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RefChanged:
    """A branch or tag of a repository now names another commit; `after` is None once deleted."""

    source: str
    ref: str  # refs/heads/main, refs/tags/v1
    before: str | None
    after: str | None
    actor: str | None  # who pushed, where the sender says so
    at: float

    @property
    def reference(self) -> str:
        return self.ref

    @property
    def value(self) -> str | None:
        return self.after


@dataclass(frozen=True, slots=True)
class AliasChanged:
    """A registered model's alias now names another version; `version` is None once removed."""

    source: str
    model: str
    alias: str
    version: str | None
    at: float

    @property
    def reference(self) -> str:
        return f"{self.model}@{self.alias}"

    @property
    def value(self) -> str | None:
        return self.version


@dataclass(frozen=True, slots=True)
class VersionRegistered:
    """A registered model has a new version. Starts nothing by itself; shown to people."""

    source: str
    model: str
    version: str
    at: float

    @property
    def reference(self) -> str:
        return f"{self.model}/{self.version}"

    @property
    def value(self) -> str | None:
        return self.version


@dataclass(frozen=True, slots=True)
class ImageChanged:
    """The newest image of a tag pattern is another one; `digest` is None once no tag matches."""

    source: str
    repository: str
    pattern: str
    tag: str
    digest: str | None
    at: float

    @property
    def reference(self) -> str:
        return f"{self.repository}:{self.pattern}"

    @property
    def value(self) -> str | None:
        return self.digest


SourceEvent = RefChanged | AliasChanged | VersionRegistered | ImageChanged


# --- what people say ------------------------------------------------------------------------

Verb = Literal[
    "hand-back",
    "approve",
    "override",
    "reject",
    "promote",
    "abort",
    "retry",
    "pause",
    "resume",
    "rollback",
    "repair",
    "adopt",
    "start",
    "replay-event",
    "dismiss-event",
    "help",
]


@dataclass(frozen=True, slots=True)
class Command:
    """A command as the grammar understood it; who may give it is decided elsewhere."""

    verb: Verb
    subject: str | None  # rel-42, or a target such as wine or wine/production
    digest: str | None  # what the approver saw, as sha256:<prefix of at least 12 hex digits>
    reason: str | None
    actor: str
    channel: str  # cli, web, or a source
    at: float
    arguments: tuple[tuple[str, str], ...] = field(default=())
    where: str | None = None  # the place at the source where it was said and is answered, such as pull/7
    groups: tuple[str, ...] = field(
        default=(), metadata={"later": True}
    )  # of its source that the actor is in
    accounts: tuple[str, ...] = field(default=(), metadata={"later": True})  # of the same person
    # Whose grants must allow it when it takes effect; none: who may was checked on its way in.
    authority: tuple[str, ...] = field(default=(), metadata={"later": True})


# --- answers to a version's effects ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BuildFinished:
    """The image exists. `layers` says per layer whether it was built now or taken from the cache."""

    step: str
    image: str  # sha256:…
    layers: tuple[tuple[str, str], ...]  # (env | code | model | base, built | cached)
    at: float
    weights: str | None = None  # sha256:… of the image of its weights, where they are no layer
    # sha256:… of what was attached to the image: its packages, how it was made
    documents: tuple[str, ...] = field(default=(), metadata={"later": True})


@dataclass(frozen=True, slots=True)
class ImageTrusted:
    """The version's image is one that the operator's trust policy lets serve."""

    step: str
    at: float


@dataclass(frozen=True, slots=True)
class EvaluationFinished:
    """The evaluation's result as it reported it; gates judge it later, for each target."""

    step: str
    metrics: tuple[tuple[str, float], ...]
    at: float


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """An effect was refused, or was tried as often as allowed. `reason` is written for people."""

    step: str
    reason: str
    at: float


# --- answers to, and news for, a release ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionReady:
    """The release's version is built and evaluated."""

    image: str
    metrics: tuple[tuple[str, float], ...]
    at: float


@dataclass(frozen=True, slots=True)
class VersionFailed:
    """The release's version could not be built or evaluated."""

    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class WorkloadReady:
    """The candidate's process or pods answer; `url` is where the router finds them."""

    step: str
    url: str
    at: float


@dataclass(frozen=True, slots=True)
class Adopted:
    """What served at the place before Segue came: its name, address and image."""

    step: str
    backend: str
    url: str
    image: str
    at: float


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """The preview was asked and answered as the specification wants."""

    step: str
    detail: str
    at: float


@dataclass(frozen=True, slots=True)
class TrafficObserved:
    """The router confirms this split, written under `epoch`; `candidate` in percent."""

    step: str
    epoch: int
    candidate: float
    at: float


@dataclass(frozen=True, slots=True)
class EvidenceChanged:
    """The observer's judgement, with everything that `advance` needs; `weight` it was taken at.

    `judged` is when, where that is not now: it may have waited for whoever weighs it.
    """

    evidence: Evidence
    at: float
    judged: float | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """Why the answer to a step is still to come: pods that wait for room, a router that says no. A release
    that waits for its version has no step of its own: ""."""

    step: str
    why: str
    at: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What runs behind the two Services between which somebody else shifts.

    `candidate`: the release's version behind the candidate's; `stable`: nothing else behind stable's;
    `gone`: behind neither.
    """

    step: str
    what: Literal["candidate", "stable", "gone"]
    at: float


@dataclass(frozen=True, slots=True)
class HoldsChanged:
    """The protected branch says otherwise by now when nothing is released: freezes, and an error budget."""

    freeze: tuple[str, ...]
    budget: Budget | None
    at: float


@dataclass(frozen=True, slots=True)
class Drifted:
    """Somebody else changed what the router serves: what differs, and who did it if that is known."""

    what: str
    at: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: the deadline that the release asked for."""

    at: float


@dataclass(frozen=True, slots=True)
class TurnCame:
    """The target is free and this release is next in line."""

    at: float


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer release of the same target waits for its turn; `by` is its name."""

    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A newer release is ready, and its rule is to end the one on its way; `by` is its name."""

    by: str
    at: float


@dataclass(frozen=True, slots=True)
class AuthorityChecked:
    """Who approved was looked at once more, right before the release takes its turn.

    `rule` is the protected branch's now, `approvals` those that were given by people who still may, as they
    stand now, and `lost` says of the others why not. `overridden`: an override that was given still is.
    """

    step: str
    rule: Approvals
    approvals: tuple[Approval, ...]
    lost: tuple[str, ...]
    at: float
    overridden: bool = True


VersionEvent = BuildFinished | ImageTrusted | EvaluationFinished | EffectFailed
ReleaseEvent = (
    VersionReady
    | VersionFailed
    | WorkloadReady
    | Adopted
    | CheckFinished
    | TrafficObserved
    | EvidenceChanged
    | EffectFailed
    | Waits
    | Seen
    | Drifted
    | HoldsChanged
    | Tick
    | TurnCame
    | Superseded
    | Overtaken
    | AuthorityChecked
    | Command
)
