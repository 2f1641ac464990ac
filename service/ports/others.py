"""What runs behind Services between which somebody else shifts traffic; looked at, and never changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is not ending: every image it names or runs (also by digest), and how often it restarted."""

    images: frozenset[str]
    restarts: int = 0
    ready: bool = True

    def runs(self, image: str) -> bool:
        """Whether one of its containers is of this image, named by its digest or by the whole reference."""
        digest = image.rpartition("@")[2]
        return any(one == image or one.rpartition("@")[2] == digest for one in self.images)


@dataclass(frozen=True, slots=True)
class Behind:
    """The pods behind both Services. `weight`: the candidate's part in percent, as the route says it; None
    where no route is named, or it says nothing of them."""

    stable: tuple[Pod, ...]
    candidate: tuple[Pod, ...]
    weight: float | None = None


class Others(Protocol):
    """Looks at a place where somebody else shifts traffic."""

    def look(self) -> Behind:
        """What is there now. Raises `Refused` where a Service or the route is not there."""
        ...


def all_run(pods: Iterable[Pod], image: str) -> bool:
    """Whether there are pods, and each of them is of this image."""
    found = [pod.runs(image) for pod in pods]
    return bool(found) and all(found)
