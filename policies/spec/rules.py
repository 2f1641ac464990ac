"""What keys mean together: exactly one of some, some only with others, and what would never be safe.

Whether a key is written is seen in the tree; what it says in the values, where they could be read.
A value that could not be read has its own mistake and is treated here as if it were not written.
"""

from collections.abc import Iterable
from itertools import pairwise

from policies.spec import rules_guards, rules_watching, rules_weights
from policies.spec.building import LADDER
from policies.spec.keys import ROLLOUT_KEYS
from policies.spec.mistakes import Findings, listed, nearest
from policies.spec.node import Mapping, Node, Scalar, Sequence
from policies.spec.reading import Values, as_mapping

_NO_TRAFFIC = ROLLOUT_KEYS - {"approvals", "budget", "freeze", "mode", "restore", "tell"}
VERSIONS = ("model", "image", "build")
SERVES = ("serve", "deployment", "inferenceservice", "services")


def check_model(node: Mapping, values: Values, findings: Findings) -> None:
    """A model's own keys, without its environments."""
    _exactly_one(node, VERSIONS, "where its versions come from", findings)
    _exactly_one(node, SERVES, "how it serves", findings)
    _only_with(node, "when_full", ("inferenceservice",), findings)
    _only_with(node, "route", ("deployment", "services"), findings)
    rules_watching.check_model(node, values, findings)
    _check_serve(node, values, findings)
    _check_pods(node, values, findings)
    rules_weights.check(node, values, findings)
    build = node.get("build")
    if isinstance(build, Mapping):
        _exactly_one(build, ("lock", "dockerfile"), "what it is built from", findings)
    elif build is not None and "build" in values:
        findings.add(
            build.place, "`build` needs one of `lock` or `dockerfile`", allowed=("lock", "dockerfile")
        )
    written = node.get("evaluate")
    evaluate = None if written is None else as_mapping(written)
    if evaluate is not None and not evaluate.has("run") and not evaluate.has("image"):
        findings.add(evaluate.place, "`evaluate` needs `run`, the command that measures", allowed=("run",))
    on = node.get("on")
    if isinstance(on, Mapping) and not node.has("build"):
        _check_on(on, next((key for key in VERSIONS if node.has(key)), "model"), findings)


def check_environment(model: Mapping, node: Mapping, values: Values, findings: Findings) -> None:
    """An environment with all that it inherits."""
    rules_watching.check_environment(model, node, values, findings, batch=batch(model))
    if batch(model):
        _refuse_traffic_keys(node, findings)
    else:
        _check_ramp(node, values, findings)
        rules_guards.check(node, values, findings)
        _check_absolute(node, values, findings)
    if values.get("restore") and not model.has("model"):
        _only_with(Mapping(node.entries, node.place), "restore", ("model",), findings)
    _check_people(node, values, findings)
    budget = node.get("budget")
    if isinstance(budget, Mapping) and not budget.has("query"):
        findings.add(budget.place, "`budget` needs `query`, the gauge of what is left", allowed=("query",))


def check_order(environments: Mapping, after: dict[str, str], findings: Findings) -> None:
    """`after` names another environment, and following it ends."""
    for name, first in after.items():
        place = _after_place(environments, name)
        if first not in environments.names:
            near = nearest(first, environments.names)
            known = listed(environments.names)
            message = f"`after: {first}` is not an environment of this model; known: {known}"
            findings.add(place.place, message, found=first, allowed=environments.names, nearest=near)
        elif name in _followed(first, after):
            findings.add(place.place, f"`after: {first}` comes back to `{name}`, so neither could begin")


def batch(model: Mapping) -> bool:
    """Whether the model serves no traffic."""
    serve = model.get("serve")
    return isinstance(serve, Scalar) and serve.text == "none"


def _after_place(environments: Mapping, name: str) -> Node:
    environment = environments.get(name) or environments
    after = environment.get("after") if isinstance(environment, Mapping) else None
    return after or environment


def _followed(first: str, after: dict[str, str]) -> set[str]:
    seen: set[str] = set()
    at: str | None = first
    while at is not None and at not in seen:
        seen.add(at)
        at = after.get(at)
    return seen


