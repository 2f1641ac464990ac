"""The traffic router that every cluster has: one Service, whose selector names one version at a time.

All or nothing: a share between is refused. The Service stays the users' own; its selector as it was
found is kept beside it and comes back with it. Written by compare-and-swap, as routes are.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service.adapters import routes
from service.adapters.kubernetes import copying, drift, endpoints, labels, records
from service.adapters.kubernetes.kinds import DEPLOYMENT, POD, SERVICE, Kind
from service.adapters.kubernetes.recorded import Object, Recorded
from service.adapters.kubernetes.records import Record
from service.adapters.kubernetes.routes_manifest import service_of
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route


class ServiceSelector(Recorded):
    """Switches the Service of the Deployment at `place` from one version's pods to another's."""

    fields = ("spec.selector",)
    noun = "Service"
    capabilities = frozenset({"switch"})

    def set(self, route: Route) -> Route:
        """Let the Service select the one version that has all, and wait until only its pods are behind it."""
        routes.check(route, self.capabilities)
        chosen = _whole(route)
        self._change(
            route.target,
            lambda live: self._with(live, route, chosen),
            lambda: self._live(route.target, route.backends),
        )
        self._confirm(route)
        return route

    def get(self, target: str) -> Route | None:
        """What the Service selects now; a selector that is nobody's gives no backend any share."""
        live = self._live(target)
        record = None if live is None else records.records(live).get(target)
        if live is None or record is None or not record.backends:
            return None
        shares = tuple(
            replace(one, weight=100.0 if _selector(live) == self._wanted(live, record, one) else 0.0)
            for one in record.backends
        )
        return replace(records.route_of(target, record), backends=shares)

    def address(self, target: str) -> str:
        """The Service's address inside the cluster."""
        live = self._must(target)
        metadata, port = live["metadata"], live["spec"]["ports"][0]["port"]
        return f"http://{metadata['name']}.{metadata['namespace']}.svc:{port}"

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        """Let the Service select what it did when it was found, and remember the order of this write."""
        tombstone = Record(self._cluster.owner, epoch, attempt)
        self._change(target, lambda live: self._without(live, target, tombstone))
        self._confirm_left(target)

    def hand_back(self, target: str) -> None:
        """Leave the Service as it was found, without a word of ours."""
        self._change(target, lambda live: self._without(live, target, None))
        self._last.pop(target, None)

    # --- writing ------------------------------------------------------------------------------

    def _with(self, live: Object | None, route: Route, chosen: Backend) -> Object:
        if live is None:
            raise Refused(
                f"{route.target}: no Service in {self._place.namespace} selects the Deployment's pods"
            )
        record = self._allowed(live, route.target, (route.epoch, route.attempt))
        record = self._counted(live, route, record)
        written = records.of_route(route, self._cluster.owner, record)
        if not written.found:
            written = replace(written, found=(_selector(live),))
        for backend in route.backends:
            self._check_target(route.target, backend)
        others = [
            name for name, one in records.records(live).items() if name != route.target and one.backends
        ]
        if others:
            raise Refused(f"{route.target}: {drift.place(live)} belongs to {others[0]}")
        spec = {**live["spec"], "selector": self._wanted(live, written, chosen)}
        return records.with_record({**live, "spec": spec}, route.target, written)

    def _without(self, live: Object | None, target: str, tombstone: Record | None) -> Object | None:
        if live is None:
            return None
        record = self._known(live, target)
        if tombstone is not None:
            records.check(record, target, self._cluster.owner, tombstone.order)
        spec = live["spec"]
        if record is not None and record.found:
            spec = {**spec, "selector": dict(record.found[0])}
        return records.with_record({**live, "spec": spec}, target, tombstone)

    def _agrees(self, live: Object, record: Record) -> bool:
        whole = next((one for one in record.backends if one.weight > 0), None)
        return whole is None or _selector(live) == self._wanted(live, record, whole)

    def _wanted(self, live: Object, record: Record, backend: Backend) -> dict[str, str]:
        """The selector of one version, by the very labels of the found one.

        With a label more it would select nothing once somebody merges theirs into it, as Argo CD does.
        """
        found = record.found[0]
        namespace, name, _ = service_of(backend)
        if (namespace, name) == (live["metadata"]["namespace"], live["metadata"]["name"]):
            return dict(found)
        copied = self._api.get(DEPLOYMENT, namespace, name)
        if copied is None or namespace != live["metadata"]["namespace"]:
            raise Refused(f"there is no Deployment {name} beside {drift.place(live)}")
        worn = copied["spec"]["template"]["metadata"].get("labels") or {}
        if found.keys() - worn.keys() or copying.selects(found, worn):
            raise Refused(f"the labels {', '.join(sorted(found))} do not tell the pods of {name} apart")
        return {key: worn[key] for key in found}

    def _check_target(self, target: str, backend: Backend) -> None:
        namespace, name, _ = service_of(backend)
        found = self._api.get(SERVICE, namespace, name)
        whose = ((found or {}).get("metadata", {}).get("labels") or {}).get(labels.TARGET)
        if whose not in {None, labels.value(target)}:
            raise Refused(f"{target}: the backend {backend.name} belongs to {whose}")

    # --- reading ------------------------------------------------------------------------------

    def _live(self, target: str, backends: tuple[Backend, ...] = ()) -> Object | None:
        """The Service that users ask: the one that holds our record, else the Deployment's own."""
        routes.check_target(target)
        services = self._api.list(SERVICE, self._place.namespace)
        held = [one for one in services if target in records.records(one)]
        if held:
            return _typed(held[0])
        last = [one for one in services if self._selects(one)]
        named = [one for one in last if _key(one) in {backend.name for backend in backends}]
        if len(named or last) > 1:
            known = ", ".join(one["metadata"]["name"] for one in last)
            raise Refused(
                f"{target}: several Services select the Deployment's pods: {known}; keep one of them"
            )
        return _typed((named or last)[0]) if last else None

    def _selects(self, service: Mapping[str, Any]) -> bool:
        """Whether a Service, not one of ours, selects the pods of the Deployment."""
        ours = (service["metadata"].get("labels") or {}).get(labels.MANAGED_BY) == labels.SEGUE
        wanted = _selector(service)
        return not ours and bool(wanted) and wanted.items() <= self._pod_labels().items()

    def _pod_labels(self) -> dict[str, str]:
        name = self._place.deployment or ""
        found = self._api.get(DEPLOYMENT, self._place.namespace, name)
        if found is None:
            raise Refused(f"there is no Deployment {self._place.namespace}/{name}")
        return dict(found["spec"]["template"]["metadata"].get("labels") or {})

    def _kind_of(self, live: Object | None) -> Kind:  # noqa: ARG002 (there is one)
        return SERVICE

    def _undone(self, live: Object, target: str, record: Record) -> list[str]:
        """What it selects counts; without our annotation the one that this process remembers stands."""
        return self._differences(live, target, record) if record.backends else []

    def _differences(self, live: Object, target: str, record: Record) -> list[str]:  # noqa: ARG002
        return [] if self._agrees(live, record) else [f"it selects {_said(_selector(live))}"]

    def _unserved(self, live: Object, target: str) -> list[str]:  # noqa: ARG002
        """Why the switch is not seen yet: the Service's endpoints must be the wanted pods, some ready."""
        namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
        behind = endpoints.ready_pods(endpoints.slices(self._api, namespace, name))
        wanted = self._api.list(POD, namespace, labels=labels.selector(_selector(live)))
        others = behind - {pod["metadata"]["name"] for pod in wanted}
        if others:
            return [f"Service {name} still leads to {', '.join(sorted(others))}"]
        return [] if behind else [f"Service {name} leads to no pod that is ready"]


def _whole(route: Route) -> Backend:
    for backend in route.backends:
        service_of(backend)
    whole = [one for one in route.backends if one.weight == 100.0]
    if not whole:
        shares = ", ".join(f"{one.weight:g} %" for one in route.backends)
        raise Refused(
            f"{route.target}: a Service's selector gives all or nothing, not {shares}; connect a gateway, or"
            " write `strategy: bluegreen`"
        )
    return whole[0]


def _selector(service: Mapping[str, Any]) -> dict[str, str]:
    return dict(service["spec"].get("selector") or {})


def _key(service: Mapping[str, Any]) -> str:
    return f"{service['metadata']['name']}.{service['metadata']['namespace']}"


def _typed(service: Object) -> Object:
    """Lists leave out what their items are."""
    return {"apiVersion": "v1", "kind": "Service", **service}


def _said(selector: Mapping[str, str]) -> str:
    return labels.selector(selector) or "nothing"
