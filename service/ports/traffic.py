"""How a target's requests are split over its versions."""

from dataclasses import dataclass
from typing import Literal, Protocol

from policies.recording import Recording


@dataclass(frozen=True, slots=True)
class Backend:
    """One version behind a target's address. `weight` in percent of the target's requests."""

    name: str
    url: str
    weight: float


@dataclass(frozen=True, slots=True)
class Route:
    """A target's whole split, absolute. `backends` with weights that add to 100.

    A backend may have weight 0: it then answers only on its preview address, which the router
    serves for requests that carry the header `X-Segue-Version: <backend name>`. `attempt` counts
    the writes of an epoch. `recording` is what is recorded of its answers; where that copies, each request
    goes to the backend `copied`, too, whose answers nobody sees. `over` is what somebody else made of it, as
    `drift` says that, where this and nothing else may be overwritten.
    """

    target: str
    epoch: int
    backends: tuple[Backend, ...]
    sticky: Literal["none", "cookie", "header"] = "none"
    attempt: int = 0
    recording: Recording | None = None
    copied: str = ""
    over: str = ""


class TrafficRouter(Protocol):
    """Splits a target's requests. Every write is compare-and-swap on the epoch, and within it on the
    attempt: a worker that was stopped before its write may wake when others have gone on."""

    def set(self, route: Route) -> Route:
        """Write the split and return it once the router itself confirms that it serves it.

        Raises `Refused` where the stored epoch is greater than the route's (somebody newer holds
        the target), a later attempt of this epoch is stored, or there is something else to overwrite than
        the route is for; `Retry` while the router does not confirm.
        """
        ...

    def get(self, target: str) -> Route | None:
        """What the router serves now; None for a target it does not know."""
        ...

    def address(self, target: str) -> str:
        """The URL at which users reach the target."""
        ...

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        """Serve nothing there any more; a route that Segue found stands again as it was found."""
        ...

    def drift(self, target: str) -> str | None:
        """How the route differs from what was written last, and by whom; None: it does not."""
        ...
