"""A traffic router that keeps its routes in memory; for tests and for trying things out."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Self

from service.adapters import routes
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Route
from service.settings import Settings


class MemoryRouter:
    """Serves nothing, but holds routes under the same rules as a real one.

    `unconfirmed` is how many times more a write is stored and then answered with `Retry`, as by a
    router that is slow to reload.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset(
        {"weights", "preview", "sticky:cookie", "copies", "assigns"}
    )

    def __init__(self) -> None:
        self.unconfirmed = 0
        self.writes: list[Route] = []
        self.refusing = ""  # why every write is refused, while it is
        self.changed: dict[str, str] = {}  # target: what somebody else did to its route
        self._lock = threading.Lock()
        self._written: dict[str, tuple[int, int]] = {}  # epoch and attempt
        self._routes: dict[str, Route] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """A router without routes."""
        del settings, source
        return cls()

    def set(self, route: Route) -> Route:
        routes.check(route, self.capabilities)
        if self.refusing:
            raise Refused(self.refusing)
        with self._lock:
            routes.check_apart(route, self._routes.values())
            changed = self.changed.get(route.target)
            if changed is not None or self._written.get(route.target) != (route.epoch, route.attempt):
                routes.check_seen(route, changed)
            self._take(route.target, route.epoch, route.attempt)
            self._routes[route.target] = replace(route, over="")
            self.changed.pop(route.target, None)
            self.writes.append(route)
            self._confirm(route.target)
        return route

    def get(self, target: str) -> Route | None:
        with self._lock:
            return self._routes.get(target)

    def address(self, target: str) -> str:
        routes.check_target(target)
        return f"http://router.invalid/{target}"

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        routes.check_target(target)
        with self._lock:
            self._take(target, epoch, attempt)
            self._routes.pop(target, None)
            self._confirm(target)

    def drift(self, target: str) -> str | None:
        return self.changed.get(target)

    def change(self, target: str, what: str, weights: Mapping[str, float]) -> None:
        """Give its backends other weights, as somebody else does it, whom `what` names."""
        with self._lock:
            route, self.changed[target] = self._routes[target], what
            backends = tuple(replace(one, weight=weights.get(one.name, 0.0)) for one in route.backends)
            self._routes[target] = replace(route, backends=backends)

    def _take(self, target: str, epoch: int, attempt: int) -> None:
        routes.check_order(target, (epoch, attempt), self._written.get(target))
        self._written[target] = (epoch, attempt)

    def _confirm(self, target: str) -> None:
        if self.unconfirmed > 0:
            self.unconfirmed -= 1
            raise Retry(f"{target}: not confirmed yet", after=0.1)
