"""What the keys of guards mean together, and what no guard could ever judge by.

A mistake says what to write in its place. What only shows at run time (buckets that differ between versions,
more bad requests than requests) is a gap there, with its reason, and never a value.
"""

from policies.spec.declaration import Comparison
from policies.spec.mistakes import Findings, listed, nearest
from policies.spec.node import Mapping, Node, Scalar, Sequence
from policies.spec.reading import Values
from policies.spec.selector import Selector

_USUAL = ("errors", "slo", "latency", "alive", "share", "answers")
_COMPARED = ("slo", "worse_by", "drop", "drift")
_KINDS = ("query", "labels", "threshold")
_BESIDE = {
    **dict.fromkeys(("slo", "worse_by", "drift", "of", "from", "version"), ("query",)),
    **dict.fromkeys(("within", "by"), ("labels",)),
    **dict.fromkeys(("drop", "segments"), ("query", "labels")),
}


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
            if mapping.has("labels") and values["strategy"] == "shadow":
                _check_paired(name, mapping, values, findings)
        if name.text == "latency":
            _only_with(mapping, "slo", ("slower_than",), findings)
        if name.text == "errors":
            _check_calls(mapping, values, findings)
        if name.text == "answers":
            _check_answers(mapping, values, findings)
        if switched:
            _check_baseline(name, mapping, findings)
        _check_segments(mapping, findings)


def _check_calls(guard: Mapping, values: Values, findings: Findings) -> None:
    """The limit is of the same calls, and stable's history has the router's counts of them alone."""
    for key in ("from", "version"):
        _only_with(guard, key, ("calls",), findings)
    if guard.has("calls") and values["guards"].get("slo", "history") == "history":
        message = (
            "with `calls` the history of `slo` says nothing, since a router takes calls that fail for"
            " successes: write how many may fail beside it, `slo: 1%`, or `slo: off`"
        )
        findings.add(
            _written(guard, "calls").place, message, found="history", allowed=("a share such as 1%", "off")
        )
    if guard.has("calls") and values["strategy"] == "shadow":
        message = "what copies requests speaks no gRPC: with `calls` write `strategy: canary`"
        findings.add(_written(guard, "calls").place, message, found="shadow", allowed=("canary",))


def _check_answers(guard: Mapping, values: Values, findings: Findings) -> None:
    """Both versions answer one request only where it is copied."""
    strategy = values["strategy"]
    if guard.has("flips") and values.get("shadow", {}).get("keep") == "off":
        message = "`flips` counts by class, and `shadow.keep: off` keeps none: write `keep: hashed`"
        findings.add(_written(guard, "flips").place, message, found="off", allowed=("hashed", "answers"))
    if strategy != "shadow":
        message = (
            f"the guard `answers` compares answers to copies: it needs `strategy: shadow`, not `{strategy}`"
        )
        findings.add(guard.place, message, found=strategy, allowed=("shadow",))
    if not guard.has("differ") and not guard.has("flips"):
        message = "says nowhere what is too bad: write `differ`, `flips`, or both"
        findings.add(guard.place, message, allowed=("differ", "flips"))


def _check_paired(name: Scalar, guard: Mapping, values: Values, findings: Findings) -> None:
    """Labels of copied requests are compared with both answers, which must be known for that."""
    if values.get("shadow", {}).get("keep") == "off":
        message = (
            f"the guard `{name.text}` compares labels with both versions' answers, and `shadow.keep: off`"
            " keeps none: write `keep: hashed`"
        )
        findings.add(guard.place, message, found="off", allowed=("hashed", "answers"))


def _check_own(name: Scalar, guard: Mapping, read: Values, strategy: str, findings: Findings) -> None:
    kinds = [key for key in _KINDS if guard.has(key)]
    if len(kinds) != 1:
        near = nearest(name.text, _USUAL)
        message = f"the guard `{name.text}` needs exactly one of {listed(_KINDS)}"
        if not kinds and near:
            message += f"; did you mean `{near}`?"
        findings.add(guard.place, message, allowed=_KINDS, nearest=None if kinds else near)
        return
    for key, needed in _BESIDE.items():
        _only_with(guard, key, needed, findings)
    match kinds[0]:
        case "query":
            _exactly_one(guard, _COMPARED, findings)
            _check_query(name.text, guard, read, findings)
        case "labels":
            _exactly_one(guard, ("drop",), findings)
            if not guard.has("within") and strategy != "shadow":
                message = f"the guard `{name.text}` needs `within`, how late a label may come and still count"
                findings.add(guard.place, message, allowed=("within",))


