"""From values that were read to the types of `policies.spec.declaration`; only for files without mistakes."""

from dataclasses import replace
from typing import Any

from policies.recording import Keep
from policies.spec import grpc_calls
from policies.spec.declaration import (
    WARM_UP,
    Approvals,
    Budget,
    Comparison,
    Environment,
    Evaluate,
    FromBuild,
    FromImage,
    FromModel,
    Gate,
    Guard,
    GuardKind,
    Mode,
    Model,
    Resources,
    Serve,
    ServeDeployment,
    ServeInferenceService,
    ServeMlflow,
    ServeNone,
    ServeRun,
    ServeServices,
    Shadow,
    Split,
    StepSpec,
    Strategy,
    Triggers,
    VersionSource,
    WhenDrifted,
    WhenNewer,
    WhenUndecided,
)
from policies.spec.declaration_cluster import (
    BucketWeights,
    ClaimWeights,
    External,
    ImageWeights,
    PodNeeds,
    Replicas,
    Volume,
    Weights,
)
from policies.spec.forms_cluster import BUILT
from policies.spec.kinds import Section
from policies.spec.reading import Values, defaults_of

_USUAL_CPU = 0.8  # the share of its CPU that a copy should use, where nothing else is named
_USUAL = ("errors", "slo", "latency", "alive", "share", "answers")
SLOW_LIMIT = "latency slo"  # no name that a file could give
LADDER: tuple[float, ...] = Environment().ladder


def model(name: str, folder: str, values: Values, environments: tuple[Environment, ...]) -> Model:
    """One model of the file."""
    evaluate = values.get("evaluate")
    resources = {**dict(defaults_of(Section.RESOURCES)), **values.get("resources", {})}
    return Model(
        name=name,
        folder=folder,
        source=_source(values),
        serve=_serve(values),
        evaluate=None if evaluate is None else _evaluate(evaluate),
        triggers=_triggers(values),
        environments=environments,
        resources=Resources(resources["cpu"], resources["memory"]),
        pod=_pod(values.get("pod", {}), resources),
        replicas=_replicas(values.get("replicas", 1)),
        weights=_weights(values["weights"]) if "weights" in values else None,
    )


def environment(name: str, values: Values, *, batch: bool) -> Environment:
    """One environment, with everything that it inherits from its model."""
    asked = values.get("approvals")
    return Environment(
        name=name,
        cluster=values.get("cluster"),
        after=values.get("after"),
        strategy=Strategy.NONE if batch else Strategy(values["strategy"]),
        steps=tuple(_step(step, values["dwell"]) for step in values.get("steps", ())),
        sticky=values["sticky"],
        guards=() if batch else guards(values.get("guards", {})),
        false_rollbacks=values["false_rollbacks"],
        risk=values.get("risk"),
        dwell=values["dwell"],
        watch=values["watch"],
        patience=values["patience"],
        ladder=values.get("ladder", LADDER),
        when_undecided=WhenUndecided(values["when_undecided"]),
        mode=Mode(values["mode"]),
        approvals=Approvals() if asked is None else _approvals(asked),
        held_back=values["held_back"],
        restore=values["restore"],
        when_newer=WhenNewer(values["when_newer"]),
        warm_up=values.get("warm_up", WARM_UP if values["strategy"] == Strategy.CANARY else 0.0),
        shadow=_shadow(values.get("shadow", {})),
        freeze=values.get("freeze", ()),
        when_drifted=WhenDrifted(values["when_drifted"]),
        tell=values.get("tell", ()),
        budget=_budget(values["budget"]) if "budget" in values else None,
    )


def _budget(written: Values) -> Budget:
    given = {**dict(defaults_of(Section.BUDGET)), **written}
    return Budget(str(given["query"]), given.get("from"), given["least"])


def _shadow(written: Values) -> Shadow:
    given = {**dict(defaults_of(Section.SHADOW)), **written}
    return Shadow(
        given["for"],
        given.get("answer", ""),
        given.get("score", ""),
        Keep(given["keep"]),
        given["sample"],
        given.get("requests", ""),
        given["rate"],
    )


def guards(written: Values) -> tuple[Guard, ...]:
    """The usual guards unless they are off, then one's own; `latency` only when it is written."""
    usual = {"errors": {}, "slo": "history", "alive": {}, "share": {}, **written}
    known = [_usual(name, usual[name]) for name in _USUAL if usual.get(name, "off") != "off"]
    known += _slow_limit(usual.get("latency", {}))
    if usual["errors"] != "off" and "calls" in usual["errors"]:
        known = [_of_calls(guard, usual["errors"]) for guard in known]
    own = [_own(name, value) for name, value in written.items() if name not in _USUAL and value != "off"]
    return (*known, *own)


def _usual(name: str, value: Any) -> Guard:
    if name == "slo":
        return Guard(name, GuardKind.SLO, limit=None if value == "history" else value)
    if name == "answers":
        return Guard(name, GuardKind.ANSWERS, limit=value.get("differ"), flips=value.get("flips"))
    given = _split({**dict(defaults_of(Section(f"guards.{name}"))), **value})
    for key in ("calls", "from", "version", "slo"):
        given.pop(key, None)
    return Guard(name, GuardKind(name), **given)


def _slow_limit(latency: Any) -> tuple[Guard, ...]:
    """The absolute limit of `latency`, a guard of its own beside the comparison."""
    if latency == "off" or "slo" not in latency:
        return ()
    limit = None if latency["slo"] == "history" else latency["slo"]
    return (Guard(SLOW_LIMIT, GuardKind.SLO, limit=limit, slower_than=latency["slower_than"]),)


