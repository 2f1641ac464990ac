"""What the keys of guards mean together, and what no guard could ever judge by.

A mistake says what to write in its place. What only shows at run time (buckets that differ between versions,
more bad requests than requests) is a gap there, with its reason, and never a value.
"""

import re

from policies.spec.mistakes import Findings, listed, nearest
from policies.spec.node import Mapping, Node, Scalar, Sequence
from policies.spec.reading import Values

_USUAL = ("errors", "slo", "latency", "alive", "share")
_COMPARED = ("slo", "worse_by", "drop", "drift")
# What makes of a counter something that is none any more; a guard takes the differences itself.
_NOT_A_COUNTER = re.compile(
    r"\b(rate|irate|increase|delta|idelta|deriv|avg|histogram_quantile|quantile|[a-z]+_over_time)\s*(?:by\s*)?\("
)


def check(node: Mapping, values: Values, findings: Findings) -> None:
    """All guards of an environment, with what it inherits."""
    guards = node.get("guards")
    read = values.get("guards", {})
    if not isinstance(guards, Mapping):
        return
    switched = values["strategy"] == "bluegreen" and values["held_back"] == 0
    for name, guard in guards.entries:
        if not isinstance(read.get(name.text), dict):
            continue
        mapping = guard if isinstance(guard, Mapping) else Mapping((), guard.place)
        if name.text not in _USUAL:
            _check_own(name, mapping, read[name.text], values["strategy"], findings)
        if name.text == "latency":
            _only_with(mapping, "slo", ("slower_than",), findings)
        if switched:
            _check_baseline(name, mapping, findings)
        _check_segments(mapping, findings)


def _check_own(name: Scalar, guard: Mapping, read: Values, strategy: str, findings: Findings) -> None:
    kinds = [key for key in ("query", "labels") if guard.has(key)]
    if len(kinds) != 1:
        near = nearest(name.text, _USUAL)
        message = f"the guard `{name.text}` needs exactly one of `query` or `labels`"
        if not kinds and near:
            message += f"; did you mean `{near}`?"
        findings.add(guard.place, message, allowed=("query", "labels"), nearest=None if kinds else near)
    elif kinds == ["query"]:
        _exactly_one(guard, _COMPARED, findings)
        _only_with(guard, "within", ("labels",), findings)
        _check_query(guard, str(read.get("query", "")), findings)
    else:
        _exactly_one(guard, ("drop",), findings)
        for key in ("slo", "worse_by", "drift"):
            _only_with(guard, key, ("query",), findings)
        if not guard.has("within") and strategy != "shadow":
            message = f"the guard `{name.text}` needs `within`, how late a label may come and still count"
            findings.add(guard.place, message, allowed=("within",))


def _check_query(guard: Mapping, query: str, findings: Findings) -> None:
    found = _NOT_A_COUNTER.search(query)
    if found and not guard.has("slo"):
        compared = next((key for key in _COMPARED if guard.has(key)), "worse_by")
        message = (
            f"`{compared}` compares counters, and `{found[1]}(…)` makes something else of one: write the "
            "counter itself, such as `sum by (version) (lost_total)`; Segue takes the differences"
        )
        findings.add(_written(guard, "query").place, message, found=found[1])


def _check_baseline(name: Scalar, guard: Mapping, findings: Findings) -> None:
    """A comparison needs both versions at one time; with a switch there is only one."""
    own = name.text not in _USUAL and any(guard.has(key) for key in ("worse_by", "drop", "drift"))
    if own or name.text in {"errors", "latency"}:
        message = (
            f"the guard `{name.text}` compares with stable, and with `strategy: bluegreen` all traffic is on "
            f"one version: write `{name.text}: off` and an absolute limit (`slo: 1%`), or `held_back: 5%`"
        )
        findings.add(guard.place, message, found=name.text, allowed=("slo", "held_back"))


def _check_segments(guard: Mapping, findings: Findings) -> None:
    written = guard.get("segments")
    items = written.items if isinstance(written, Sequence) else ()
    labels = [item.text for item in items if isinstance(item, Scalar)]
    for label in {label for label in labels if labels.count(label) > 1}:
        message = f"`segments` names `{label}` twice"
        findings.add(_written(guard, "segments").place, message, found=label)


def _exactly_one(guard: Mapping, names: tuple[str, ...], findings: Findings) -> None:
    written = [name for name in names if guard.has(name)]
    if not written:
        message = f"says nowhere what is too bad: write exactly one of {listed(names)}"
        findings.add(guard.place, message, allowed=names)
    for name in written[1:]:
        message = f"`{name}` and `{written[0]}` both say what is too bad: keep exactly one of {listed(names)}"
        findings.add(_written(guard, name).place, message, found=name, allowed=names)


def _only_with(guard: Mapping, name: str, others: tuple[str, ...], findings: Findings) -> None:
    if guard.has(name) and not any(guard.has(other) for other in others):
        message = f"`{name}` means something only with {listed(others)}"
        findings.add(_written(guard, name).place, message, found=name)


def _written(node: Mapping, name: str) -> Node:
    return node.get(name) or node
