"""What differs between kinds of routes: where one says its shares, and what answers that it has them.

A `Shape` knows one kind's fields and nothing else; records, compare-and-swap, drift and handing back are
the router's and the same for all. No shape writes anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import Kind
from service.ports.traffic import Backend

Ref = dict[str, Any]  # one weighted reference to a Service
WHOLE = 1_000_000  # all of a split; a ten-thousandth of a percent is 1, and no kind takes more


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a route says that users ask it: a host, if it names one, and the path under it."""

    host: str | None = None
    path: str = ""


class Shape(Protocol):
    """One kind of route, over decoded objects. `refs` are all references of one rule."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Where an object of that name is looked for, in this order."""
        ...

    @property
    def title(self) -> str:
        """The kinds, as people say them."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that carry the split, as the API server's `managedFields` name them."""
        ...

    def rules(self, spec: Mapping[str, Any]) -> list[list[Ref]]:
        """The weighted references of each rule."""
        ...

    def with_rules(self, spec: Mapping[str, Any], rules: Sequence[Sequence[Ref]]) -> dict[str, Any]:
        """The spec with these references, one list for each rule that it has."""
        ...

    def key(self, ref: Ref, namespace: str) -> str | None:
        """`service.namespace` of a reference; None where it is no Service."""
        ...

    def port(self, ref: Ref) -> int:
        """The Service's port; 0 where the reference does not say it as a number."""
        ...

    def weight(self, ref: Ref, refs: Sequence[Ref]) -> int:
        """What a reference's weight means, also where none is written."""
        ...

    def ref(self, backend: Backend, namespace: str) -> Ref:
        """A reference to a backend, without its weight."""
        ...

    def whole(self, backends: Sequence[Backend]) -> int:
        """What the weights of this split are parts of."""
        ...

    def reached(self, spec: Mapping[str, Any], ours: Sequence[int], namespace: str) -> Reached:
        """Where users reach the rules of these numbers."""
        ...

    def covers_inside(self, spec: Mapping[str, Any], key: str, namespace: str) -> bool:
        """Whether callers inside the cluster that ask this Service (`service.namespace`) are split, too."""
        ...

    @property
    def keeps(self) -> frozenset[str]:
        """How it can keep users on a version, as a router says it: `sticky:cookie`, `sticky:header`."""
        ...

    def unkept(self, live: Mapping[str, Any], ours: Sequence[int], sticky: str) -> str:
        """Why its rules do not keep users as `sticky` asks, or keep them where no rollback reaches them; with
        the line that mends it. Empty: they do as they should."""
        ...

    def unconfirmed(self, api: Api, live: Mapping[str, Any]) -> list[str]:
        """Why whoever serves the route has not taken it yet; nobody says so for every kind."""
        ...


def no_such(shape: Shape, namespace: str, name: str) -> str:
    """What is said where a route that a file names is not there."""
    return f"there is no {shape.title} {namespace}/{name}; make it, or write one that is there under `route`"


def part(percent: float, whole: int) -> int:
    """A share as a whole number; only nothing is 0, so that what has a share never loses it."""
    return max(1, round(percent * whole / 100)) if percent > 0 else 0
