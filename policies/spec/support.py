"""What a declaration asks for that no installed part can do: refused by name when it is checked.

The words for what can be done are data; `service` collects them from the parts that are installed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from policies.approvals import PROVIDED, known_here
from policies.spec.declaration import (
    Environment,
    Evaluate,
    FromBuild,
    FromImage,
    FromModel,
    Guard,
    GuardKind,
    Mode,
    Model,
    ServeDeployment,
    ServeInferenceService,
    ServeMlflow,
    ServeNone,
    ServeRun,
    ServeServices,
    Strategy,
    WhenUndecided,
)
from policies.spec.mistakes import Mistake

# Upper bounds (seconds) by which the router counts durations: fine where model servers answer.
BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25),
    *(0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0),
)
_SHOWN = ", ".join(f"{bound * 1000:g}ms" if bound < 1 else f"{bound:g}s" for bound in BOUNDS)

# Each word that an installation may have, and why a file that needs it is refused without it.
REASONS: dict[str, str] = {
    "registry": "no model registry is installed",
    "images": "no image registry can be watched for tags",
    "build.lock": "no builder for requirements files is installed",
    "build.dockerfile": (
        "no builder for Dockerfiles is set up (SEGUE_DOCKERFILES), and this machine has none;"
        " `build: {lock: …}` builds without one"
    ),
    "serve.run": "nothing here runs a command that serves",
    "serve.mlflow": "nothing here runs the scoring server for MLflow models",
    "batch": "nothing here promotes a model that serves no traffic",
    "deployment": "no Kubernetes cluster is connected",
    "route": "no Gateway API router is connected",
    "inferenceservice": "no KServe is connected",
    "clusters": "no cluster is connected; without `cluster` an environment is this machine",
    "switch": (
        "without `route` the Deployment's Service is switched at once;"
        " write `strategy: bluegreen`, or name the route whose weights move"
    ),
    "sticky.routeless": (
        "without `route` all users are on one version at any time; leave `sticky` out, or name the route"
        " whose weights move"
    ),
    "sticky.httproute": (
        "what keeps users on a version in an HTTPRoute or GRPCRoute of yours keeps them at weight 0, too,"
        " where no rollback reaches them; name a TraefikService, or let Segue make the route"
    ),
    "sticky.virtualservice": (
        "Istio draws a version for each request, and a DestinationRule keeps users on a pod, not on a version"
    ),
    "sticky.ingress": ("NGINX keeps users on its canary at weight 0, too, where no rollback reaches them"),
    "sticky.traefikservice": "Traefik keeps users by cookie only",
    "after": "environments cannot wait for one another here",
    "evaluate.image": "evaluations run only in the version's own image here",
    "bluegreen": "the router here cannot switch at once",
    "shadow": "the router here cannot copy requests",
    "shadow.route": (
        "in a cluster requests are copied only where an HTTPRoute leads to the versions: Segue's own, or one"
        " named as `route: namespace/name`; elsewhere write `strategy: canary`"
    ),
    "shadow.sample": "in a cluster no bodies are kept of copied requests; leave `sample` out",
    "guards.labels.by": (
        "in a cluster it is noted who answered which request only where the route is Segue's own; on one of"
        " yours let the rows name the version, as the model logs it"
    ),
    "sticky.cookie": "the router here cannot keep users by cookie",
    "sticky.header": "the router of this machine keeps users by cookie only; for a cluster write `cluster`",
    "held_back.routeless": (
        "without `route` the Deployment's Service is switched at once, and no share stays behind; name the"
        " route whose weights move"
    ),
    "guards.query": "no metric source here answers queries",
    "guards.labels": "no source of true labels is connected",
    "guards.segments": (
        "the router of this machine counts by no label; name one and its header in SEGUE_SEGMENTS, or write a"
        " guard with a `query`"
    ),
    "guards.latency.segments": (
        "routers count durations by no label; write a guard with a `query: …_bucket` for them"
    ),
    "guards.labels.segments": (
        "labels of copied requests are not told apart by segments: leave `segments` out, or write"
        " `strategy: canary`"
    ),
    "guards.latency": "the counters here have no latency buckets",
    "guards.latency.between": f"the router counts requests by these bounds only: {_SHOWN}",
    "approvals": "nobody can be asked for approval here",
    "approvals.chat": "no chat is connected; without `in` people approve on the page and the command line",
    "approvals.groups": "the file's source does not know the members of a group; name people",
    "approvals.provider": (
        "people do not log in by a provider of identities here, so its groups are not known; set"
        " SEGUE_OIDC_ISSUER, or name people"
    ),
    "approvals.approvers": (
        "the source names no author, so `from` must name who may approve, "
        "or the installation must have a list of approvers"
    ),
    "on.schedule": "nothing here starts releases by the clock",
    "observe": "the rollout here cannot only watch",
    "restore": "nothing here puts an alias back",
    "when_undecided.ask": "no channel here can ask people; `hold` waits for them",
}
KNOWN = frozenset(REASONS)

# What the parts that come with Segue can do, on this machine and in clusters that are connected.
EMBEDDED = frozenset(
    {
        "registry",
        "images",
        "build.lock",
        "evaluate.image",
        "serve.run",
        "serve.mlflow",
        "batch",
        "guards.labels",
        "guards.query",
        "deployment",
        "route",
        "clusters",
        "bluegreen",
        "shadow",
        "sticky.cookie",
        "guards.latency",
        "approvals",
        "approvals.groups",
        "approvals.provider",
        "approvals.chat",
        "observe",
    }
)


@dataclass(frozen=True, slots=True)
class Need:
    """One word that a declaration needs, and the key that asks for it."""

    path: str
    word: str
    found: str


def unsupported(model: Model, capabilities: frozenset[str]) -> tuple[Mistake, ...]:
    """One mistake for each key that asks for more than can be done; the paths begin in the model."""
    return tuple(refused(need) for need in needs(model) if need.word not in capabilities)


def refused(need: Need) -> Mistake:
    """What is said where nobody can do it."""
    return Mistake(
        path=need.path,
        line=0,
        column=0,
        found=need.found,
        allowed=(),
        nearest=None,
        message=f"`{need.path}: {need.found}` cannot be done by this installation: {REASONS[need.word]}",
    )


def needs(model: Model) -> Iterator[Need]:
    """Everything that the model asks of an installation."""
    yield from _source(model)
    yield from _serve(model)
    if model.evaluate is not None:
        yield from _evaluate(model.evaluate)
    if model.triggers.schedule is not None:
        yield Need("on.schedule", "on.schedule", model.triggers.schedule)
    for environment in model.environments:
        at = f"environments.{environment.name}."
        yield from _rollout(environment, at)
        yield from _in_cluster(model, environment, at)
        yield from _approvals(environment, at, authored=isinstance(model.source, FromBuild))
        yield from _guards(environment, at)


def _source(model: Model) -> Iterator[Need]:
    match model.source:
        case FromModel(model=name, alias=alias):
            yield Need("model", "registry", f"models:/{name}@{alias}")
        case FromImage(repository=repository, tag=tag):
            yield Need("image", "images", f"{repository}:{tag}")
        case FromBuild(dockerfile=str(path)):
            yield Need("build.dockerfile", "build.dockerfile", path)
        case FromBuild(lock=lock):
            yield Need("build.lock", "build.lock", str(lock))


def _serve(model: Model) -> Iterator[Need]:
    match model.serve:
        case ServeMlflow():
            yield Need("serve", "serve.mlflow", "mlflow")
        case ServeRun(run=run):
            at, command = ("serve.run", " ".join(run)) if run else ("serve", "the image's own command")
            yield Need(at, "serve.run", command)
        case ServeNone():
            yield Need("serve", "batch", "none")
        case ServeDeployment(deployment=deployment, route=route):
            yield Need("deployment", "deployment", deployment)
            if route is not None:
                yield Need("route", "route", route)
        case ServeServices(candidate=candidate):
            yield Need("services", "clusters", candidate)
        case ServeInferenceService(name=name):
            yield Need("inferenceservice", "inferenceservice", name)


def _evaluate(evaluate: Evaluate) -> Iterator[Need]:
    if evaluate.image is not None:
        yield Need("evaluate.image", "evaluate.image", evaluate.image)


def _rollout(environment: Environment, at: str) -> Iterator[Need]:
    if environment.cluster is not None:
        yield Need(f"{at}cluster", "clusters", environment.cluster)
    if environment.after is not None:
        yield Need(f"{at}after", "after", environment.after)
    if environment.strategy in {Strategy.BLUEGREEN, Strategy.SHADOW}:
        yield Need(f"{at}strategy", environment.strategy.value, environment.strategy.value)
    if environment.mode is Mode.OBSERVE:
        yield Need(f"{at}mode", "observe", "observe")
    if environment.restore:
        yield Need(f"{at}restore", "restore", "true")
    if environment.when_undecided is WhenUndecided.ASK:
        yield Need(f"{at}when_undecided", "when_undecided.ask", "ask")


def _in_cluster(model: Model, environment: Environment, at: str) -> Iterator[Need]:
    if in_cluster(model, environment):
        yield from recorded(model, environment, at)
    if environment.strategy is Strategy.SHADOW and not _by_http_route(model):
        yield Need(f"{at}strategy", "shadow.route", "shadow")
    routeless = isinstance(model.serve, ServeDeployment) and model.serve.route is None
    if routeless and environment.strategy is Strategy.CANARY:
        yield Need(f"{at}strategy", "switch", environment.strategy.value)
    if routeless and environment.held_back > 0:
        yield Need(f"{at}held_back", "held_back.routeless", f"{environment.held_back * 100:g}%")
    if environment.sticky != "none" and (word := _sticky(model, environment)):
        yield Need(f"{at}sticky", word, environment.sticky)


def in_cluster(model: Model, environment: Environment) -> bool:
    """Whether the file itself says that it serves in a cluster; a connection may say it, too."""
    there = isinstance(model.serve, ServeDeployment | ServeInferenceService | ServeServices)
    return there or environment.cluster is not None


def recorded(model: Model, environment: Environment, at: str) -> Iterator[Need]:
    """What the recorder of this machine does, and those in clusters do not, or not everywhere."""
    if environment.strategy is Strategy.SHADOW and environment.shadow.sample > 0:
        yield Need(f"{at}shadow.sample", "shadow.sample", f"{environment.shadow.sample * 100:g}%")
    for guard in environment.guards:
        if guard.by_request and isinstance(model.serve, ServeDeployment | ServeServices):
            yield Need(f"{at}guards.{guard.name}.by", "guards.labels.by", "request")


def _by_http_route(model: Model) -> bool:
    """Whether requests go by Segue's own route, or by an HTTPRoute of the team's."""
    match model.serve:
        case ServeDeployment(route=route):
            return route is not None and route.count("/") == 1
        case ServeServices():
            return False
        case _:
            return True


def _sticky(model: Model, environment: Environment) -> str:
    """What keeping users on a version needs; nothing where a route is Segue's own, in a cluster."""
    if not isinstance(model.serve, ServeDeployment):
        return "" if environment.cluster else f"sticky.{environment.sticky}"
    if model.serve.route is None:
        return "sticky.routeless"
    *kind, _, _ = model.serve.route.split("/")
    if kind == ["traefikservice"]:
        return "" if environment.sticky == "cookie" else "sticky.traefikservice"
    return f"sticky.{kind[0] if kind else 'httproute'}"