def _of_calls(guard: Guard, told: Values) -> Guard:
    """Errors and their limit as the model itself counts them; all others as they are."""
    if guard.kind not in {GuardKind.ERRORS, GuardKind.SLO} or guard.slower_than is not None:
        return guard
    return replace(
        guard,
        kind=GuardKind.QUERY,
        query=grpc_calls.FAILED_CALLS,
        of=grpc_calls.CALLS,
        source=told.get("from"),
        version=told.get("version", "version"),
        comparison=None if guard.limit is None else Comparison.AT_MOST,
    )


def _own(name: str, value: Values) -> Guard:
    given = _split(dict(value))
    if "labels" in given:
        return Guard(name, GuardKind.LABELS, by_request=given.pop("by", "version") == "request", **given)
    if "threshold" in given:
        return Guard(name, GuardKind.THRESHOLD, limit=given["threshold"])
    given |= {key: str(given[key]) for key in ("query", "of") if key in given}
    if "from" in given:
        given["source"] = given.pop("from")
    if given.pop("drift", None) is not None:
        return Guard(name, GuardKind.DRIFT, **given)
    if "slo" in given:
        given["comparison"], given["limit"] = given.pop("slo")
    return Guard(name, GuardKind.QUERY, **given)


def _split(given: Values) -> Values:
    """`segments` as its labels and, where it says more than those, how they are judged."""
    match given.get("segments"):
        case dict() as written:
            how = {**dict(defaults_of(Section.SEGMENTS)), **written}
            labels = how.pop("by")
            return {**given, "segments": labels, "split": Split(**how)}
        case str() as label:
            return {**given, "segments": (label,)}
    return given


def _source(values: Values) -> VersionSource:
    written: FromModel | FromImage | None = values.get("model") or values.get("image")
    if written is not None:
        return written
    return FromBuild(values["build"].get("lock"), values["build"].get("dockerfile"))


def _serve(values: Values) -> Serve:
    if "deployment" in values:
        return ServeDeployment(values["deployment"], values.get("route"))
    if "services" in values:
        named = values["services"]
        return ServeServices(named["stable"], named["candidate"], values.get("route"))
    if "inferenceservice" in values:
        return ServeInferenceService(values["inferenceservice"], values.get("when_full", "wait"))
    match values["serve"]:
        case "none":
            return ServeNone()
        case "mlflow":
            return ServeMlflow()
        case block:
            return ServeRun(block.get("run", ()), block["port"], block["health"])


def _evaluate(values: Values) -> Evaluate:
    limits = {**dict(defaults_of(Section.JOB_RESOURCES)), **values.get("resources", {})}
    gates = tuple(Gate(metric, *bound) for metric, bound in values.get("gates", {}).items())
    resources = Resources(limits["cpu"], limits["memory"], limits["time"])
    pod = _pod(values.get("pod", {}), limits)
    run, image = values.get("run", ()), values.get("image")
    return Evaluate(run, image, resources, gates, pod, values.get("results"))


def _pod(values: Values, resources: Values) -> PodNeeds:
    """What is written under `pod`, and the devices of `resources`: those whose name has a domain."""
    volumes = values.get("volumes", {}).items()
    return PodNeeds(
        extended=tuple(sorted((name, count) for name, count in resources.items() if "/" in name)),
        node_selector=tuple(sorted(values.get("node_selector", {}).items())),
        tolerations=values.get("tolerations", ()),
        priority_class=values.get("priority_class"),
        service_account=values.get("service_account"),
        pull_secrets=values.get("pull_secrets", ()),
        secrets=values.get("secrets", ()),
        volumes=tuple(_volume(claim, place) for claim, place in sorted(volumes)),
        queue=values.get("queue"),
    )


def _volume(claim: str, place: str | Values) -> Volume:
    return Volume(claim, place) if isinstance(place, str) else Volume(claim, place["path"], place["write"])


def _replicas(written: int | Values) -> Replicas:
    if isinstance(written, int):
        return Replicas(written, written)
    per_copy = tuple(sorted(written.get("per_copy", {}).items()))
    external = tuple(
        External(metric, aim.get("total"), aim.get("each"), tuple(sorted(aim.get("labels", {}).items())))
        for metric, aim in sorted(written.get("external", {}).items())
    )
    cpu = written.get("cpu", None if per_copy or external else _USUAL_CPU)
    return Replicas(written["min"], written["max"], cpu, per_copy, external)


def _weights(values: Values) -> Weights:
    path = values["path"]
    if "claim" in values:
        return ClaimWeights(values["claim"], values["folder"], path)
    if "bucket" in values:
        return BucketWeights(values["bucket"], path, values.get("sums"), values.get("secret"))
    return ImageWeights(None if values["image"] == BUILT else values["image"], path)


def _triggers(values: Values) -> Triggers:
    on = values.get("on", {})
    asked = on.keys() & {"branches", "tags", "gto", "schedule"}
    return Triggers(
        default_branch="build" in values and not asked,
        branches=on.get("branches", ()),
        tags=on.get("tags", ()),
        paths=on.get("paths", ()),
        gto=on.get("gto", ()),
        schedule=on.get("schedule"),
    )


def _step(step: float | Values, dwell: float) -> StepSpec:
    if not isinstance(step, dict):
        return StepSpec(step, dwell)
    hold = step.get("hold", dwell)
    return StepSpec(step["weight"], None if hold == "promote" else hold)


def _approvals(values: Values) -> Approvals:
    return Approvals(values["count"], values.get("from", ()), values.get("in"), values["expires"])
