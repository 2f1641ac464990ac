"""The traffic router on Gateway API: a route of our own, or the weights of one that exists already.

Every write reads the object, compares the order of the write that is stored in it, and replaces it by
its resourceVersion; never by force. It is confirmed by what the gateway's controller answers.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from policies.place import Place
from service.adapters import routes
from service.adapters.kubernetes import drift, labels, records, routes_manifest
from service.adapters.kubernetes.answers import NoSuchKind, Stale, Taken
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import GATEWAY, GRPC_ROUTE, HTTP_ROUTE, SERVICE, Kind
from service.adapters.kubernetes.planes import OWN_SUFFIX
from service.adapters.kubernetes.records import Record
from service.ports import Backend, Cluster, Refused, Retry, Route

CONFIRM_SECONDS = 5.0
TRIES = 5  # reads of an object that others write at the same time
_POLLS = (0.05, 0.1, 0.2, 0.3, 0.5)  # seconds between looks at a status; the last one repeats

Object = dict[str, Any]


class GatewayRouter:
    """Splits the requests of HTTPRoutes and GRPCRoutes.

    `place.route` names the route whose weights are ours; without it each target has a route of its
    own on the cluster's gateway, which also shows single versions for the header of previews.
    """

    def __init__(
        self, api: Api, cluster: Cluster, place: Place, clock: Callable[[], float] = time.time
    ) -> None:
        self._api = api
        self._cluster = cluster
        self._place = place
        self._clock = clock
        self._last: dict[str, Record] = {}  # what this process wrote: an annotation may be taken away
        self._kind: Kind | None = None if place.route else HTTP_ROUTE
        own = frozenset({"weights", "preview"})
        self.capabilities = own if place.route is None else frozenset({"weights"})

    def set(self, route: Route) -> Route:
        """Write the split, then wait until the gateway's controller says that it has this generation."""
        routes.check(route, self.capabilities)
        for backend in route.backends:
            routes_manifest.service_of(backend)
        self._change(route.target, lambda live: self._with(live, route))
        self._confirm(route)
        return route

    def get(self, target: str) -> Route | None:
        """What the route says now, whoever wrote it; with the order of our last write."""
        live = self._live(target)
        record = None if live is None else records.records(live).get(target)
        if live is None or record is None or not record.backends:
            return None
        if not self._differences(live, target, record):
            return records.route_of(target, record)
        rules = live["spec"].get("rules") or []
        if self._place.route is not None:
            ours = routes_manifest.our_rules(live["spec"], routes_manifest.names_of(record), _namespace(live))
            rules = [rules[at] for at in ours]
        said = routes_manifest.shares(rules[0], _namespace(live)) if rules else ()
        return replace(records.route_of(target, record), backends=said)

    def address(self, target: str) -> str:
        """Where users reach the target: the gateway's address, or the host and path of the route."""
        routes.check_target(target)
        base = (self._cluster.address or "").rstrip("/")
        if self._place.route is None:
            if not base:
                raise Refused(
                    f"the address of the gateway of {self._cluster.name} is not known; connect the cluster"
                    " again with --address"
                )
            return f"{base}/{target}"
        live = self._must(target)
        return _address(live, routes_manifest.names_of(records.records(live).get(target)), base)

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        """Serve the target no more, or as it was found, and remember the order of this write.

        A route of our own stays as an empty one, attached to nothing: the order must outlive it, or
        somebody older could bring it back.
        """
        routes.check_target(target)
        tombstone = Record(self._cluster.owner, epoch, attempt)
        self._change(target, lambda live: self._without(live, target, tombstone))

    def hand_back(self, target: str) -> None:
        """Leave a route that was found as it was found, with no note of ours."""
        routes.check_target(target)
        self._change(target, lambda live: self._without(live, target, None))
        self._last.pop(target, None)

    def drift(self, target: str) -> str | None:
        """What the route says otherwise than we wrote it, and who wrote that; None where nothing is."""
        live = self._live(target)
        if live is None:
            return f"the route of {target} is gone"
        record = records.records(live).get(target)
        who = drift.changed_by(live, "spec.rules", "spec.parentRefs", "metadata.annotations")
        if record is None:
            known = target in self._last
            return f"{drift.place(live)} lost Segue's annotation, by {who}" if known else None
        found = self._differences(live, target, record) if record.backends else []
        return f"{drift.place(live)} was changed by {who}: {', '.join(found)}" if found else None

    # --- writing ------------------------------------------------------------------------------

    def _change(self, target: str, decide: Callable[[Object | None], Object | None]) -> None:
        """Write what is decided from what is there, unless that changes meanwhile; then look anew."""
        for _ in range(TRIES):
            live = self._live(target)
            wanted = decide(live)
            if wanted is None or wanted == live:
                return
            try:
                self._write(live, wanted)
            except (Stale, Taken):
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 (lets the other one finish, hides nothing)
                continue
            written = records.records(wanted).get(target)
            if written is not None:
                self._last[target] = written
            return
        raise Retry(f"{target}: its route changes faster than it can be written", after=0.5)

    def _write(self, live: Object | None, wanted: Object) -> None:
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        kind = self._kind_of(live)
        if live is None:
            self._api.create(kind, namespace, wanted)
        else:
            self._api.replace(kind, namespace, name, wanted)

    def _with(self, live: Object | None, route: Route) -> Object | None:
        """The object that says this split; what was undone by others is counted."""
        own = self._place.route is None
        if live is None and not own:
            raise Refused(f"there is no HTTPRoute or GRPCRoute {self._place.route}")
        if own and live is not None:
            labels.check_owner(live, self._cluster.owner)
        record = self._known(live, route.target)
        records.check(record, route.target, self._cluster.owner, (route.epoch, route.attempt))
        record = self._counted(live, route.target, record)
        self._check_services(live, route, record)
        written = records.of_route(route, self._cluster.owner, record)
        if live is None:
            return records.with_record(self._own(route), route.target, written)
        if own:
            return records.with_record({**live, "spec": self._own(route)["spec"]}, route.target, written)
        return self._adopted(live, route, written, routes_manifest.names_of(record))

    def _adopted(self, live: Object, route: Route, written: Record, before: frozenset[str]) -> Object:
        namespace, spec = _namespace(live), live["spec"]
        names = before | routes_manifest.names_of(written)
        ours = routes_manifest.our_rules(spec, names, namespace)
        if not ours:
            known = {
                name for rule in spec.get("rules") or [] for name in routes_manifest.weights(rule, namespace)
            }
            raise Refused(
                f"{route.target}: no rule of {drift.place(live)} leads to {route.backends[0].name}; its rules"
                f" lead to {', '.join(sorted(known)) or 'nothing'}"
            )
        if not written.found:
            written = replace(written, found=routes_manifest.found_in(spec, ours, names, namespace))
        changed = routes_manifest.with_split(spec, written, before, ours, namespace)
        return records.with_record({**live, "spec": changed}, route.target, written)

    def _own(self, route: Route) -> Object:
        target, namespace = route.target, self._place.namespace
        if self._cluster.gateway is None:
            raise Refused(
                f"the cluster {self._cluster.name} has no gateway to attach a route to; connect it again with"
                " --gateway namespace/name"
            )
        name = routes_manifest.own_name(target)
        marks = labels.labels(target, "", self._cluster.owner)
        return {
            "apiVersion": HTTP_ROUTE.api_version,
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": namespace, "labels": marks},
            "spec": routes_manifest.own_spec(route, self._cluster.gateway, namespace),
        }

    def _without(self, live: Object | None, target: str, tombstone: Record | None) -> Object | None:
        if live is None:
            if self._place.route is not None or tombstone is None:
                return None
            body = self._own(Route(target, 0, ()))
            return records.with_record({**body, "spec": {}}, target, tombstone)
        record = self._known(live, target)
        if tombstone is not None:
            records.check(record, target, self._cluster.owner, tombstone.order)
        if self._place.route is None:
            labels.check_owner(live, self._cluster.owner)
            return records.with_record({**live, "spec": {}}, target, tombstone)
        spec = live["spec"]
        if record is not None and record.backends:
            spec = routes_manifest.restored(spec, record, _namespace(live))
        return records.with_record({**live, "spec": spec}, target, tombstone)

    def _known(self, live: Object | None, target: str) -> Record | None:
        """The record in the object; where somebody took it away, what this process remembers."""
        stored = None if live is None else records.records(live).get(target)
        return stored or self._last.get(target)

    def _counted(self, live: Object | None, target: str, record: Record | None) -> Record | None:
        """The record, with one revert more where what we wrote last is not there any more."""
        if live is None or record is None or not record.backends:
            return record
        if records.records(live).get(target) and not self._differences(live, target, record):
            return record
        record = records.undone(record, self._clock())
        if records.at_war(record):
            who = drift.changed_by(live, "spec.rules", "metadata.annotations")
            raise Refused(drift.war(live, who))
        return record

    def _differences(self, live: Object, target: str, record: Record) -> list[str]:
        if self._place.route is not None:
            return routes_manifest.split_differences(live["spec"], record, _namespace(live))
        wanted = self._own(records.route_of(target, record))["spec"]
        return routes_manifest.own_differences(live["spec"], wanted, _namespace(live))

    def _check_services(self, live: Object | None, route: Route, record: Record | None) -> None:
        """Of the backends that are new here: a share for a Service that is not there would be lost."""
        known = set() if live is None else routes_manifest.names_of(record)
        for backend in route.backends:
            if backend.name not in known:
                self._check_service(route.target, backend)

    def _check_service(self, target: str, backend: Backend) -> None:
        namespace, name, port = routes_manifest.service_of(backend)
        found = self._api.get(SERVICE, namespace, name)
        if found is None:
            raise Refused(f"{target}: there is no Service {namespace}/{name}")
        ports = [one.get("port") for one in found["spec"].get("ports") or []]
        if port not in ports:
            raise Refused(f"{target}: the Service {namespace}/{name} has no port {port}; it has {ports}")
        whose = (found["metadata"].get("labels") or {}).get(labels.TARGET)
        if whose not in {None, labels.value(target)}:
            raise Refused(f"{target}: the backend {backend.name} belongs to {whose}")

    # --- reading ------------------------------------------------------------------------------

    def _live(self, target: str) -> Object | None:
        routes.check_target(target)
        if self._place.route is None:
            return self._api.get(HTTP_ROUTE, self._place.namespace, routes_manifest.own_name(target))
        namespace, _, name = self._place.route.partition("/")
        if name.endswith(OWN_SUFFIX):
            raise Refused(
                f"the route {self._place.route} is called like Segue's own; rename it to take it over"
            )
        return self._found(namespace, name)

    def _found(self, namespace: str, name: str) -> Object | None:
        for kind in (HTTP_ROUTE, GRPC_ROUTE) if self._kind is None else (self._kind,):
            try:
                found = self._api.get(kind, namespace, name)
            except NoSuchKind:
                if kind == HTTP_ROUTE:
                    raise
                continue
            if found is not None:
                self._kind = kind
                return found
        return None

    def _kind_of(self, live: Object | None) -> Kind:
        return GRPC_ROUTE if live is not None and live.get("kind") == "GRPCRoute" else HTTP_ROUTE

    def _must(self, target: str) -> Object:
        live = self._live(target)
        if live is None:
            raise Refused(f"there is no route for {target}")
        return live

    def _confirm(self, route: Route) -> None:
        deadline, looks = time.monotonic() + CONFIRM_SECONDS, 0
        while why := self._unconfirmed(route):
            if time.monotonic() >= deadline:
                raise Retry(f"{route.target}: {why}", after=0.5)
            time.sleep(_POLLS[min(looks, len(_POLLS) - 1)])
            looks += 1

    def _unconfirmed(self, route: Route) -> str:
        """Why the write is not confirmed yet; raises `Refused` where a later one is stored."""
        live = self._must(route.target)
        record = records.records(live).get(route.target)
        records.check(record, route.target, self._cluster.owner, (route.epoch, route.attempt))
        ours = record is not None and record.order == (route.epoch, route.attempt)
        if record is None or not ours or self._differences(live, route.target, record):
            who = drift.changed_by(live, "spec.rules", "metadata.annotations")
            raise Retry(f"{route.target}: {drift.place(live)} was changed back by {who}", after=1.0)
        return ", ".join(routes_manifest.unconfirmed(live) or self._unprogrammed(live))

    def _unprogrammed(self, live: Object) -> list[str]:
        found = []
        for namespace, name in routes_manifest.gateways(live):
            gateway = self._api.get(GATEWAY, namespace, name)
            if gateway is None:
                found.append(f"there is no Gateway {namespace}/{name}")
                continue
            conditions = (gateway.get("status") or {}).get("conditions") or []
            said = routes_manifest.condition(conditions, "Programmed")
            if said.get("status") != "True":
                found.append(
                    f"Gateway {namespace}/{name} is not programmed: {said.get('message', 'no answer')}"
                )
        return found


def _namespace(live: Mapping[str, Any]) -> str:
    return str(live["metadata"]["namespace"])


def _address(live: Mapping[str, Any], names: frozenset[str], base: str) -> str:
    """The first host and path of our rules; the gateway's address where the route names no host."""
    spec = live["spec"]
    ours = routes_manifest.our_rules(spec, names, _namespace(live)) or range(len(spec.get("rules") or []))
    matches = [match for at in ours for match in spec["rules"][at].get("matches") or []]
    path = next((str(one["path"].get("value", "")) for one in matches if "path" in one), "")
    host = next((str(one) for one in spec.get("hostnames") or [] if not one.startswith("*")), None)
    where = base if host is None else f"http://{host}"
    if not where:
        raise Refused(f"{drift.place(live)} names no host; connect the cluster again with --address")
    return where + (path if path != "/" else "")