def _check_query(name: str, guard: Mapping, read: Values, findings: Findings) -> None:
    query, of = read.get("query"), read.get("of")
    if not isinstance(query, Selector):
        return
    buckets = query.name.endswith("_bucket")
    if buckets:
        _check_buckets(guard, findings)
    elif guard.has("drift"):
        message = (
            f"`drift` compares the buckets of a histogram, and `{query.name}` counts in none: write"
            f" `query: {query.name}_bucket`"
        )
        findings.add(_written(guard, "query").place, message, found=query.name)
    elif not guard.has("of") and any(guard.has(key) for key in _COMPARED):
        message = (
            f"the guard `{name}` has no total: write `of`, the counter of all things of which"
            f" `{query.name}` counts the {'good' if guard.has('drop') else 'bad'} ones"
        )
        findings.add(guard.place, message, allowed=("of",))
    if isinstance(of, Selector):
        _check_total(guard, query, of, findings)
    for key in ("query", "of"):
        _check_counter(guard, key, read.get(key), findings)
    _check_limit(guard, read, findings)


def _check_total(guard: Mapping, query: Selector, of: Selector, findings: Findings) -> None:
    """What is counted is a part of the total, never the other way round."""
    asked, every = set(query.matchers), set(of.matchers)
    if of.name != query.name or not asked <= every:
        return
    message = f"`of` is the same counter as `query`: all of `{of.name}` would be bad; write the total's"
    if asked < every:
        message = (
            f"`of` counts only a part of what `query` counts, and no total is smaller than that: write"
            f" `query: {of}` and `of: {query}`, if it is the other way round"
        )
    findings.add(_written(guard, "of").place, message, found=str(of))


def _check_buckets(guard: Mapping, findings: Findings) -> None:
    if guard.has("of"):
        message = "`of` is not needed for a histogram, which counts all things itself: leave it out"
        findings.add(_written(guard, "of").place, message, found="of")
    for key in ("slo", "drop"):
        if guard.has(key):
            message = (
                f"`{key}` is for counters: for a histogram write `worse_by: 10%` (longer durations),"
                " `drift: show`, or with `query` the counter of what is too slow"
            )
            findings.add(_written(guard, key).place, message, found=key, allowed=("worse_by", "drift"))


def _check_counter(guard: Mapping, key: str, selector: object, findings: Findings) -> None:
    """What a name says that cannot be a counter of things."""
    if not isinstance(selector, Selector):
        return
    near = {
        "_sum": "_count",
        "_created": "_total",
        "_info": "_total",
        "_ratio": "_total",
        "_percent": "_total",
    }
    ending = next((one for one in near if selector.name.endswith(one)), None)
    if ending is not None:
        right = selector.name.removesuffix(ending) + near[ending]
        message = (
            f"`{selector.name}` counts no things: a guard wants a counter that only grows by one for each;"
            f" did you mean `{right}`?"
        )
        findings.add(_written(guard, key).place, message, found=selector.name, nearest=right)


def _check_limit(guard: Mapping, read: Values, findings: Findings) -> None:
    """A limit on a share: at most so much is bad, or at least so much is good."""
    if not guard.has("slo") or not isinstance(read.get("slo"), tuple):
        return
    comparison, limit = read["slo"]
    most = comparison in {Comparison.AT_MOST, Comparison.LESS_THAN}
    if not 0 < (limit if most else 1 - limit) <= 0.5:
        message = (
            "`slo` limits the share `query` of `of`: write `<=` and a share above 0% up to 50% of bad things,"
            " or `>=` and one from 50% to below 100% of good ones"
        )
        findings.add(_written(guard, "slo").place, message, found=f"{comparison.value} {limit:g}")


def _check_baseline(name: Scalar, guard: Mapping, findings: Findings) -> None:
    """A comparison needs both versions at one time; with a switch there is only one."""
    own = name.text not in _USUAL and any(guard.has(key) for key in ("worse_by", "drop", "drift"))
    limited = name.text == "latency" and guard.has("slo")
    if own or (name.text in {"errors", "latency"} and not limited):
        message = (
            f"the guard `{name.text}` compares with stable, and with `strategy: bluegreen` all traffic is on "
            f"one version: write `{name.text}: off` and an absolute limit (`slo: 1%`), or `held_back: 5%`"
        )
        findings.add(guard.place, message, found=name.text, allowed=("slo", "held_back"))


def _check_segments(guard: Mapping, findings: Findings) -> None:
    written = guard.get("segments")
    if written is None:
        return
    by = written.get("by") if isinstance(written, Mapping) else written
    if by is None or (isinstance(by, Scalar) and by.empty):
        message = "`segments` needs `by`, the label whose values are judged by themselves"
        findings.add(written.place, message, allowed=("by",))
    items = by.items if isinstance(by, Sequence) else ()
    labels = [item.text for item in items if isinstance(item, Scalar)]
    for label in {label for label in labels if labels.count(label) > 1}:
        message = f"`segments` names `{label}` twice"
        findings.add(_written(guard, "segments").place, message, found=label)
    version = guard.get("version")
    named = version.text if isinstance(version, Scalar) else "version"
    single = [by.text] if isinstance(by, Scalar) else []
    if guard.has("query") and named in [*labels, *single]:
        message = f"`segments` names `{named}`, the label of the version: it has one value for each version"
        findings.add(_written(guard, "segments").place, message, found=named)
    if guard.has("query") and (guard.has("drift") or guard.has("slo")):
        message = "`segments` compares with stable: write it with `worse_by` or `drop`"
        findings.add(_written(guard, "segments").place, message, found="segments")


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
