"""The traffic router that every cluster has: one Service, whose selector names one version at a time.

All or nothing: a share between is refused. The Service stays the users' own; its selector as it was
found is kept beside it and comes back with it. Written by compare-and-swap, as routes are.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from policies.place import Place
from service.adapters import routes
from service.adapters.kubernetes import confirming, drift, labels, records
from service.adapters.kubernetes.answers import Stale
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE
from service.adapters.kubernetes.records import Record
from service.adapters.kubernetes.routes_manifest import service_of
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Backend, Route

TRIES = 5

Object = dict[str, Any]


class ServiceSelector:
    """Switches the Service of the Deployment at `place` from one version's pods to another's."""

    def __init__(
        self, api: Api, cluster: Cluster, place: Place, clock: Callable[[], float] = time.time
    ) -> None:
        self._api = api
        self._cluster = cluster
        self._place = place
        self._clock = clock
        self._last: dict[str, Record] = {}
        self.capabilities = frozenset({"switch"})

    def set(self, route: Route) -> Route:
        """Let the Service select the one version that has all, and wait until only its pods are behind it."""
        routes.check(route, self.capabilities)
        chosen = _whole(route)
        self._change(route.target, lambda live: self._with(live, route, chosen), route.backends)
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
        live = self._live(target)
        if live is None:
            raise Refused(f"there is no Service for {target}")
        metadata, port = live["metadata"], live["spec"]["ports"][0]["port"]
        return f"http://{metadata['name']}.{metadata['namespace']}.svc:{port}"

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        """Let the Service select what it did when it was found, and remember the order of this write."""
        tombstone = Record(self._cluster.owner, epoch, attempt)
        self._change(target, lambda live: self._without(live, target, tombstone), ())

    def hand_back(self, target: str) -> None:
        """Leave the Service as it was found, without a word of ours."""
        self._change(target, lambda live: self._without(live, target, None), ())
        self._last.pop(target, None)

    def drift(self, target: str) -> str | None:
        """What the Service selects otherwise than we wrote it, and who wrote that."""
        live = self._live(target)
        if live is None:
            return f"the Service of {target} is gone"
        record = records.records(live).get(target) or self._last.get(target)
        if record is None or not record.backends or self._agrees(live, record):
            return None
        who = drift.changed_by(live, "spec.selector", "metadata.annotations")
        return f"{drift.place(live)} was changed by {who}: it selects {_said(_selector(live))}"

    # --- writing ------------------------------------------------------------------------------

    def _change(self, target: str, decide: Callable[[Object], Object], backends: tuple[Backend, ...]) -> None:
        for _ in range(TRIES):
            live = self._live(target, backends)
            if live is None:
                if backends:
                    raise Refused(
                        f"{target}: no Service in {self._place.namespace} selects the Deployment's pods"
                    )
                return
            wanted = decide(live)
            if wanted == live:
                return
            metadata = live["metadata"]
            try:
                self._api.replace(SERVICE, metadata["namespace"], metadata["name"], wanted)
            except Stale:
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 (lets the other one finish)
                continue
            written = records.records(wanted).get(target)
            if written is not None:
                self._last[target] = written
            return
        raise Retry(f"{target}: its Service changes faster than it can be written", after=0.5)

    def _with(self, live: Object, route: Route, chosen: Backend) -> Object:
        record = records.records(live).get(route.target) or self._last.get(route.target)
        records.check(record, route.target, self._cluster.owner, (route.epoch, route.attempt))
        if record is not None and record.backends and not self._agrees(live, record):
            record = records.undone(record, self._clock())
            if records.at_war(record):
                who = drift.changed_by(live, "spec.selector", "metadata.annotations")
                raise Refused(drift.war(live, who))
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

    def _without(self, live: Object, target: str, tombstone: Record | None) -> Object:
        record = records.records(live).get(target) or self._last.get(target)
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
        """The selector of one version: the found one for the Service itself, else its own Service's."""
        namespace, name, _ = service_of(backend)
        if (namespace, name) == (live["metadata"]["namespace"], live["metadata"]["name"]):
            return dict(record.found[0])
        found = self._api.get(SERVICE, namespace, name)
        if found is None or namespace != live["metadata"]["namespace"]:
            raise Refused(f"there is no Service {name} beside {drift.place(live)}")
        return _selector(found)

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

    def _confirm(self, route: Route) -> None:
        confirming.wait(route.target, lambda: self._unconfirmed(route))

    def _unconfirmed(self, route: Route) -> str:
        """Why the switch is not seen yet: the Service's endpoints must be the wanted pods, some ready."""
        live = self._live(route.target, route.backends)
        record = None if live is None else records.records(live).get(route.target)
        records.check(record, route.target, self._cluster.owner, (route.epoch, route.attempt))
        if live is None or record is None or not self._agrees(live, record):
            raise Retry(f"{route.target}: its Service was changed back", after=1.0)
        namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
        slices = self._api.list(ENDPOINT_SLICE, namespace, labels=f"kubernetes.io/service-name={name}")
        behind = ready_pods(slices)
        wanted = self._api.list(POD, namespace, labels=labels.selector(_selector(live)))
        others = behind - {pod["metadata"]["name"] for pod in wanted}
        if others:
            return f"Service {name} still leads to {', '.join(sorted(others))}"
        return "" if behind else f"Service {name} leads to no pod that is ready"


def ready_pods(slices: list[Object]) -> set[str]:
    """The names of the pods that get a Service's requests."""
    return {
        endpoint["targetRef"]["name"]
        for one in slices
        for endpoint in one.get("endpoints") or []
        if "targetRef" in endpoint and (endpoint.get("conditions") or {}).get("ready")
    }


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
