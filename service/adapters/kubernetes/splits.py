"""The split in a route that exists already: pure functions over decoded objects, for every kind's `Shape`.

*Ours* are the rules that lead to one of the model's versions. Only the references of those are touched,
and what they said before is in the record, so that handing back restores exactly that.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from service.adapters.kubernetes.records import Record
from service.adapters.kubernetes.shapes import Ref, Shape, part
from service.ports.outcomes import Refused
from service.ports.traffic import Backend


def our_rules(shape: Shape, spec: Mapping[str, Any], names: Collection[str], namespace: str) -> list[int]:
    """The rules that lead to one of these backends."""
    rules = enumerate(shape.rules(spec))
    return [at for at, refs in rules if set(weights(shape, refs, namespace)) & set(names)]


def leads_to(shape: Shape, spec: Mapping[str, Any], namespace: str) -> dict[str, int]:
    """Every backend that a route names, with the port it is asked at (0: not said)."""
    refs = [ref for rule in shape.rules(spec) for ref in rule]
    named = ((shape.key(ref, namespace), shape.port(ref)) for ref in refs)
    return {key: port for key, port in named if key is not None}


def names_of(record: Record | None) -> frozenset[str]:
    """Every backend that a record knows: those it sent traffic to, and those it found."""
    if record is None:
        return frozenset()
    found = {name for rule in record.found for name in rule}
    return frozenset(one.name for one in record.written) | found


def weights(shape: Shape, refs: Sequence[Ref], namespace: str) -> dict[str, int]:
    """The weights of a rule by `service.namespace`; what is no Service is left out."""
    said = ((shape.key(ref, namespace), shape.weight(ref, refs)) for ref in refs)
    return {key: n for key, n in said if key is not None}


def shared(shape: Shape, spec: Mapping[str, Any], rules: Iterable[int], namespace: str) -> list[str]:
    """The backends that have a share in one of these rules."""
    there = shape.rules(spec)
    found = {key for at in rules for key, n in weights(shape, there[at], namespace).items() if n > 0}
    return sorted(found)


def found_in(
    shape: Shape, spec: Mapping[str, Any], rules: Iterable[int], names: Collection[str], namespace: str
) -> tuple[dict[str, Any], ...]:
    """What our rules say of these backends before we touch them; None where no weight is written."""
    there = shape.rules(spec)
    keyed = ([(shape.key(ref, namespace), ref.get("weight")) for ref in there[at]] for at in rules)
    return tuple({key: n for key, n in refs if key is not None and key in names} for refs in keyed)


def with_split(
    shape: Shape,
    spec: Mapping[str, Any],
    record: Record,
    before: Collection[str],
    namespace: str,
) -> dict[str, Any]:
    """The spec with the record's split in our rules. Raises `Refused` where others take a share of a rule.

    A backend that was found stays, at weight 0 if need be; one of ours from `before` that is not wanted
    any more goes.
    """
    ours = our_rules(shape, spec, {*before, *names_of(record)}, namespace)
    changed = [
        _split(shape, refs, record, before, namespace) if at in ours else refs
        for at, refs in enumerate(shape.rules(spec))
    ]
    return shape.with_rules(spec, changed)


def restored(shape: Shape, spec: Mapping[str, Any], record: Record, namespace: str) -> dict[str, Any]:
    """The spec with our rules as they were found."""
    ours = our_rules(shape, spec, names_of(record), namespace)
    past = dict(zip(ours, record.found, strict=False)) if len(ours) == len(record.found) else {}
    changed = shape.rules(spec)
    for at in ours:
        said = weights(shape, changed[at], namespace)
        found = past.get(at) or next((one for one in record.found if set(one) & set(said)), {})
        changed[at] = [
            ref if key not in found else _weighted(ref, found[key])
            for ref in changed[at]
            if (key := shape.key(ref, namespace)) in found or key not in names_of(record)
        ]
    return shape.with_rules(spec, changed)


def differences(shape: Shape, spec: Mapping[str, Any], record: Record, namespace: str) -> list[str]:
    """What our rules of a route say otherwise than the record."""
    wanted = _wanted(shape, record)
    ours = our_rules(shape, spec, names_of(record), namespace)
    there = shape.rules(spec)
    rules = [there[at] for at in ours]
    if not rules:
        return ["no rule leads to the model's versions any more"]
    said = [weights(shape, refs, namespace) for refs in rules]
    complete = all(set(wanted) <= set(one) for one in said)
    if len(rules) < len(record.found):
        return [f"only {len(rules)} of {len(record.found)} rules lead to the model's versions"]
    same = all(_positive(one) == _positive(wanted) for one in said)
    return [] if complete and same else [shown(shape, rules, namespace)]


def shares(shape: Shape, refs: Sequence[Ref], namespace: str) -> tuple[Backend, ...]:
    """The split that a rule says, in percent."""
    said = weights(shape, refs, namespace)
    whole = sum(said.values())
    ports = {shape.key(ref, namespace): shape.port(ref) for ref in refs}
    return tuple(
        Backend(name, f"http://{name}.svc:{ports[name] or 80}", 100.0 * n / whole if whole else 0.0)
        for name, n in said.items()
    )


def shown(shape: Shape, rules: Iterable[Sequence[Ref]], namespace: str) -> str:
    """The weights of rules in percent, as people read them."""
    said = []
    for refs in rules:
        parts = ", ".join(f"{one.name} {one.weight:g} %" for one in shares(shape, refs, namespace))
        said.append(parts or "nothing")
    return "it sends " + "; ".join(dict.fromkeys(said))


def _wanted(shape: Shape, record: Record) -> dict[str, int]:
    whole = shape.whole(record.written)
    return {one.name: part(one.weight, whole) for one in record.written}


def _positive(said: Mapping[str, int]) -> dict[str, int]:
    return {name: n for name, n in said.items() if n > 0}


def _split(
    shape: Shape, there: Sequence[Ref], record: Record, before: Collection[str], namespace: str
) -> list[Ref]:
    wanted = _wanted(shape, record)
    found = {name for one in record.found for name in one}
    _check_once(shape, there, found | set(wanted), namespace)
    refs = []
    for ref in there:
        key = shape.key(ref, namespace)
        if key in wanted:
            refs.append(_weighted(ref, wanted[key]))
        elif key in found:
            refs.append(_weighted(ref, 0))
        elif key not in before:
            if shape.weight(ref, there) > 0:
                raise Refused(
                    f"the rule gives a share to {key or _said(ref)} too, which is not the model's; give that"
                    " backend a rule of its own, or weight 0"
                )
            refs.append(ref)
    known = {shape.key(ref, namespace) for ref in refs}
    new = [one for one in record.written if one.name not in known]
    return refs + [_weighted(shape.ref(one, namespace), wanted[one.name]) for one in new]


def _check_once(shape: Shape, refs: Sequence[Ref], names: Collection[str], namespace: str) -> None:
    """A Service that a rule names twice (as by subsets) has no one weight that could be ours."""
    times = Counter(key for ref in refs if (key := shape.key(ref, namespace)) in names)
    for key, n in times.items():
        if n > 1:
            raise Refused(f"the rule names {key} {n} times; let it name the Service once")


def _weighted(ref: Ref, weight: int | None) -> Ref:
    if weight is None:
        return {key: said for key, said in ref.items() if key != "weight"}
    return {**ref, "weight": weight}


def _said(ref: Ref) -> str:
    return str(ref.get("name") or ref.get("destination", {}).get("host"))
