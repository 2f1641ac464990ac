"""From values that were read to the types of `policies.spec.declaration`; only for files without mistakes."""

from typing import Any

from policies.spec.declaration import (
    Approvals,
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
    StepSpec,
    Strategy,
    Triggers,
    VersionSource,
    WhenUndecided,
)
from policies.spec.kinds import Section
from policies.spec.reading import Values, defaults_of

_USUAL = ("errors", "slo", "latency", "alive", "share")
LADDER: tuple[float, ...] = Environment().ladder


def model(name: str, folder: str, values: Values, environments: tuple[Environment, ...]) -> Model:
    """One model of the file."""
    evaluate = values.get("evaluate")
    resources = values.get("resources") or dict(defaults_of(Section.RESOURCES))
    return Model(
        name=name,
        folder=folder,
        source=_source(values),
        serve=_serve(values),
        evaluate=None if evaluate is None else _evaluate(evaluate),
        triggers=_triggers(values),
        environments=environments,
        resources=Resources(resources["cpu"], resources["memory"]),
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
    )


def guards(written: Values) -> tuple[Guard, ...]:
    """The usual guards unless they are off, then one's own; `latency` only when it is written."""
    usual = {"errors": {}, "slo": "history", "alive": {}, "share": {}, **written}
    known = [_usual(name, usual[name]) for name in _USUAL if usual.get(name, "off") != "off"]
    own = [_own(name, value) for name, value in written.items() if name not in _USUAL and value != "off"]
    return (*known, *own)


def _usual(name: str, value: Any) -> Guard:
    if name == "slo":
        return Guard(name, GuardKind.SLO, limit=None if value == "history" else value)
    given = {**dict(defaults_of(Section(f"guards.{name}"))), **value}
    if given.get("slo") == "history":
        del given["slo"]
    if "slo" in given:
        given["limit"] = given.pop("slo")
    return Guard(name, GuardKind(name), **given)


def _own(name: str, value: Values) -> Guard:
    given = dict(value)
    if "labels" in given:
        return Guard(name, GuardKind.LABELS, **given)
    if "slo" in given:
        comparison, limit = given.pop("slo")
        return Guard(name, GuardKind.THRESHOLD, comparison=comparison, limit=limit, **given)
    return Guard(name, GuardKind.QUERY, **given)


def _source(values: Values) -> VersionSource:
    written: FromModel | FromImage | None = values.get("model") or values.get("image")
    if written is not None:
        return written
    return FromBuild(values["build"].get("lock"), values["build"].get("dockerfile"))


def _serve(values: Values) -> Serve:
    if "deployment" in values:
        return ServeDeployment(values["deployment"], values.get("route"))
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
    limits = values.get("resources") or dict(defaults_of(Section.JOB_RESOURCES))
    gates = tuple(Gate(metric, *bound) for metric, bound in values.get("gates", {}).items())
    resources = Resources(limits["cpu"], limits["memory"], limits["time"])
    return Evaluate(values.get("run", ()), values.get("image"), resources, gates)


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
