"""HTTPRoute and GRPCRoute: `spec.rules[].backendRefs[]`, confirmed by every parent and its Gateway.

Contract: https://gateway-api.sigs.k8s.io/reference/spec/ (v1).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from service.adapters.kubernetes import routes_manifest
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import GATEWAY, GRPC_ROUTE, HTTP_ROUTE
from service.adapters.kubernetes.shapes import WHOLE, Reached, Ref
from service.ports.traffic import Backend


class GatewayApi:
    """Weights are parts of a million; callers inside are split where a Service is a parent."""

    kinds = (HTTP_ROUTE, GRPC_ROUTE)
    title = "HTTPRoute or GRPCRoute"
    fields = ("spec.rules", "spec.parentRefs")
    keeps: frozenset[str] = frozenset()

    def rules(self, spec: Mapping[str, Any]) -> list[list[Ref]]:
        return [list(rule.get("backendRefs") or []) for rule in spec.get("rules") or []]

    def with_rules(self, spec: Mapping[str, Any], rules: Sequence[Sequence[Ref]]) -> dict[str, Any]:
        changed = [
            {**rule, "backendRefs": list(refs)} if refs or "backendRefs" in rule else rule
            for rule, refs in zip(spec["rules"], rules, strict=True)
        ]
        return {**spec, "rules": changed}

    def key(self, ref: Ref, namespace: str) -> str | None:
        return routes_manifest.key_of(ref, namespace)

    def port(self, ref: Ref) -> int:
        return int(ref.get("port", 0))

    def weight(self, ref: Ref, refs: Sequence[Ref]) -> int:  # noqa: ARG002 (alone or not, it says the same)
        return int(ref.get("weight", 1))

    def ref(self, backend: Backend, namespace: str) -> Ref:
        return routes_manifest.ref(backend, namespace)

    def whole(self, backends: Sequence[Backend]) -> int:  # noqa: ARG002 (as fine for all)
        return WHOLE

    def reached(self, spec: Mapping[str, Any], ours: Sequence[int], namespace: str) -> Reached:
        matches = [match for at in ours for match in spec["rules"][at].get("matches") or []]
        path = next((str(one["path"].get("value", "")) for one in matches if "path" in one), "")
        host = next((str(one) for one in spec.get("hostnames") or [] if not one.startswith("*")), None)
        return Reached(host or _asked_inside(spec, namespace), path)

    def covers_inside(self, spec: Mapping[str, Any], key: str, namespace: str) -> bool:
        """A parent of kind Service is what a mesh splits for its callers (GAMMA).

        Contract: https://gateway-api.sigs.k8s.io/mesh/service-facets/
        """
        return key in {_service_of(one, namespace) for one in spec.get("parentRefs") or []}

    def unkept(self, live: Mapping[str, Any], ours: Sequence[int], sticky: str) -> str:  # noqa: ARG002
        """`sessionPersistence` holds users on a backend also at weight 0, by its definition.

        Contract: https://gateway-api.sigs.k8s.io/geps/gep-1619/#traffic-splitting
        """
        held = [at for at in ours if "sessionPersistence" in live["spec"]["rules"][at]]
        if not held:
            return ""
        kind, metadata = str(live["kind"]), live["metadata"]
        patch = "".join(f'{{"op":"remove","path":"/spec/rules/{at}/sessionPersistence"}},' for at in held)
        return (
            f"{kind} {metadata['namespace']}/{metadata['name']} has sessionPersistence, which keeps users on"
            " a version also at weight 0, where no rollback reaches them; remove it: kubectl patch"
            f" {kind.lower()} {metadata['name']} -n {metadata['namespace']} --type json -p '[{patch[:-1]}]'"
        )

    def unconfirmed(self, api: Api, live: Mapping[str, Any]) -> list[str]:
        return routes_manifest.unconfirmed(live) or _unprogrammed(api, live)


def _service_of(parent: Mapping[str, Any], namespace: str) -> str | None:
    """The Service that is a route's parent; None where the parent is a Gateway."""
    return routes_manifest.key_of(parent, namespace) if parent.get("kind") == "Service" else None


def _asked_inside(spec: Mapping[str, Any], namespace: str) -> str | None:
    """The host that callers ask where each parent is a Service: no gateway leads there."""
    parents = spec.get("parentRefs") or []
    services = [one for one in parents if one.get("kind") == "Service"]
    if not services or len(services) < len(parents):
        return None
    first = services[0]
    port = f":{first['port']}" if "port" in first else ""
    return f"{first['name']}.{first.get('namespace', namespace)}.svc{port}"


def _unprogrammed(api: Api, live: Mapping[str, Any]) -> list[str]:
    found = []
    for namespace, name in routes_manifest.gateways(live):
        gateway = api.get(GATEWAY, namespace, name)
        if gateway is None:
            found.append(f"there is no Gateway {namespace}/{name}")
            continue
        conditions = (gateway.get("status") or {}).get("conditions") or []
        said = routes_manifest.condition(conditions, "Programmed")
        if said.get("status") != "True":
            found.append(f"Gateway {namespace}/{name} is not programmed: {said.get('message', 'no answer')}")
    return found
