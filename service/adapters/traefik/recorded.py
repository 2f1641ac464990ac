"""The part of Traefik's dynamic configuration that leads through the recorder: pure functions.

A version's requests go to `recorded.<name>`, the recorder, and past it to `version.<name>` while it does
not answer: `through.<name>` asks again where no connection could be made, until the look at the recorder's
health has turned its users away from it. A copy goes to `copy.<name>`; nobody waits for it.
"""

from typing import Any

from service.ports.traffic import Backend, Route
from service.recorder.orders import ALIVE, LEG, MOST_ASKED, Leg, Replays

# Copies have connections of their own: when the recorder dies, each connection to it can cost the request
# that is sent into it next, and no user shall pay for one that a copy left behind.
COPIES = "copies"
AGAIN = "again"  # a connection that cannot be made is tried for about two seconds; nothing was sent by then
_AGAIN = {"retry": {"attempts": 24, "initialInterval": "50ms"}}
_HEALTH = {"path": ALIVE, "interval": "500ms", "timeout": "2s"}


def recorded_service(backend: str) -> str:
    return f"recorded.{backend}"


def through_service(backend: str) -> str:
    return f"through.{backend}"


def copy_service(backend: str) -> str:
    return f"copy.{backend}"


def split_service(target: str) -> str:
    """The split itself where its target's service is what copies."""
    return f"split.{target.replace('/', '.')}"


def legs(routes: list[Route]) -> list[Leg]:
    """What the recorder is told of these routes."""
    return [
        Leg(route.target, backend.name, backend.url, route.recording, _replays(route, backend))
        for route in routes
        if route.recording is not None
        for backend in route.backends
    ]


def _replays(route: Route, backend: Backend) -> Replays | None:
    """Recorded requests are the candidate's affair. A target's epoch is a release's: each asks them once."""
    recording = route.recording
    if recording is None or not recording.requests or backend.name != route.copied:
        return None
    stable = next(one.name for one in route.backends if one.weight > 0)
    key = f"{route.target.replace('/', '.')}.{route.epoch}"
    return Replays(recording.requests, recording.rate, stable, key)


def way(backend: Backend, port: int, direct: str, stamp: str, transport: str) -> dict[str, Any]:
    """A version's services through the recorder; `direct` is the one past it."""
    servers = {"servers": [{"url": f"http://127.0.0.1:{port}"}]}
    return {
        recorded_service(backend.name): {
            "loadBalancer": {**servers, "serversTransport": transport, "healthCheck": _HEALTH},
            "middlewares": [stamp, f"leg.answer.{backend.name}"],
        },
        copy_service(backend.name): {
            "loadBalancer": {**servers, "serversTransport": COPIES},
            "middlewares": [stamp, f"leg.copy.{backend.name}"],
        },
        through_service(backend.name): {
            "failover": {"service": recorded_service(backend.name), "fallback": direct},
            "middlewares": [AGAIN],
        },
    }


def copying(route: Route) -> dict[str, Any]:
    """The target's service where each request is copied. One that is too long is served, and not copied."""
    mirrors = [{"name": copy_service(route.copied), "percent": 100}]
    of = {"service": split_service(route.target), "mirrorBody": True, "maxBodySize": MOST_ASKED}
    return {"mirroring": {**of, "mirrors": mirrors}}


def middlewares(route: Route) -> dict[str, Any]:
    """What tells the recorder whose request it is; whatever the caller said of that is replaced."""
    if route.recording is None:
        return {}
    found: dict[str, Any] = {AGAIN: _AGAIN}
    for kind in ("answer", "copy"):
        for backend in route.backends:
            found[f"leg.{kind}.{backend.name}"] = {
                "headers": {"customRequestHeaders": {LEG: f"{kind} {backend.name}"}}
            }
    return found