def _approvals(environment: Environment, at: str, *, authored: bool) -> Iterator[Need]:
    rule = environment.approvals
    if rule.count == 0:
        return
    yield Need(f"{at}approvals", "approvals", f"count {rule.count}")
    if rule.channel is not None:
        yield Need(f"{at}approvals.in", "approvals.chat", rule.channel)
    groups = [who for who in rule.people if who.startswith("@") and not known_here(who)]
    provided = [who for who in rule.people if who.startswith(PROVIDED)]
    for word, named in (("approvals.groups", groups), ("approvals.provider", provided)):
        if named:
            yield Need(f"{at}approvals.from", word, ", ".join(named))
    if not authored and not rule.people:
        yield Need(f"{at}approvals", "approvals.approvers", f"count {rule.count}")


def _guards(environment: Environment, at: str) -> Iterator[Need]:
    for guard in environment.guards:
        path = f"{at}guards.{guard.name}"
        match guard.kind:
            case GuardKind.QUERY | GuardKind.DRIFT:
                yield Need(f"{path}.query", "guards.query", str(guard.query))
            case GuardKind.LABELS:
                yield Need(f"{path}.labels", "guards.labels", str(guard.labels))
            case GuardKind.LATENCY:
                yield from _latency(guard, path)
            case GuardKind.ERRORS | GuardKind.SLO | GuardKind.ALIVE | GuardKind.SHARE | GuardKind.ANSWERS:
                pass
            case GuardKind.THRESHOLD:  # by the router's counters of failures, which there are everywhere
                pass
        if guard.segments and (word := _segments(guard, environment)):
            yield Need(f"{path}.segments", word, ", ".join(guard.segments))


def _segments(guard: Guard, environment: Environment) -> str:
    """What judging by segments needs. A cluster's data plane tells its labels when it is asked."""
    match guard.kind:
        case GuardKind.LATENCY:
            return "guards.latency.segments"
        case GuardKind.LABELS:
            return "guards.labels.segments" if environment.strategy is Strategy.SHADOW else ""
        case GuardKind.ERRORS:
            return "" if environment.cluster else "guards.segments"
        case _:
            return ""


def _latency(guard: Guard, path: str) -> Iterator[Need]:
    if guard.slower_than is None:
        yield Need(path, "guards.latency", "all durations")
        return
    yield Need(path, "guards.latency", f"slower than {guard.slower_than:g}s")
    if guard.slower_than not in BOUNDS:
        yield Need(f"{path}.slower_than", "guards.latency.between", f"{guard.slower_than:g}s")
