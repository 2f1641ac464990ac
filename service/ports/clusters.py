"""What an operator asks of a cluster before anything is done there."""

from dataclasses import dataclass
from typing import Protocol

from policies.place import Place


@dataclass(frozen=True, slots=True)
class Existing:
    """A Deployment that is there already, and what belongs to it, as `namespace/name` each.

    `image` is the reference that its pod template names in the container `container`, which most likely holds
    the model; `beside` are the others, with their images. `manager` is who keeps it as it is, where that can
    be seen (`Argo CD, Application fraud`), `mend` the lines that let those who keep any of it leave the
    fields alone that a release changes.
    """

    deployment: str
    image: str
    services: tuple[str, ...]
    routes: tuple[str, ...]
    autoscaler: str | None
    manager: str | None
    mend: str = ""
    container: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one of the doctor's checks found; `mend` is what to do where it is not `ok`."""

    check: str
    ok: bool
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """A target that serves there, what keeps its users on a version (`none`, `cookie`, `header`), whether
    its requests are copied before a candidate gets any, whether a guard asks for counters of its own, and
    whether one asks who answered which request."""

    target: str
    place: Place
    sticky: str = "none"
    shadow: bool = False
    counted: bool = False
    noted: bool = False


class ClusterView(Protocol):
    """What an operator asks of a cluster before anything is done there."""

    def version(self) -> str:
        """The cluster's version. Raises `Retry` or `Refused` where it does not answer as it should."""
        ...

    def existing(self, namespace: str, name: str) -> Existing:
        """A Deployment with what belongs to it. Raises `Refused` where there is none."""
        ...

    def examine(self, targets: tuple[Served, ...]) -> list[Finding]:
        """What is missing or wrong there for these targets; nothing is changed."""
        ...