def _exactly_one(node: Mapping, names: tuple[str, ...], what: str, findings: Findings) -> None:
    written = [name for name in names if node.has(name)]
    if not written:
        findings.add(node.place, f"says nowhere {what}: write exactly one of {listed(names)}", allowed=names)
    for name in written[1:]:
        place = _written(node, name).place
        message = f"`{name}` and `{written[0]}` both say {what}: keep exactly one of {listed(names)}"
        findings.add(place, message, found=name, allowed=names)


def _only_with(node: Mapping, name: str, others: tuple[str, ...], findings: Findings) -> None:
    if node.has(name) and not any(node.has(other) for other in others):
        findings.add(
            _written(node, name).place, f"`{name}` means something only with {listed(others)}", found=name
        )


def _written(node: Mapping, name: str) -> Node:
    return node.get(name) or node


def _check_serve(node: Mapping, values: Values, findings: Findings) -> None:
    serve = node.get("serve")
    if serve is None or "serve" not in values:
        return
    if values["serve"] == "mlflow" and not node.has("model"):
        findings.add(
            serve.place, "`serve: mlflow` serves a registered model, so it needs `model`", found="mlflow"
        )
    if isinstance(values["serve"], dict) and "run" not in values["serve"] and not _has_command(node):
        if isinstance(serve, Mapping) and serve.has("run"):
            return
        findings.add(serve.place, "`serve` needs `run`, the command that serves", allowed=("run",))


def _has_command(node: Mapping) -> bool:
    """Whether its image is one that says itself what it runs."""
    build = node.get("build")
    return node.has("image") or (isinstance(build, Mapping) and build.has("dockerfile"))


def _check_pods(node: Mapping, values: Values, findings: Findings) -> None:
    """What is asked of a cluster makes sense for pods that Segue makes, and can be mounted and counted."""
    for name in ("pod", "replicas"):
        _only_with(node, name, ("serve",), findings)
        if node.has(name) and batch(node):
            message = f"`{name}` is about pods that serve, and `serve: none` has none"
            findings.add(_written(node, name).place, message, found=name)
    _check_volumes(node.get("pod"), values.get("pod", {}), findings)
    evaluate = node.get("evaluate")
    if isinstance(evaluate, Mapping):
        _check_volumes(evaluate.get("pod"), values.get("evaluate", {}).get("pod", {}), findings)
    written, read = node.get("replicas"), values.get("replicas")
    replicas = as_mapping(written) if written else None
    if replicas is not None and isinstance(read, dict):
        if not replicas.has("max"):
            findings.add(replicas.place, "`replicas` needs `max`, the most copies", allowed=("max",))
        elif read.get("max", read["min"]) < read["min"]:
            message = f"`replicas` has `max` {read['max']} below `min` {read['min']}"
            findings.add(replicas.place, message, found=str(read["max"]))
        _check_external(replicas.get("external"), findings)


def _check_external(external: Node | None, findings: Findings) -> None:
    for _, aim in external.entries if isinstance(external, Mapping) else ():
        _exactly_one(as_mapping(aim) or Mapping((), aim.place), ("total", "each"), "what to aim at", findings)


def _check_volumes(pod: Node | None, values: Values, findings: Findings) -> None:
    volumes = pod.get("volumes") if isinstance(pod, Mapping) else None
    if not isinstance(volumes, Mapping):
        return
    taken: dict[str, str] = {}
    for claim, place in volumes.entries:
        read = values.get("volumes", {}).get(claim.text)
        path = read.get("path") if isinstance(read, dict) else read
        mapping = as_mapping(place)
        if mapping is not None and not mapping.has("path"):
            findings.add(place.place, "a volume needs `path`, where it is mounted", allowed=("path",))
        elif path in taken:
            message = f"`{claim.text}` and `{taken[path]}` are both mounted at {path}"
            findings.add(place.place, message, found=path)
        elif path is not None:
            taken[path] = claim.text


def _check_on(on: Mapping, source: str, findings: Findings) -> None:
    usual = {"model": "its alias moves", "image": "a new tag matches"}[source]
    for name, value in on.entries:
        if name.text in {"branches", "tags", "gto", "paths"}:
            message = f"`on.{name.text}` goes with `build`; with `{source}` a release starts when {usual}"
            findings.add(value.place, message, found=name.text, allowed=("schedule",))


