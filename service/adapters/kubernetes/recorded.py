"""What all routers share that keep their record in the object that they write.

Every write reads the object, compares the order of the write that is stored in it, and replaces it by
its resourceVersion; never by force. Who else writes it is seen, counted and named.
"""

import abc
import random
import time
from collections.abc import Callable
from typing import Any

from policies.place import Place
from service.adapters import routes
from service.adapters.kubernetes import confirming, drift, endpoints, labels, records, splits
from service.adapters.kubernetes.answers import Stale, Taken
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import SERVICE, Kind
from service.adapters.kubernetes.planes import OWN_SUFFIX
from service.adapters.kubernetes.records import Record
from service.adapters.kubernetes.routes_manifest import service_of
from service.adapters.kubernetes.shapes import Shape
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Backend, Route

TRIES = 5  # reads of an object that others write at the same time

Object = dict[str, Any]
Decide = Callable[[Object | None], Object | None]


class Recorded(abc.ABC):
    """Reads, writes and confirms one object for each target; which one, and what it says, is the kind's."""

    fields: tuple[str, ...]  # of the object, that carry the split
    noun = "route"  # what people call the object

    def __init__(
        self, api: Api, cluster: Cluster, place: Place, clock: Callable[[], float] = time.time
    ) -> None:
        self._api = api
        self._cluster = cluster
        self._place = place
        self._clock = clock
        self._last: dict[str, Record] = {}  # what this process wrote: an annotation may be taken away

    def drift(self, target: str) -> str | None:
        """What the route says otherwise than we wrote it, and who wrote that; None where nothing is."""
        live = self._live(target)
        return self._drift(live, target, self._known(live, target))

    def _drift(self, live: Object | None, target: str, record: Record | None) -> str | None:
        if live is None:
            return f"the {self.noun} of {target} is gone"
        if record is None:
            return None
        found = self._undone(live, target, record)
        at = self._blamed(live, target) if found else live
        return drift.changed(at, self._who(at), ", ".join(found)) if found else None

    # --- what the kind knows --------------------------------------------------------------------

    @abc.abstractmethod
    def _live(self, target: str) -> Object | None:
        """The object as it is now."""

    @abc.abstractmethod
    def _kind_of(self, live: Object | None) -> Kind:
        """Where it is written."""

    @abc.abstractmethod
    def _differences(self, live: Object, target: str, record: Record) -> list[str]:
        """What it says otherwise than the record."""

    @abc.abstractmethod
    def _unserved(self, live: Object, target: str) -> list[str]:
        """Why whoever serves it has not taken it yet."""

    def _undone(self, live: Object, target: str, record: Record) -> list[str]:
        """What somebody changed since the record was written: what it says, or that the record is gone."""
        if target not in records.records(live):
            return ["it lost Segue's annotation"]
        return self._differences(live, target, record) if record.backends else []

    def _blamed(self, live: Object, target: str) -> Object:  # noqa: ARG002 (the object itself, mostly)
        """What somebody changed where there are differences."""
        return live

    def _named(self) -> tuple[str, str]:
        """Namespace and name of the route that exists already."""
        _, namespace, name = self._place.routed
        if name.endswith(OWN_SUFFIX):
            raise Refused(
                f"the route {self._place.route} is called like Segue's own; rename it to take it over"
            )
        return namespace, name

    # --- writing --------------------------------------------------------------------------------

    def _change(self, target: str, decide: Decide, read: Callable[[], Object | None] | None = None) -> None:
        """Write what is decided from what is there, unless that changes meanwhile; then look anew."""
        for _ in range(TRIES):
            live = self._live(target) if read is None else read()
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
        raise Retry(f"{target}: its {self.noun} changes faster than it can be written", after=0.5)

    def _write(self, live: Object | None, wanted: Object) -> None:
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        kind = self._kind_of(live)
        if live is None:
            self._api.create(kind, namespace, wanted)
        else:
            self._api.replace(kind, namespace, name, wanted)

    def _known(self, live: Object | None, target: str) -> Record | None:
        """The record in the object; where somebody took it away, what this process remembers."""
        stored = None if live is None else records.records(live).get(target)
        return stored or self._last.get(target)

    def _allowed(self, live: Object | None, target: str, order: tuple[int, int]) -> Record | None:
        """The record there, which no later write and no other installation has made."""
        record = self._known(live, target)
        records.check(record, target, self._cluster.owner, order)
        return record

    def _counted(self, live: Object | None, route: Route, record: Record | None) -> Record | None:
        """The record, with one revert more where what we wrote last is not there any more. Raises `Refused`
        where the route is for another drift than this."""
        target, ours = route.target, record is not None and record.order == (route.epoch, route.attempt)
        if route.over:
            changed = self._drift(live, target, record)
            if changed is not None or not ours:  # of ours: this is one more try of the same write
                routes.check_seen(route, changed)
        if live is None or record is None or not record.backends:
            return record
        if not self._undone(live, target, record):
            return record
        record = records.undone(record, self._clock())
        if records.at_war(record):
            at = self._blamed(live, target)
            raise Refused(drift.war(at, self._who(at)))
        return record

    def _who(self, live: Object) -> str:
        return drift.changed_by(live, *self.fields, "metadata.annotations")

    def _check_services(self, live: Object | None, route: Route, record: Record | None) -> None:
        """Of the backends that are new here: a share for a Service that is not there would be lost.

        As would be one for a Service without a ready endpoint, however new: `Retry` until it has one.
        """
        known = set() if live is None else splits.names_of(record)
        served = {one.name for one in record.written if one.weight > 0} if record is not None else set()
        for backend in route.backends:
            if backend.name not in known:
                self._check_service(route.target, backend)
            if backend.weight > 0 and backend.name not in served:
                self._check_answered(route.target, backend.name)

    def _check_found(self, target: str, record: Record | None) -> None:
        """Of the backends that get their share back as the route is left as it was found."""
        served = {one.name for one in record.written if one.weight > 0} if record is not None else set()
        found = record.found if record is not None and record.backends else ()
        for name in {name for rule in found for name, weight in rule.items() if weight != 0} - served:
            self._check_answered(target, name)

    def _check_answered(self, target: str, backend: str) -> None:
        """Raises `Retry` where requests for a backend would find nobody."""
        name, _, namespace = backend.partition(".")
        if why := endpoints.unanswered(self._api, namespace, name):
            raise Retry(f"{target}: {why}", after=0.5)

    def _check_service(self, target: str, backend: Backend) -> None:
        namespace, name, port = service_of(backend)
        found = self._api.get(SERVICE, namespace, name)
        if found is None:
            raise Refused(f"{target}: there is no Service {namespace}/{name}")
        ports = [one.get("port") for one in found["spec"].get("ports") or []]
        if port not in ports:
            raise Refused(f"{target}: the Service {namespace}/{name} has no port {port}; it has {ports}")
        whose = (found["metadata"].get("labels") or {}).get(labels.TARGET)
        if whose not in {None, labels.value(target)}:
            raise Refused(f"{target}: the backend {backend.name} belongs to {whose}")

    # --- reading --------------------------------------------------------------------------------

    def _must(self, target: str) -> Object:
        live = self._live(target)
        if live is None:
            raise Refused(f"there is no {self.noun} for {target}")
        return live

    def _confirm(self, route: Route) -> None:
        confirming.wait(route.target, lambda: self._unconfirmed(route))

    def _confirm_left(self, target: str) -> None:
        """Wait until whoever serves it has it as it is left: only then may end what it led to."""

        def unleft() -> str:
            live = self._live(target)
            return "" if live is None else ", ".join(self._unleft(live, target))

        confirming.wait(target, unleft)

    def _unleft(self, live: Object, target: str) -> list[str]:
        """Why whoever serves it may lead to our versions still."""
        return self._unserved(live, target)

    def _unconfirmed(self, route: Route) -> str:
        """Why the write is not confirmed yet; raises `Refused` where a later one is stored."""
        live = self._must(route.target)
        record = records.records(live).get(route.target)
        records.check(record, route.target, self._cluster.owner, (route.epoch, route.attempt))
        ours = record is not None and record.order == (route.epoch, route.attempt)
        if record is None or not ours or self._differences(live, route.target, record):
            at = self._blamed(live, route.target)
            raise Retry(f"{route.target}: {drift.place(at)} was changed back by {self._who(at)}", after=1.0)
        return ", ".join(self._unserved(live, route.target))


def namespace_of(live: Object) -> str:
    """The namespace of an object."""
    return str(live["metadata"]["namespace"])


def address_of(shape: Shape, live: Object, names: frozenset[str], base: str | None) -> str:
    """The first host and path of our rules; the cluster's address where the route names no host."""
    spec = live["spec"]
    ours = splits.our_rules(shape, spec, names, namespace_of(live))
    said = shape.reached(spec, ours or range(len(shape.rules(spec))), namespace_of(live))
    where = (base or "").rstrip("/") if said.host is None else f"http://{said.host}"
    if not where:
        raise Refused(f"{drift.place(live)} names no host; connect the cluster again with --address")
    return where + (said.path if said.path != "/" else "")
