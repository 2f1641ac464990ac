"""Where users reach each target."""

from policies.release import Target
from service.bootstrap import Parts
from service.ports.outcomes import PortError


class Addresses:
    """The addresses of targets. A cluster is asked once for each epoch, not for each page."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: dict[tuple[str, int], str] = {}

    def of(self, target: Target) -> str | None:
        """None where it has no route, or its cluster does not answer."""
        key = (target.name, target.epoch)
        if target.place.cluster is not None and key in self._known:
            return self._known[key]
        try:
            router = self._parts.at(target.place).router
            if router.get(target.name) is None:
                return None
            self._known[key] = router.address(target.name)
        except PortError:
            return None
        return self._known[key]