def _refuse_traffic_keys(node: Mapping, findings: Findings) -> None:
    for name, value in node.entries:
        if name.text in _NO_TRAFFIC:
            message = f"`{name.text}` is about traffic, and `serve: none` has none"
            findings.add(value.place, message, found=name.text)


# --- the ramp --------------------------------------------------------------------------------


def _check_ramp(node: Mapping, values: Values, findings: Findings) -> None:
    if values["strategy"] not in {"canary", "shadow"}:
        for name in ("steps", "ladder"):
            _only_with_canary(node, name, values["strategy"], findings)
    elif node.has("steps") and node.has("ladder"):
        findings.add(_written(node, "ladder").place, "`ladder` is for the ramp; `steps` replace it, keep one")
    if node.has("shadow") and values["strategy"] != "shadow":
        message = f"`shadow` means something only with `strategy: shadow`, not `{values['strategy']}`"
        findings.add(_written(node, "shadow").place, message, found=values["strategy"], allowed=("shadow",))
    shadow = node.get("shadow")
    if isinstance(shadow, Mapping) and shadow.has("rate") and not shadow.has("requests"):
        message = "`rate` is that of recorded requests: it means something only with `requests`"
        findings.add(_written(shadow, "rate").place, message, found="rate", allowed=("requests",))
    steps = node.get("steps")
    if isinstance(steps, Sequence):
        for item in steps.items:
            step = as_mapping(item)
            if step is not None and not step.has("weight"):
                findings.add(item.place, "a step needs `weight`", allowed=("weight",))
    weights = [
        step.get("weight", 0.0) if isinstance(step, dict) else step for step in values.get("steps", ())
    ]
    _ascending(node, "steps", [weight for weight in weights if weight], findings)
    ladder = values.get("ladder", LADDER)
    _ascending(node, "ladder", ladder, findings)
    if ladder[-1] != 100:
        findings.add(_written(node, "ladder").place, "`ladder` must end at 100%, or the release never ends")


def _only_with_canary(node: Mapping, name: str, strategy: str, findings: Findings) -> None:
    if node.has(name):
        message = f"`{name}` means something only with `strategy: canary` or `shadow`, not `{strategy}`"
        findings.add(_written(node, name).place, message, found=strategy, allowed=("canary", "shadow"))


def _ascending(node: Mapping, name: str, weights: Iterable[float], findings: Findings) -> None:
    for before, after in pairwise(weights):
        if after <= before:
            message = f"`{name}` must grow: {after:g}% comes after {before:g}%"
            findings.add(_written(node, name).place, message, found=f"{after:g}%")


# --- guards and people -----------------------------------------------------------------------


def _check_absolute(node: Mapping, values: Values, findings: Findings) -> None:
    """While all traffic is on one version, only an absolute limit can still see harm."""
    read = values.get("guards", {})
    own = (guard for guard in read.values() if isinstance(guard, dict))
    absolute = read.get("slo", "history") != "off" or any("slo" in guard for guard in own)
    absolute = absolute or isinstance(read.get("latency"), dict)
    if absolute or values["held_back"] > 0 or values["strategy"] == "none":
        return
    guards = node.get("guards")
    slo = guards.get("slo") if isinstance(guards, Mapping) else None
    message = (
        "once all traffic is on one version there is nothing to compare with: keep an absolute limit "
        "(`slo: history`, or `slo: 1%`), or keep some traffic on stable (`held_back: 5%`)"
    )
    findings.add(
        (slo or guards or node).place, message, found="off", allowed=("history", "a share such as 1%")
    )


def _check_people(node: Mapping, values: Values, findings: Findings) -> None:
    asked = values.get("approvals")
    if not asked:
        return
    people = asked.get("from", ())
    if people and len(set(people)) < asked["count"] and not any(who.startswith("@") for who in people):
        message = f"`approvals` wants {asked['count']} people, but `from` names only {len(set(people))}"
        findings.add(_written(node, "approvals").place, message, found=str(asked["count"]))
