"""Traefik's own TraefikService: `spec.weighted.services[]` with `name`, `namespace`, `port`, `weight`.

Nobody confirms a write: the kind has no status, so it counts once it reads back, and what users get is
checked by the counters. Contract: https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/crd/http/traefikservice/
"""

from collections.abc import Mapping, Sequence
from typing import Any

from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import TRAEFIK_SERVICE
from service.adapters.kubernetes.routes_manifest import service_of
from service.adapters.kubernetes.shapes import WHOLE, Reached, Ref
from service.ports.traffic import Backend


class Traefik:
    """One rule: the whole of it belongs to one target. Who leads users to it is an IngressRoute's matter."""

    kinds = (TRAEFIK_SERVICE,)
    title = "TraefikService"
    fields = ("spec.weighted",)
    keeps = frozenset({"sticky:cookie"})

    def rules(self, spec: Mapping[str, Any]) -> list[list[Ref]]:
        weighted = spec.get("weighted")
        return [] if weighted is None else [list(weighted.get("services") or [])]

    def with_rules(self, spec: Mapping[str, Any], rules: Sequence[Sequence[Ref]]) -> dict[str, Any]:
        changed = dict(spec)
        for refs in rules:
            changed["weighted"] = {**spec["weighted"], "services": list(refs)}
        return changed

    def key(self, ref: Ref, namespace: str) -> str | None:
        if ref.get("kind", "Service") != "Service":
            return None
        return f"{ref['name']}.{ref.get('namespace') or namespace}"

    def port(self, ref: Ref) -> int:
        said = ref.get("port", 0)
        return said if isinstance(said, int) else 0

    def weight(self, ref: Ref, refs: Sequence[Ref]) -> int:  # noqa: ARG002 (alone or not, it says the same)
        return int(ref.get("weight", 1))

    def ref(self, backend: Backend, namespace: str) -> Ref:
        where, name, port = service_of(backend)
        ref = {"kind": "Service", "name": name, "port": port}
        return ref if where == namespace else {**ref, "namespace": where}

    def whole(self, backends: Sequence[Backend]) -> int:  # noqa: ARG002 (as fine for all)
        return WHOLE

    def reached(self, spec: Mapping[str, Any], ours: Sequence[int], namespace: str) -> Reached:  # noqa: ARG002 (it says none)
        return Reached()

    def covers_inside(self, spec: Mapping[str, Any], key: str, namespace: str) -> bool:  # noqa: ARG002 (Traefik serves who asks it)
        return False

    def unkept(self, live: Mapping[str, Any], ours: Sequence[int], sticky: str) -> str:  # noqa: ARG002
        """A cookie for a service of weight 0 holds nobody: Traefik then chooses anew."""
        weighted = live["spec"].get("weighted") or {}
        if sticky == "none" or "cookie" in (weighted.get("sticky") or {}):
            return ""
        metadata = live["metadata"]
        where = f"{metadata['name']} -n {metadata['namespace']}"
        return (
            f"TraefikService {metadata['namespace']}/{metadata['name']} keeps no user on a version, as"
            f" `sticky: {sticky}` asks; write: kubectl patch traefikservice {where} --type merge -p"
            ' \'{"spec": {"weighted": {"sticky": {"cookie": {"httpOnly": true}}}}}\''
        )

    def unconfirmed(self, api: Api, live: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 (nobody to ask)
        return []
