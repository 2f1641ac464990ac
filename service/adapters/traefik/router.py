"""The traffic router that Segue runs itself: Traefik with its file provider.

The truth is a state file under a lock; Traefik's file is rendered from it whole, renamed into the
watched folder and confirmed through Traefik's API. Everything is checked before it is written: one
file that Traefik cannot read stops all its reloads.
"""

import json
import time
from collections.abc import Callable
from typing import Any, ClassVar, Self

from service.adapters import routes
from service.adapters.recorder import RecorderDaemon
from service.adapters.traefik import recorded, rendering, truth
from service.adapters.traefik.layout import Layout, Unanswered
from service.ports.connections import Source
from service.ports.outcomes import Retry
from service.ports.traffic import Route
from service.recorder.orders import Home
from service.settings import Settings

CONFIRM_SECONDS = 2.0
_POLL_SECONDS = 0.01
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (shown, not listened on)


Differences = Callable[[dict[str, Any]], list[str]]  # from Traefik's raw data to what is not as wanted


class TraefikRouter:
    """Splits requests by weighted services; a version's preview answers to a header."""

    capabilities: ClassVar[frozenset[str]] = frozenset(
        {"weights", "preview", "sticky:cookie", "copies", "assigns"}
    )

    def __init__(self, layout: Layout, base: str, recorder: RecorderDaemon) -> None:
        self._layout = layout
        self._base = base
        self._recorder = recorder

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """The router of this home; it need not run yet."""
        del source
        host = _EVERYWHERE.get(settings.host, settings.host)
        host = f"[{host}]" if ":" in host else host
        base = f"http://{host}:{settings.router_port}"
        return cls(Layout(settings.home / "traefik"), base, RecorderDaemon.open(settings))

    def set(self, route: Route) -> Route:
        """Write, then wait until Traefik says it serves exactly this."""
        routes.check(route, self.capabilities)
        routes.check_seen(route, self.drift(route.target))
        if route.recording is not None:
            self._recorder.keep()
        with truth.locked(self._layout):
            before = truth.load(self._layout)
            after = truth.with_route(before, route)
            truth.save(self._layout, after)
            # Who is on the way now goes by the old routes: the recorder knows both until the new ones serve.
            self._recorder.files.write(recorded.legs(_serving(before) + _serving(after)))
            render(self._layout, after)
        self._confirm(route, (route.epoch, route.attempt))
        self._forget_old_legs()
        return route

    def get(self, target: str) -> Route | None:
        """The route that Traefik is seen to serve; `Retry` while that is not the written one."""
        entry = truth.load(self._layout).get(target)
        if entry is None or entry.route is None:
            return None
        self._confirm(entry.route, None)
        return entry.route

    def address(self, target: str) -> str:
        routes.check_target(target)
        return f"{self._base}/{target}"

    def drift(self, target: str) -> str | None:  # noqa: ARG002
        """Never: the state file is the truth, and nobody else writes it."""
        return None

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        """Serve the target no more, and remember the epoch."""
        routes.check_target(target)
        with truth.locked(self._layout):
            after = truth.without(truth.load(self._layout), target, epoch, attempt)
            truth.save(self._layout, after)
            render(self._layout, after)
        self._wait(target, (epoch, attempt), lambda runtime: rendering.leftovers(target, runtime))
        self._forget_old_legs()

    def _forget_old_legs(self) -> None:
        """The recorder passes on what the routes send it, and ends where that is nothing."""
        with truth.locked(self._layout):
            legs = recorded.legs(_serving(truth.load(self._layout)))
            if not legs and not self._recorder.wanted():
                return
            self._recorder.files.write(legs)
            if not legs:
                self._recorder.end()

    def _confirm(self, route: Route, writing: tuple[int, int] | None) -> None:
        port = self._recorder.files.port()
        self._wait(route.target, writing, lambda runtime: rendering.differences(route, runtime, port))

    def _wait(self, target: str, writing: tuple[int, int] | None, differences: Differences) -> None:
        deadline = time.monotonic() + CONFIRM_SECONDS
        while reason := self._look(differences):
            if writing is not None:  # one that was overtaken need not wait
                truth.check_order(truth.load(self._layout), target, writing)
            if time.monotonic() >= deadline:
                raise Retry(f"{target}: {reason}", after=0.5)
            time.sleep(_POLL_SECONDS)

    def _look(self, differences: Differences) -> str:
        """Why it is not confirmed yet; empty where it is."""
        try:
            runtime = json.loads(self._layout.ask("/api/rawdata"))
        except (Unanswered, ValueError) as error:
            return str(error)
        found = differences(runtime) if isinstance(runtime, dict) else ["an answer that is no object"]
        return f"Traefik serves otherwise: {', '.join(found)}" if found else ""


def render(layout: Layout, entries: truth.Routes) -> None:
    """Write Traefik's file from the truth. The caller holds the lock. JSON is YAML."""
    layout.make()
    content = rendering.dynamic(_serving(entries), Home(layout.folder.parent / "recorder").port())
    layout.replace(layout.dynamic, json.dumps(content, indent=1) + "\n")


def _serving(entries: truth.Routes) -> list[Route]:
    return [entry.route for _, entry in sorted(entries.items()) if entry.route is not None]
