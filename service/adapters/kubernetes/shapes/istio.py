"""Istio's VirtualService: `spec.http[].route[]` with `destination.host`, `destination.port.number`, `weight`.

Written against the schema of its definition, without Istio's own data plane: what an Envoy makes of it was
not run. Nobody confirms a write (istiod writes no status unless it is told to): it counts once it reads back,
and what users get is checked by the counters. Contract: https://istio.io/latest/docs/reference/config/networking/virtual-service/
"""

from collections.abc import Mapping, Sequence
from typing import Any

from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import VIRTUAL_SERVICE
from service.adapters.kubernetes.routes_manifest import service_of
from service.adapters.kubernetes.shapes import WHOLE, Reached, Ref
from service.ports.traffic import Backend

_PERCENT = 100
_MESH = "mesh"  # the gateway's name that stands for all sidecars; the default where none is named


class Istio:
    """Whole percents add to 100, as every Istio takes them; a finer split is parts of a million.

    Istio once refused weights that do not add to 100. Where its webhook still does so, a fine split
    is refused with its words, and nothing is rounded to what was not asked for.
    """

    kinds = (VIRTUAL_SERVICE,)
    title = "VirtualService"
    fields = ("spec.http",)
    keeps: frozenset[str] = frozenset()

    def rules(self, spec: Mapping[str, Any]) -> list[list[Ref]]:
        return [list(rule.get("route") or []) for rule in spec.get("http") or []]

    def with_rules(self, spec: Mapping[str, Any], rules: Sequence[Sequence[Ref]]) -> dict[str, Any]:
        changed = [
            {**rule, "route": list(refs)} if refs or "route" in rule else rule
            for rule, refs in zip(spec.get("http") or [], rules, strict=True)
        ]
        return {**spec, "http": changed}

    def key(self, ref: Ref, namespace: str) -> str | None:
        """Istio completes a host without dots by the VirtualService's namespace, and no other."""
        service, *rest = str(ref["destination"]["host"]).split(".")
        if not rest:
            return f"{service}.{namespace}"
        return f"{service}.{rest[0]}" if rest[1:2] == ["svc"] else None

    def port(self, ref: Ref) -> int:
        return int((ref["destination"].get("port") or {}).get("number", 0))

    def weight(self, ref: Ref, refs: Sequence[Ref]) -> int:
        """One destination gets all, whatever is written; of several, one without a weight gets nothing."""
        return _PERCENT if len(refs) == 1 else int(ref.get("weight", 0))

    def ref(self, backend: Backend, namespace: str) -> Ref:
        where, name, port = service_of(backend)
        host = name if where == namespace else f"{name}.{where}.svc.cluster.local"
        return {"destination": {"host": host, "port": {"number": port}}}

    def whole(self, backends: Sequence[Backend]) -> int:
        return _PERCENT if all(one.weight.is_integer() for one in backends) else WHOLE

    def reached(self, spec: Mapping[str, Any], ours: Sequence[int], namespace: str) -> Reached:  # noqa: ARG002
        matches = [match for at in ours for match in spec["http"][at].get("match") or []]
        paths = (match.get("uri", {}) for match in matches)
        path = next((str(one.get("prefix") or one.get("exact")) for one in paths if _plain(one)), "")
        host = next((str(one) for one in spec.get("hosts") or [] if not one.startswith("*")), None)
        return Reached(host, path)

    def covers_inside(self, spec: Mapping[str, Any], key: str, namespace: str) -> bool:  # noqa: ARG002
        """Sidecars take the hosts that it names; whether one of them is the Service's is not guessed."""
        return _MESH in (spec.get("gateways") or [_MESH])

    def unkept(self, live: Mapping[str, Any], ours: Sequence[int], sticky: str) -> str:  # noqa: ARG002 (it draws a version for each request)
        return ""

    def unconfirmed(self, api: Api, live: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 (nobody to ask)
        return []


def _plain(uri: Mapping[str, Any]) -> bool:
    return "prefix" in uri or "exact" in uri
