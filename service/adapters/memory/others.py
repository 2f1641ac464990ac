"""A place where somebody else shifts traffic, whose pods are set by hand."""

from service.ports.others import Behind, Pod
from service.ports.outcomes import Refused


class MemoryOthers:
    """Tells what it was told; `missing` is why it can tell nothing."""

    def __init__(self) -> None:
        self.behind = Behind((), ())
        self.missing: str | None = None

    def let(self, *, stable: str = "", candidate: str = "", weight: float | None = None) -> None:
        """Let one pod of each image serve; "" for none."""
        self.behind = Behind(_pods(stable), _pods(candidate), weight)

    def look(self) -> Behind:
        """What was let to serve."""
        if self.missing is not None:
            raise Refused(self.missing)
        return self.behind


def _pods(image: str) -> tuple[Pod, ...]:
    return (Pod(frozenset({image})),) if image else ()
