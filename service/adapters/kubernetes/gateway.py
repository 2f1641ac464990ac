"""The traffic router on routes with weights: one of our own on Gateway API, or one that exists already.

Of an existing one (an HTTPRoute or GRPCRoute, a VirtualService, a TraefikService) only the weights of our
rules are touched; what differs between the kinds is in `shapes`. A write is confirmed by what the
gateway's controller answers, where the kind has somebody who answers; elsewhere it is read back.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from policies.place import Place
from service.adapters import routes
from service.adapters.kubernetes import claims, drift, labels, own_route, records, splits, stamps
from service.adapters.kubernetes.answers import NoSuchKind
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import HTTP_ROUTE, Kind
from service.adapters.kubernetes.recorded import Object, Recorded, address_of, namespace_of
from service.adapters.kubernetes.recorders import Recorders
from service.adapters.kubernetes.recorders_manifest import LISTENER
from service.adapters.kubernetes.records import Record
from service.adapters.kubernetes.routes_manifest import service_of
from service.adapters.kubernetes.shapes import no_such
from service.adapters.kubernetes.shapes.known import SHAPES
from service.ports.connections import MARKING, Cluster
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route

_OWN = frozenset({"weights", "preview"})


class GatewayRouter(Recorded):
    """Splits the requests of routes.

    `place.route` names the route whose weights are ours; without it each target has a route of its
    own on the cluster's gateway, which also shows single versions for the header of previews.
    """

    def __init__(
        self,
        api: Api,
        cluster: Cluster,
        place: Place,
        clock: Callable[[], float] = time.time,
        recorders: Recorders | None = None,
    ) -> None:
        """`recorders` are there where requests may be copied: for HTTPRoutes alone."""
        super().__init__(api, cluster, place, clock)
        self._shape = SHAPES[place.routed[0]]
        self.fields = self._shape.fields
        self._kind: Kind | None = None if place.route else HTTP_ROUTE
        self.capabilities = _OWN if place.route is None else frozenset({"weights"}) | self._shape.keeps
        if place.route is None and cluster.plane in MARKING:
            self.capabilities |= {"sticky:cookie", "sticky:header"}
        self._recorders = recorders if HTTP_ROUTE in self._shape.kinds else None
        if self._recorders is not None:
            self.capabilities |= {"copies"}
            if place.route is None and cluster.plane in MARKING:
                self.capabilities |= {"assigns"}

    def set(self, route: Route) -> Route:
        """Write the split, then wait until whoever serves the route says that it has this generation."""
        # Where one version has all nobody is kept: a rollback is never refused for how users are.
        routes.check(route if _divided(route) else replace(route, sticky="none"), self.capabilities)
        for backend in route.backends:
            service_of(backend)
        recorder = self._kept(route)
        if recorder is not None:
            self._introduce(route, recorder)
        self._listen(route)
        self._change(route.target, lambda live: self._with(live, route, recorder))
        self._confirm(route)
        self._end_recorders(route.target, recorder, listens=_assigns(route))
        return route

    def get(self, target: str) -> Route | None:
        """What the route says now, whoever wrote it; with the order of our last write."""
        live = self._live(target)
        record = None if live is None else records.records(live).get(target)
        if live is None or record is None or not record.backends:
            return None
        if not self._differences(live, target, record):
            return records.route_of(target, record)
        rules, namespace = self._shape.rules(live["spec"]), namespace_of(live)
        if self._place.route is not None:
            ours = splits.our_rules(self._shape, live["spec"], splits.names_of(record), namespace)
            rules = [rules[at] for at in ours]
        said = splits.shares(self._shape, rules[0], namespace) if rules else ()
        return replace(records.route_of(target, record), backends=said)

    def address(self, target: str) -> str:
        """Where users reach the target: the gateway's address, or the host and path of the route."""
        routes.check_target(target)
        if self._place.route is None:
            if not self._cluster.address:
                raise Refused(
                    f"the address of the gateway of {self._cluster.name} is not known; connect the cluster"
                    " again with --address"
                )
            return f"{self._cluster.address.rstrip('/')}/{target}"
        live = self._must(target)
        names = splits.names_of(records.records(live).get(target))
        return address_of(self._shape, live, names, self._cluster.address)

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        """Serve the target no more, or as it was found, and remember the order of this write.

        A route of our own stays as an empty one, attached to nothing: the order must outlive it, or
        somebody older could bring it back.
        """
        routes.check_target(target)
        tombstone = Record(self._cluster.owner, epoch, attempt)
        self._change(target, lambda live: self._without(live, target, tombstone))
        self._confirm_left(target)
        self._end_recorders(target, None)

    def hand_back(self, target: str) -> None:
        """Leave a route that was found as it was found, with no note of ours."""
        routes.check_target(target)
        self._change(target, lambda live: self._without(live, target, None))
        self._confirm_left(target)
        self._end_recorders(target, None)
        self._last.pop(target, None)

    # --- copying ------------------------------------------------------------------------------

    def _kept(self, route: Route) -> Backend | None:
        """The recorder that the route is to lead to, which runs; None where nothing is copied."""
        if self._recorders is None or not route.copied:
            return None
        live = self._live(route.target)
        if live is not None and self._kind != HTTP_ROUTE:
            told = "is no HTTPRoute, and nothing else's requests are copied"
            raise Refused(f"{route.target}: {drift.place(live)} {told}; write `strategy: canary`")
        if live is not None and namespace_of(live) != self._place.namespace:
            raise Refused(
                f"{route.target}: {drift.place(live)} is in another namespace than its versions, and may lead"
                " to no recorder there; move the route, or write `strategy: canary`"
            )
        self._recorders.keep(route)
        return self._recorders.backend(route)

    def _introduce(self, route: Route, recorder: Backend) -> None:
        """Have whoever serves the route know the recorder before it gets a request, and it gets all at once.

        A data plane that has not seen a new Service answers its share with errors. So the recorder is in the
        route without a share first, until the gateway says that it has resolved it.
        """
        record = self._known(self._live(route.target), route.target)
        if record is not None and record.recorder == recorder:
            return
        beside = (*route.backends, replace(recorder, weight=0.0))
        first = replace(route, backends=beside, recording=None, copied="")
        self._change(route.target, lambda live: self._with(live, first, None))
        self._confirm(first)

    def _listen(self, route: Route) -> None:
        """Have it noted who answers, from before a version gets its first request."""
        if self._recorders is None or not _assigns(route):
            return
        record = self._known(self._live(route.target), route.target)
        before = {one.name for one in record.backends if one.weight > 0} if record is not None else set()
        if any(one.weight > 0 and one.name not in before for one in route.backends):
            self._recorders.listeners.keep(route.target)

    def _end_recorders(self, target: str, used: Backend | None, *, listens: bool = False) -> None:
        """Those that nothing needs any more."""
        if self._recorders is not None:
            names = [] if used is None else [used.name.partition(".")[0]]
            self._recorders.end(target, [*names, LISTENER] if listens else names)

    # --- writing ------------------------------------------------------------------------------

    def _with(self, live: Object | None, route: Route, recorder: Backend | None) -> Object | None:
        """The object that says this split; what was undone by others is counted."""
        own = self._place.route is None
        if live is None and not own:
            raise Refused(no_such(self._shape, *self._place.routed[1:]))
        if own and live is not None:
            labels.check_owner(live, self._cluster.owner)
        record = self._allowed(live, route.target, (route.epoch, route.attempt))
        record = self._counted(live, route, record)
        self._check_services(live, route, record)
        written = records.of_route(route, self._cluster.owner, record, recorder)
        if own or live is None:
            made = self._own(records.written_route(route.target, written))
            made = made if live is None else {**live, "spec": made["spec"]}
            if record is None or not record.backends:
                self._check_unclaimed(made, [0], route.target)
            return records.with_record(made, route.target, written)
        return self._adopted(live, route, written, splits.names_of(record))

    def _adopted(self, live: Object, route: Route, written: Record, before: frozenset[str]) -> Object:
        namespace, spec = namespace_of(live), live["spec"]
        names = before | splits.names_of(written)
        ours = splits.our_rules(self._shape, spec, names, namespace)
        if not ours:
            known = ", ".join(sorted(splits.leads_to(self._shape, spec, namespace))) or "nothing"
            raise Refused(
                f"{route.target}: no rule of {drift.place(live)} leads to {route.backends[0].name}; its rules"
                f" lead to {known}. Let one lead to it, or write another route under `route`"
            )
        self._check_kept(live, ours, route, first=not written.found)
        if not written.found:
            self._check_unclaimed(live, ours, route.target)
            found = splits.found_in(self._shape, spec, ours, names, namespace)
            written = replace(written, found=found)
        changed = splits.with_split(self._shape, spec, written, before, namespace)
        return records.with_record({**live, "spec": changed}, route.target, written)

    def _check_kept(self, live: Object, ours: Sequence[int], route: Route, *, first: bool) -> None:
        """Before users are divided, and when a route is taken over; taking all back waits for nothing."""
        if (first or _divided(route)) and (why := self._shape.unkept(live, ours, route.sticky)):
            raise Refused(f"{route.target}: {why}")

    def _check_unclaimed(self, route: Object, rules: Sequence[int], target: str) -> None:
        """Before the first share: a route that the gateway prefers would leave ours without requests."""
        if self._kind != HTTP_ROUTE:
            return
        seen, _ = claims.visible(self._api, namespace_of(route))
        for other in claims.preferred(route, rules, seen):
            raise Refused(f"{target}: {claims.told(other)}")

    def _own(self, route: Route) -> Object:
        target, namespace = route.target, self._place.namespace
        if self._cluster.gateway is None:
            raise Refused(
                f"the cluster {self._cluster.name} has no gateway to attach a route to; connect it again with"
                " --gateway namespace/name"
            )
        name = own_route.own_name(target)
        marks = labels.labels(target, "", self._cluster.owner)
        spec = own_route.own_spec(route, self._cluster.gateway, namespace)
        return {
            "apiVersion": HTTP_ROUTE.api_version,
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": namespace, "labels": marks},
            "spec": stamps.stamped(spec, namespace) if self._cluster.plane in MARKING else spec,
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
        self._check_found(target, record)
        if record is not None and record.backends:
            spec = splits.restored(self._shape, spec, record, namespace_of(live))
        return records.with_record({**live, "spec": spec}, target, tombstone)

    def _differences(self, live: Object, target: str, record: Record) -> list[str]:
        if self._place.route is not None:
            return splits.differences(self._shape, live["spec"], record, namespace_of(live))
        wanted = self._own(records.written_route(target, record))["spec"]
        newer = record.form > records.FORM
        return own_route.own_differences(live["spec"], wanted, namespace_of(live), newer=newer)

    # --- reading ------------------------------------------------------------------------------

    def _live(self, target: str) -> Object | None:
        routes.check_target(target)
        if self._place.route is None:
            return self._api.get(HTTP_ROUTE, self._place.namespace, own_route.own_name(target))
        return self._found(*self._named())

    def _found(self, namespace: str, name: str) -> Object | None:
        for kind in self._shape.kinds if self._kind is None else (self._kind,):
            try:
                found = self._api.get(kind, namespace, name)
            except NoSuchKind:
                if kind == self._shape.kinds[0]:
                    raise
                continue
            if found is not None:
                self._kind = kind
                return found
        return None

    def _kind_of(self, live: Object | None) -> Kind:  # noqa: ARG002 (known since it was read)
        return self._kind or self._shape.kinds[0]

    def _unserved(self, live: Object, target: str) -> list[str]:  # noqa: ARG002
        return self._shape.unconfirmed(self._api, live)

    def _unleft(self, live: Object, target: str) -> list[str]:
        """What is attached to nothing is served by nobody."""
        return self._unserved(live, target) if live["spec"].get("parentRefs") else []


def _assigns(route: Route) -> bool:
    return route.recording is not None and route.recording.assigns


def _divided(route: Route) -> bool:
    return sum(one.weight > 0 for one in route.backends) > 1
