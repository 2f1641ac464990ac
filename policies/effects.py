"""What should be done to the world: values that decisions return and that the worker performs.

Each effect is safe to repeat: it names its object and says the absolute state wanted. `step` is
what the answer must name. An effect travels in a lane: traffic has one per target, where a newer
wanted state replaces an unsent older one; work has one per version or release, in order;
notifications have one per destination, so that a slow host delays nothing else. A chat's message has
a lane of its own, in which the newest state is said.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from policies.notices import Notice
from policies.place import HERE, Place
from policies.recording import Recording
from policies.spec.declaration import LATER

# --- work: builds, evaluations, workloads ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Build:
    """Build the version's image; answered by `BuildFinished`."""

    step: str
    version: str


@dataclass(frozen=True, slots=True)
class CheckImage:
    """Sign the version's image if Segue built it, and hold it against the trust policy; answered by
    `ImageTrusted`."""

    step: str
    version: str


@dataclass(frozen=True, slots=True)
class RunEvaluation:
    """Run the version's evaluation in its image; answered by `EvaluationFinished`."""

    step: str
    version: str


@dataclass(frozen=True, slots=True)
class CheckAuthority:
    """Ask once more whether whoever approved the release still may; answered by `AuthorityChecked`."""

    step: str
    release: str


@dataclass(frozen=True, slots=True)
class StartWorkload:
    """Keep this version running under this name; answered by `WorkloadReady`."""

    step: str
    version: str
    backend: str
    target: str = ""
    place: Place = HERE


@dataclass(frozen=True, slots=True)
class Adopt:
    """Find out what serves at the place already, which Segue did not start; answered by `Adopted`."""

    step: str
    target: str
    place: Place


@dataclass(frozen=True, slots=True)
class CheckPreview:
    """Ask the running candidate, unseen by users; answered by `CheckFinished`. `requests` names recorded ones
    that it will be asked, which must be there."""

    step: str
    target: str
    version: str
    backend: str
    url: str
    place: Place = HERE
    requests: str = field(default="", metadata=LATER)


@dataclass(frozen=True, slots=True)
class StopWorkload:
    """End a workload that no route names any more; nothing waits for it."""

    backend: str
    place: Place = HERE


@dataclass(frozen=True, slots=True)
class Settle:
    """No rollout goes on between these workloads: nothing holds their numbers of copies any more."""

    backends: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Follow:
    """Look, and only look, until something else than `known` runs behind a place's two Services; answered by
    `Seen`. `image`: what the release's version is known by."""

    step: str
    target: str
    image: str
    place: Place
    known: Literal["nothing", "candidate", "gone"]


@dataclass(frozen=True, slots=True)
class Wake:
    """Come back at this moment with a `Tick`."""

    at: float


# --- traffic ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """One backend's place in a split; `weight` in percent."""

    backend: str
    url: str
    weight: float


@dataclass(frozen=True, slots=True)
class SetTraffic:
    """The target's whole split under the holder's epoch; answered by `TrafficObserved`.

    `candidate` names the backend whose weight the answer reports. No shares at all removes the
    route: nothing has ever served there. `attempt` grows with each write of an epoch, so that one
    which comes late is known for it. `recording` is what is recorded of answers; where it copies, the
    candidate gets a copy of each request.
    """

    step: str
    target: str
    epoch: int
    candidate: str
    shares: tuple[Share, ...]
    sticky: str
    attempt: int = 0
    place: Place = HERE
    recording: Recording | None = field(default=None, metadata=LATER)


class Returning(StrEnum):
    """The steps of handing a place back. Each begins once the one before is done, and none comes twice."""

    RESTORE = "restore"  # what was found runs again, with the version that serves, and is ready
    ROUTE = "route"  # the route names it alone
    CLEAR = "clear"  # what is ours goes


@dataclass(frozen=True, slots=True)
class HandBack:
    """Return a place as it was found, with what is stable serving; answered by the target being free.

    `version` is stable's, "" where that is what was found, and `image` then the one it was found with.
    It is one effect for each step, so that a failed call repeats its own step alone.
    """

    target: str
    epoch: int
    place: Place
    image: str
    version: str = ""
    stage: Returning = Returning.RESTORE


