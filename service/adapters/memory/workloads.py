"""Workloads that only pretend: same rules, no process. For scenarios and as the smallest example."""

import itertools
from typing import Self

from service.ports.connections import Source
from service.ports.outcomes import Failed, Gone, Refused, Working
from service.ports.workloads import Serving, WorkloadOrder
from service.settings import Settings


class MemoryWorkloads:
    """A workload serves when it was looked at `looks` times, unless it is told to fail."""

    def __init__(self, looks: int = 0) -> None:
        self._looks = looks
        self._left: dict[str, int] = {}
        self._orders: dict[str, WorkloadOrder] = {}
        self._lives: dict[str, tuple[float, int]] = {}  # name: when this life began, and restarts
        self._clock = itertools.count(1)
        self._printed: dict[str, str] = {}
        self.failing: dict[str, str] = {}  # name: why it fails for as long as it is listed here

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:  # noqa: ARG003
        """Nothing runs yet."""
        return cls()

    @property
    def running(self) -> tuple[str, ...]:
        """All names that were started and not stopped."""
        return tuple(sorted(self._orders))

    @property
    def orders(self) -> tuple[WorkloadOrder, ...]:
        """How each of them was ordered."""
        return tuple(self._orders[name] for name in self.running)

    def start(self, order: WorkloadOrder) -> None:
        """Keep it running, unless it is kept already."""
        known = self._orders.get(order.name)
        if known is not None and order.name not in self.failing:
            if known != order:
                raise Refused(f"the workload {order.name} runs with another order; stop it first")
            return
        self._orders[order.name] = order
        self._left[order.name] = self._looks
        self._lives[order.name] = (float(next(self._clock)), 0)
        self._printed[order.name] = self._printed.get(order.name, "") + f"starting {order.name}\n"

    def restart(self, name: str) -> None:
        """As if it had crashed and come back."""
        self._lives[name] = (float(next(self._clock)), self._lives[name][1] + 1)

    def state(self, name: str) -> Working | Serving | Failed | Gone:
        """How far it is; looking at it is what moves it on."""
        if name not in self._orders:
            return Gone()
        if name in self.failing:
            return Failed(self.failing[name], self.logs(name))
        if self._left[name] > 0:
            self._left[name] -= 1
            return Working("starting")
        started, restarts = self._lives[name]
        return Serving(f"http://{name}.invalid:80", started, restarts)

    def stop(self, name: str) -> None:
        """End it; a name that is not running is fine."""
        self._orders.pop(name, None)

    def logs(self, name: str) -> str:
        """A line for each start."""
        return self._printed.get(name, "")
