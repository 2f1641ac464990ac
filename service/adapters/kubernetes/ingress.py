"""The traffic router on an Ingress of yours and a second one of ours, ingress-nginx's canary.

Yours leads to the last version that had all requests, the canary to one other with its share. What
a write is stands in yours; the canary, which is a second write, carries its order, too, so that an older
writer is refused at either. What NGINX makes of both was not run: see `shapes/ingress.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.adapters import routes
from service.adapters.kubernetes import drift, labels, own_route, records, splits
from service.adapters.kubernetes.kinds import INGRESS, Kind
from service.adapters.kubernetes.recorded import Object, Recorded, address_of, namespace_of
from service.adapters.kubernetes.records import Record
from service.adapters.kubernetes.shapes import WHOLE, Ref, no_such, part
from service.adapters.kubernetes.shapes.ingress import (
    Ingress,
    canary_marks,
    canary_spec,
    canary_weight,
)
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route

_SHAPE = Ingress()
_FINEST = 1.5 * 100 / WHOLE  # percent: what is nearer is the same weight


@dataclass(frozen=True, slots=True)
class Step:
    """One write: your Ingress leads to the backend (`share` is None), or the canary takes its share."""

    backend: Backend
    share: float | None


class IngressRouter(Recorded):
    """Splits the requests of the Ingress that `place.route` names between two versions at a time."""

    fields = _SHAPE.fields
    capabilities = frozenset({"weights"})

    def set(self, route: Route) -> Route:
        """Write the order down, move the shares, and read both back: nobody else confirms them."""
        routes.check(route, self.capabilities)
        _check_arms(route, self._named()[0])
        self._change(route.target, lambda live: self._claimed(live, route))
        main, canary = self._must(route.target), self._canary(route.target)
        known = splits.names_of(records.records(main).get(route.target))
        for step in steps(lead(main, known), _canary_key(canary), route.backends):
            self._take(step, route)
        self._confirm(route)
        return route

    def get(self, target: str) -> Route | None:
        """What the two say now, whoever wrote them; with the order of our last write."""
        live = self._live(target)
        record = None if live is None else records.records(live).get(target)
        if live is None or record is None or not record.backends:
            return None
        if not self._unserved(live, target) and not self._differences(live, target, record):
            return records.route_of(target, record)
        said = shares(live, self._canary(target), splits.names_of(record))
        known = {one.name: one for one in record.backends}
        seen = tuple(
            replace(known.get(name, Backend(name, f"http://{name}.svc:80", 0.0)), weight=share)
            for name, share in (dict.fromkeys(known, 0.0) | said).items()
        )
        return replace(records.route_of(target, record), backends=seen)

    def address(self, target: str) -> str:
        """The host and path of the Ingress; the cluster's address where it names no host."""
        live = self._must(target)
        names = splits.names_of(records.records(live).get(target))
        return address_of(_SHAPE, live, names, self._cluster.address)

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        """Serve as it was found, and remember the order of this write in both."""
        live = self._live(target)
        if live is None:
            return
        tombstone = Record(self._cluster.owner, epoch, attempt)
        record = self._allowed(live, target, tombstone.order)
        if record is not None and record.backends:
            self._rest(live, target, record, tombstone)
        self._change(target, lambda live: self._without(live, target, tombstone))

    def hand_back(self, target: str) -> None:
        """Yours as it was found, and no canary any more."""
        self._change(target, lambda live: self._without(live, target, None))
        canary = self._canary(target)
        if canary is not None:
            labels.check_owner(canary, self._cluster.owner)
            metadata = canary["metadata"]
            self._api.delete(INGRESS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        self._last.pop(target, None)

    # --- writing ------------------------------------------------------------------------------

    def _claimed(self, live: Object | None, route: Route) -> Object:
        """Yours with the record of this write, leading where it led."""
        if live is None:
            raise Refused(no_such(_SHAPE, *self._place.routed[1:]))
        record = self._allowed(live, route.target, (route.epoch, route.attempt))
        record = self._counted(live, route, record)
        self._check_services(live, route, record)
        written = records.of_route(route, self._cluster.owner, record)
        names = splits.names_of(record) | splits.names_of(written)
        lead(live, names)
        if not written.found:
            written = replace(written, found=_found(live, names))
        return records.with_record(live, route.target, written)

    def _take(self, step: Step, route: Route) -> None:
        main = self._must(route.target)
        record = self._allowed(main, route.target, (route.epoch, route.attempt))
        if record is None:
            raise Refused(f"{route.target}: somebody took the annotation of {drift.place(main)} away")
        if step.share is None:
            self._change(route.target, lambda live: self._led(live, step.backend, route))
        else:
            self._write_canary(main, route.target, step, record)

    def _led(self, live: Object | None, backend: Backend, route: Route) -> Object | None:
        record = self._allowed(live, route.target, (route.epoch, route.attempt))
        if live is None or record is None:
            return None
        ours = _ours(live, splits.names_of(record))
        ref = _SHAPE.ref(backend, namespace_of(live))
        refs = [[ref] if at in ours else refs for at, refs in enumerate(_SHAPE.rules(live["spec"]))]
        changed = {**live, "spec": _SHAPE.with_rules(live["spec"], refs)}
        return records.with_record(changed, route.target, record)

    def _write_canary(self, main: Object, target: str, step: Step, record: Record) -> None:
        """`record` is its order; its paths are those of yours that are the model's."""
        namespace = namespace_of(main)
        ours = _ours(main, splits.names_of(self._known(main, target)))
        spec = canary_spec(main["spec"], ours, _SHAPE.ref(step.backend, namespace))
        marks = canary_marks(main, part(step.share or 0.0, WHOLE))
        name = own_route.own_name(target)

        def decide(live: Object | None) -> Object | None:
            if live is None and not ours:
                return None
            made = {"name": name, "namespace": namespace}
            found: Object = {"apiVersion": INGRESS.api_version, "kind": "Ingress", "metadata": made}
            if live is not None:
                labels.check_owner(live, self._cluster.owner)
                records.check(records.records(live).get(target), target, record.owner, record.order)
                found = live
            notes = {**(found["metadata"].get("annotations") or {}), **marks}
            worn = labels.labels(target, "", self._cluster.owner)
            metadata = {**found["metadata"], "annotations": notes, "labels": worn}
            said = spec if ours else found["spec"]  # an Ingress without rules is none
            return records.with_record({**found, "metadata": metadata, "spec": said}, target, record)

        self._change(target, decide, lambda: self._canary(target))

    def _rest(self, main: Object, target: str, record: Record, tombstone: Record) -> None:
        """The canary without a share, so that it refuses whoever is older than this."""
        least = min(record.backends, key=lambda one: one.weight)
        self._write_canary(main, target, Step(least, 0.0), tombstone)

    def _without(self, live: Object | None, target: str, tombstone: Record | None) -> Object | None:
        if live is None:
            return None
        record = self._known(live, target)
        if tombstone is not None:
            records.check(record, target, self._cluster.owner, tombstone.order)
        spec = live["spec"]
        if record is not None and record.backends:
            found = [ref for one in record.found for ref in _refs(one)]
            ours = _ours(live, splits.names_of(record))
            past = dict(zip(ours, found, strict=False)) if len(ours) == len(found) else {}
            rules = enumerate(_SHAPE.rules(spec))
            refs = [[past.get(at, found[0])] if at in ours else there for at, there in rules]
            spec = _SHAPE.with_rules(spec, refs)
        return records.with_record({**live, "spec": spec}, target, tombstone)

    # --- reading ------------------------------------------------------------------------------

    def _live(self, target: str) -> Object | None:
        routes.check_target(target)
        return self._api.get(INGRESS, *self._named())

    def _canary(self, target: str) -> Object | None:
        return self._api.get(INGRESS, self._named()[0], own_route.own_name(target))

    def _kind_of(self, live: Object | None) -> Kind:  # noqa: ARG002 (there is one)
        return INGRESS

    def _differences(self, live: Object, target: str, record: Record) -> list[str]:
        """None while a write is not through yet: that is nobody else's change."""
        canary = self._canary(target)
        written = None if canary is None else records.records(canary).get(target)
        if written is not None and written.order < record.order:
            return []
        try:
            said = shares(live, canary, splits.names_of(record))
        except Refused as error:
            return [str(error)]
        wanted = {one.name: one.weight for one in record.backends if one.weight > 0}
        same = all(abs(said[name] - wanted[name]) < _FINEST for name in said if name in wanted)
        shown = ", ".join(f"{name} {share:g} %" for name, share in said.items())
        return [] if said.keys() == wanted.keys() and same else [f"it sends {shown}"]

    def _unserved(self, live: Object, target: str) -> list[str]:
        record, canary = records.records(live).get(target), self._canary(target)
        written = None if canary is None else records.records(canary).get(target)
        through = record is not None and written is not None and written.order == record.order
        return [] if through else ["its canary is not written yet"]

    def _blamed(self, live: Object, target: str) -> Object:
        """Yours where it leads past the split, else the canary."""
        record = records.records(live).get(target)
        served = {one.name for one in record.backends if one.weight > 0} if record else set()
        leads = {_SHAPE.key(ref, namespace_of(live)) for refs in _SHAPE.rules(live["spec"]) for ref in refs}
        return (self._canary(target) if leads & served else None) or live


def steps(leads: str, canary: str | None, backends: Sequence[Backend]) -> tuple[Step, ...]:
    """The writes that bring a split about; at no moment has a version more than it had or shall have.

    `leads` is where yours leads, `canary` where the second does. Yours is led elsewhere only to what gets
    most, when it leads to nothing that shall have a share: a version without pods there would fail
    the canary's requests, too.
    """
    served = sorted((one for one in backends if one.weight > 0), key=lambda one: -one.weight)
    first = next((one for one in served if one.name == leads), served[0])
    rest = [one for one in served if one is not first] or [one for one in backends if one is not first]
    share = Step(rest[0], rest[0].weight) if rest else Step(first, 0.0)
    if first.name == leads:
        return (share,)
    still = () if canary == first.name else (Step(first, 0.0),)
    return (*still, Step(first, None), share)


def lead(main: Object, names: frozenset[str]) -> str:
    """The one version that yours leads to. Raises `Refused` where it is none, or several."""
    namespace = namespace_of(main)
    rules = _SHAPE.rules(main["spec"])
    found = {_SHAPE.key(rules[at][0], namespace) or "" for at in _ours(main, names)}
    if len(found) == 1:
        return found.pop()
    if found:
        raise Refused(
            f"the paths of {drift.place(main)} lead to several: {', '.join(sorted(found))};"
            " split them into an Ingress each, and write one under `route`"
        )
    known = ", ".join(sorted(splits.leads_to(_SHAPE, main["spec"], namespace))) or "nothing"
    raise Refused(
        f"no path of {drift.place(main)} leads to {' or '.join(sorted(names))}; its paths lead to {known}."
        " Let one lead to it, or write another Ingress under `route`"
    )


def shares(main: Object, canary: Object | None, names: frozenset[str]) -> dict[str, float]:
    """What each version gets, in percent; those that get nothing are left out."""
    first, other = lead(main, names), _canary_key(canary)
    percent = 0.0 if canary is None or other in {None, first} else canary_weight(canary)
    said = {first: 100.0 - percent} | ({} if other in {None, first} else {str(other): percent})
    return {name: share for name, share in said.items() if share > 0}


def _canary_key(canary: Object | None) -> str | None:
    if canary is None:
        return None
    refs = [ref for rule in _SHAPE.rules(canary["spec"]) for ref in rule]
    return _SHAPE.key(refs[0], namespace_of(canary)) if refs else None


def _ours(main: Object, names: frozenset[str]) -> list[int]:
    return splits.our_rules(_SHAPE, main["spec"], names, namespace_of(main))


def _found(main: Object, names: frozenset[str]) -> tuple[dict[str, object], ...]:
    """Where our paths lead before we touch them: the Service's key with its port as it is written."""
    rules = _SHAPE.rules(main["spec"])
    refs = [rules[at][0] for at in _ours(main, names)]
    return tuple({_SHAPE.key(ref, namespace_of(main)) or "": ref.get("port")} for ref in refs)


def _refs(found: dict[str, object]) -> list[Ref]:
    return [{"name": key.partition(".")[0], "port": port} for key, port in found.items()]


def _check_arms(route: Route, namespace: str) -> None:
    for backend in route.backends:
        _SHAPE.ref(backend, namespace)
    served = [one.name for one in route.backends if one.weight > 0]
    if len(served) > 2:
        raise Refused(f"{route.target}: NGINX has one canary: it cannot split {', '.join(served)}")
