"""From routes to Traefik's dynamic configuration, and back from its API: pure functions.

Per target a weighted service, per backend two services: `version.<name>` takes the split's
requests, `preview.<name>` those that ask for the version by header. Traefik counts by service, so
a version's counters hold its users' requests and no preview. Where answers are recorded, the way leads
through the services of `recorded`.
"""

from typing import Any

from policies.place import SERVED_BY, served_by
from service.adapters.traefik import recorded
from service.ports.traffic import Backend, Route
from service.preview import PREVIEW_HEADER

WHOLE = 1_000_000  # a split's weights as whole numbers: a ten-thousandth of a percent is 1
NOBODY = "nobody"  # answers 503 for a preview of a version that the target does not have
TRANSPORT = "backends"
_ENTRY = ["models"]


def version_service(backend: str) -> str:
    return f"version.{backend}"


def preview_service(backend: str) -> str:
    return f"preview.{backend}"


def stamp(backend: str) -> str:
    """The middleware that says which version answered."""
    return f"stamp.{backend}"


def target_service(target: str) -> str:
    """A target's weighted service and its routers' first name; neither half can hold a dot."""
    return f"target.{target.replace('/', '.')}"


def backend_of(service: str) -> str | None:
    """The backend whose users' requests a service of Traefik's metrics counts."""
    name, _, provider = service.rpartition("@")
    kind, _, backend = name.partition(".")
    return backend if provider == "file" and kind in {"version", "recorded"} and backend else None


def dynamic(routes: list[Route], recorder: int | None = None) -> dict[str, Any]:
    """The whole dynamic configuration. Never empty: Traefik refuses empty sections.

    `recorder` is the recorder's port; without one nothing leads there.
    """
    routers: dict[str, Any] = {}
    services: dict[str, Any] = {NOBODY: {"loadBalancer": {"servers": []}}}
    middlewares: dict[str, Any] = {}
    for route in routes:
        routers |= _routers(route)
        services |= _services(route, recorder)
        middlewares |= recorded.middlewares(route)
        middlewares[target_service(route.target)] = {"stripPrefix": {"prefixes": [_prefix(route.target)]}}
        middlewares |= {stamp(backend.name): _stamped(backend) for backend in route.backends}
    sections = {"routers": routers, "services": services, "middlewares": middlewares}
    http = {name: section for name, section in sections.items() if section}
    return {
        "http": {**http, "serversTransports": {name: _transport() for name in (TRANSPORT, recorded.COPIES)}}
    }


def differences(route: Route, runtime: dict[str, Any], recorder: int | None = None) -> list[str]:
    """What Traefik's raw data lacks or has otherwise than the route wants; empty: it serves it."""
    services, routers = _section(runtime, "services"), _section(runtime, "routers")
    found = []
    for name, wanted in _services(route, recorder).items():
        if _essence(services.get(f"{name}@file") or {}) != _essence(wanted):
            found.append(f"service {name}")
    for name, wanted in _routers(route).items():
        seen = routers.get(f"{name}@file") or {}
        same = all(seen.get(key) == wanted[key] for key in ("rule", "service", "priority"))
        if not same or seen.get("status") != "enabled":
            found.append(f"router {name}")
    extra = {name for name in routers if name.startswith(f"{target_service(route.target)}.")}
    found += [f"router {name}" for name in extra if name.removesuffix("@file") not in _routers(route)]
    return found


def leftovers(target: str, runtime: dict[str, Any]) -> list[str]:
    """What Traefik still has of a target that was removed."""
    name = target_service(target)
    routers = _section(runtime, "routers")
    return [f"router {found}" for found in routers if found == f"{name}@file" or found.startswith(f"{name}.")]


def _section(runtime: dict[str, Any], name: str) -> dict[str, Any]:
    section = runtime.get(name)
    return section if isinstance(section, dict) else {}