# --- notifications ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReportCommit:
    """Tell the commit's host how its release stands; `state` is pending, success or failure.

    `release` is its name, `rows` are those of `policies.summary`; neither where it is about a file.
    """

    source: str
    commit: str
    key: str
    state: str
    title: str
    text: str
    release: str = field(default="", metadata=LATER)
    rows: tuple[tuple[str, str, str], ...] = field(default=(), metadata=LATER)


@dataclass(frozen=True, slots=True)
class ReportDeployment:
    """Have the commit's host list the release as a deployment to its target; `state` is one of
    `policies.deployment`.

    `key` tells the release from all others there. What ends as a failure and was never begun is not listed.
    """

    source: str
    commit: str
    target: str
    release: str
    key: str
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class WriteComment:
    """Answer at a Git host or in a chat, where a command was said: one comment for each `key`."""

    source: str
    where: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class TellChat:
    """Have the one message about a release, in a chat's room, say how it stands when this is performed."""

    source: str
    room: str
    release: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell a receiver this, as it stands here: one delivery, however often it is tried. `to`: whom it is to
    tell, where it goes on to several."""

    source: str
    notice: Notice
    to: str = field(default="", metadata=LATER)


@dataclass(frozen=True, slots=True)
class MoveAlias:
    """Make a registry's alias name this version; None removes it.

    `expected`: only while the alias names that one; people may have moved it on.
    """

    source: str
    model: str
    alias: str
    version: str | None
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class TagVersion:
    """Write results back to a registered version: as tags, and `note` as a line of its description.

    The line is the one about `target`, in place of what was said of it before; "": none.
    """

    source: str
    model: str
    version: str
    tags: tuple[tuple[str, str], ...]
    target: str = field(default="", metadata=LATER)
    note: str = field(default="", metadata=LATER)


@dataclass(frozen=True, slots=True)
class KeepCheckpoint:
    """Have a place elsewhere keep the record's head of that moment, signed; nothing waits for it."""

    place: str
    size: int
    hash: str
    at: float


@dataclass(frozen=True, slots=True)
class SendLineage:
    """Tell a server of lineage what happened to the release then: `begin`, `share` or `end`."""

    release: str
    turn: str
    at: float


Effect = (
    Build
    | CheckImage
    | RunEvaluation
    | CheckAuthority
    | StartWorkload
    | Adopt
    | CheckPreview
    | StopWorkload
    | Settle
    | Follow
    | Wake
    | SetTraffic
    | HandBack
    | ReportCommit
    | ReportDeployment
    | WriteComment
    | TellChat
    | Notify
    | MoveAlias
    | TagVersion
    | KeepCheckpoint
    | SendLineage
)


def lane(effect: Effect, subject: str) -> str:
    """The lane that the effect travels in; `subject` is the version or release it belongs to."""
    match effect:
        case SetTraffic(target=target) | HandBack(target=target):
            return f"traffic:{target}"
        case ReportCommit(source=source, commit=commit):
            return f"notify:{source}:{commit}"
        case ReportDeployment(source=source, target=target):
            return f"notify:{source}:deployment:{target}"
        case WriteComment(source=source, where=where):
            return f"notify:{source}:{where}"
        case TellChat(source=source, room=room, release=release):
            return f"chat:{source}:{room}:{release}"
        case Notify(source=source, notice=notice, to=to):
            return f"notify:{source}:{notice.about}{to and f':{to}'}"
        case MoveAlias(source=source, model=model) | TagVersion(source=source, model=model):
            return f"notify:{source}:{model}"
        case SendLineage(release=release):
            return f"lineage:{release}"
        case KeepCheckpoint(place=place):
            return f"archive:{place}"
        case Wake():
            return f"clock:{subject}:{effect.at}"
        case StopWorkload(backend=backend):
            return f"workload:{backend}"
        case Settle(backends=backends):
            return f"workload:{backends[0]}"
        case StartWorkload(backend=backend):
            return f"workload:{backend}"
        case (
            Build() | CheckImage() | RunEvaluation() | CheckAuthority() | Adopt() | CheckPreview() | Follow()
        ):
            return f"work:{subject}"