def _routers(route: Route) -> dict[str, Any]:
    """The split, each version's preview above it, and between them: no such version."""
    name, prefix = target_service(route.target), _prefix(route.target)
    # Not PathPrefix(`/m/prod`) alone: that is also true of /m/production.
    rule = f"(Path(`{prefix}`) || PathPrefix(`{prefix}/`))"
    routers = {name: _router(rule, name, name, 10)}
    missing = f"{rule} && HeaderRegexp(`{PREVIEW_HEADER}`, `.*`)"
    routers[f"{name}.missing"] = _router(missing, NOBODY, name, 20)
    for backend in route.backends:
        asked = f"{rule} && Header(`{PREVIEW_HEADER}`, `{backend.name}`)"
        service = preview_service(backend.name)
        routers[f"{name}.version.{backend.name}"] = _router(asked, service, name, 30)
    return routers


def _router(rule: str, service: str, middleware: str, priority: int) -> dict[str, Any]:
    return {
        "entryPoints": _ENTRY,
        "rule": rule,
        "service": service,
        "middlewares": [middleware],
        "priority": priority,
    }


def _services(route: Route, recorder: int | None) -> dict[str, Any]:
    through = route.recording is not None and recorder is not None
    split: dict[str, Any] = {"weighted": _weighted(route, through=through)}
    services = {target_service(route.target): split}
    if through and route.copied:
        services = {
            target_service(route.target): recorded.copying(route),
            recorded.split_service(route.target): split,
        }
    for backend in route.backends:
        balancer = {"servers": [{"url": backend.url}], "serversTransport": TRANSPORT}
        served: dict[str, Any] = {"loadBalancer": balancer, "middlewares": [stamp(backend.name)]}
        services[version_service(backend.name)] = served
        services[preview_service(backend.name)] = served
        if through:
            direct, said = version_service(backend.name), stamp(backend.name)
            services |= recorded.way(backend, recorder or 0, direct, said, TRANSPORT)
    return services


def _stamped(backend: Backend) -> dict[str, Any]:
    """Says who answers: to the model, which may log it, and to the caller, whose labels may carry it."""
    said = {SERVED_BY: served_by(backend.name)}
    return {"headers": {"customRequestHeaders": said, "customResponseHeaders": said}}


def _weighted(route: Route, *, through: bool) -> dict[str, Any]:
    named = recorded.through_service if through else version_service
    parts = [
        {"name": named(backend.name), "weight": _weight(backend)}
        for backend in route.backends
        if backend.weight > 0
    ]
    if route.sticky != "cookie":
        return {"services": parts}
    name = "segue_" + route.target.replace("/", "_")
    cookie = {"name": name, "path": _prefix(route.target), "httpOnly": True, "sameSite": "lax"}
    return {"services": parts, "sticky": {"cookie": cookie}}


def _weight(backend: Backend) -> int:
    return max(1, round(backend.weight * WHOLE / 100))


def _prefix(target: str) -> str:
    return f"/{target}"


def _transport() -> dict[str, Any]:
    # A kept connection must end here before the model server ends it (gunicorn after 2 s, uvicorn
    # after 5 s): a POST sent into a closing one is a 502 that no version is to blame for.
    timeouts = {"dialTimeout": "2s", "idleConnTimeout": "1s"}
    return {"forwardingTimeouts": timeouts, "maxIdleConnsPerHost": 256}


def _essence(service: dict[str, Any]) -> Any:
    """The part of a service that decides who gets a request; Traefik adds defaults to the rest."""
    if "weighted" in service:
        weighted = service["weighted"]
        parts = [(_bare(part["name"]), part.get("weight", 1)) for part in weighted.get("services", [])]
        return parts, ((weighted.get("sticky") or {}).get("cookie") or {}).get("name")
    if "mirroring" in service:
        copies = service["mirroring"].get("mirrors") or []
        named = [(_bare(copy["name"]), copy.get("percent", 0)) for copy in copies]
        return _bare(service["mirroring"].get("service", "")), named
    if "failover" in service:
        return [_bare(service["failover"].get(key, "")) for key in ("service", "fallback")]
    if "loadBalancer" in service:
        servers = [server.get("url") for server in service["loadBalancer"].get("servers", [])]
        return servers, [_bare(name) for name in service.get("middlewares") or []]
    return None


def _bare(name: str) -> str:
    return name.removesuffix("@file")
