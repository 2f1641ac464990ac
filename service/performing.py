"""Effects meet ports here: one small function per effect, from a stored value to its answer.

Long work is started, then observed: `Again` asks to be called once more later. Nothing is decided
here; a port's `Retry` goes through to the queue, its `Refused` becomes the answer `EffectFailed`.
"""

from dataclasses import dataclass

from policies.effects import (
    Build,
    CheckPreview,
    Effect,
    MoveAlias,
    ReportCommit,
    RunEvaluation,
    SetTraffic,
    StartWorkload,
    StopWorkload,
    TagVersion,
    Wake,
)
from policies.events import (
    BuildFinished,
    CheckFinished,
    EffectFailed,
    EvaluationFinished,
    Tick,
    TrafficObserved,
    WorkloadReady,
)
from policies.spec.declaration import ServeMlflow, ServeRun
from policies.version import Version
from service import watching
from service.bootstrap import Parts
from service.ports import (
    Backend,
    CodeReference,
    CommitState,
    CommitStatus,
    Failed,
    Gone,
    Image,
    Job,
    Limits,
    ModelReference,
    Recipe,
    Refused,
    Result,
    Route,
    Serving,
    Working,
    WorkloadOrder,
)
from service.states import release_of, target_of, version_of

Answer = (
    BuildFinished | EvaluationFinished | WorkloadReady | CheckFinished | TrafficObserved | EffectFailed | Tick
)
START_SECONDS = 180.0  # a workload that is not ready by then has failed


@dataclass(frozen=True, slots=True)
class Done:
    """Performed; the answer, where the machine waits for one. `moved`: a registry's alias, by us."""

    answer: Answer | None = None
    moved: MoveAlias | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Begun; look again after so many seconds."""

    after: float


def perform(parts: Parts, effect: Effect, now: float, since: float) -> Done | Again:
    """Do it, or look how far it is; `since` is when it was begun.

    Raises `Retry` or `Refused` as the port did.
    """
    match effect:
        case Build():
            return _build(parts, effect, now)
        case RunEvaluation():
            return _evaluate(parts, effect, now)
        case StartWorkload():
            return _start(parts, effect, now, since)
        case CheckPreview():
            return _check(parts, effect, now)
        case StopWorkload(backend=backend):
            return _stop(parts, backend)
        case Wake():
            return Done(Tick(now))
        case SetTraffic():
            return _set_traffic(parts, effect, now)
        case ReportCommit():
            status = CommitStatus(
                effect.commit, effect.key, CommitState(effect.state), effect.title, effect.text
            )
            parts.git(effect.source).report(status)
            return Done()
        case MoveAlias():
            return _move_alias(parts, effect)
        case TagVersion():
            parts.registry(effect.source).set_tags(effect.model, effect.version, effect.tags)
            return Done()


def _build(parts: Parts, effect: Build, now: float) -> Done | Again:
    recipe = recipe_of(_version(parts, effect.version))
    state = parts.builder.state(recipe.name)
    match state:
        case Image(digest=digest, layers=layers):
            return Done(BuildFinished(effect.step, digest, layers, now))
        case Working():
            return Again(0.1)
        case Failed(reason=reason, log=log):
            return Done(EffectFailed(effect.step, _with_tail(reason, log), now))
        case Gone():
            parts.builder.start(recipe)
            return Again(0.1)


def recipe_of(version: Version) -> Recipe:
    """Everything that decides the version's image."""
    model, code, registered = version.model, version.code, version.registered
    serve = model.serve
    run: tuple[str, ...] = ("mlflow",) if isinstance(serve, ServeMlflow) else ()
    port = 8080
    if isinstance(serve, ServeRun):
        run, port = serve.run, serve.port
    lock = getattr(model.source, "lock", None)
    labels = [("segue.model", model.name), ("segue.version", version.key)]
    if code:
        labels.append(("org.opencontainers.image.revision", code.commit))
    if registered:
        labels.append(("segue.registered", f"{registered.name}/{registered.version}"))
    return Recipe(
        name=job_name(version),
        code=CodeReference(code.source, code.commit, code.folder) if code else None,
        model=ModelReference(registered.source, registered.name, registered.version) if registered else None,
        lock=lock,
        run=run,
        port=port,
        labels=tuple(labels),
    )


def job_name(version: Version) -> str:
    """The name of the version's build and of its evaluation: one for each attempt."""
    return f"{version.model.name}-{version.key}-{version.attempt}"


def _evaluate(parts: Parts, effect: RunEvaluation, now: float) -> Done | Again:
    version = _version(parts, effect.version)
    evaluate = version.model.evaluate
    if evaluate is None or version.image is None:
        raise Refused("there is nothing to evaluate")
    name = job_name(version)
    match parts.jobs.state(name):
        case Result(metrics=metrics):
            return Done(EvaluationFinished(effect.step, metrics, now))
        case Working():
            return Again(0.1)
        case Failed(reason=reason, log=log):
            return Done(EffectFailed(effect.step, _with_tail(f"evaluation: {reason}", log), now))
        case Gone():
            wanted = evaluate.resources
            limits = Limits(wanted.cpu, wanted.memory, wanted.seconds)
            parts.jobs.start(Job(name, evaluate.image or version.image, evaluate.run, limits))
            return Again(0.1)


def _start(parts: Parts, effect: StartWorkload, now: float, since: float) -> Done | Again:
    match parts.workloads.state(effect.backend):
        case Serving(url=url):
            return Done(WorkloadReady(effect.step, url, now))
        case Failed(reason=reason, log=log):
            parts.workloads.stop(effect.backend)
            return Done(EffectFailed(effect.step, _with_tail(reason, log), now))
        case Working() if now - since > START_SECONDS:
            log = parts.workloads.logs(effect.backend)
            parts.workloads.stop(effect.backend)
            reason = f"the model did not answer 2xx at its health path on $PORT within {START_SECONDS:g} s"
            return Done(EffectFailed(effect.step, _with_tail(reason, log), now))
        case Working():
            return Again(0.1)
        case Gone():
            parts.workloads.start(order_of(_version(parts, effect.version), effect.backend))
            return Again(0.1)


def order_of(version: Version, backend: str) -> WorkloadOrder:
    """How to run the version under this name. It learns its own name as `SEGUE_VERSION`."""
    if version.image is None:
        raise Refused("the version has no image")
    serve, wanted = version.model.serve, version.model.resources
    run = serve.run if isinstance(serve, ServeRun) else ()
    health = serve.health if isinstance(serve, ServeRun) else "/healthz"
    port = serve.port if isinstance(serve, ServeRun | ServeMlflow) else 8080
    limits = Limits(wanted.cpu, wanted.memory, seconds=0)
    return WorkloadOrder(backend, version.image, run, port, limits, health, env=(("SEGUE_VERSION", backend),))


def _check(parts: Parts, effect: CheckPreview, now: float) -> Done:
    order = order_of(_version(parts, effect.version), effect.backend)
    routed = parts.router.get(effect.target) is not None
    address = parts.router.address(effect.target) if routed else None
    detail = parts.ask_preview(effect.url, address, effect.backend, order.health)
    return Done(CheckFinished(effect.step, detail, now))


def _stop(parts: Parts, backend: str) -> Done:
    """Not while a target still names it: a rollback may have taken it into service again."""
    if not _in_use(parts, backend):
        parts.workloads.stop(backend)
    return Done()


def _set_traffic(parts: Parts, effect: SetTraffic, now: float) -> Done:
    if not effect.shares:
        parts.router.remove(effect.target, effect.epoch, effect.attempt)
        return Done(TrafficObserved(effect.step, effect.epoch, 0.0, now))
    backends = tuple(Backend(s.backend, s.url, s.weight) for s in effect.shares)
    sticky = effect.sticky if effect.sticky in {"cookie", "header"} else "none"
    route = Route(effect.target, effect.epoch, backends, sticky, effect.attempt)  # type: ignore[arg-type]
    seen = parts.router.set(route)
    weight = next((b.weight for b in seen.backends if b.name == effect.candidate), 0.0)
    return Done(TrafficObserved(effect.step, seen.epoch, weight, now))


def _move_alias(parts: Parts, effect: MoveAlias) -> Done:
    """What people did meanwhile is observed first: after our own write nobody could see it."""
    registry = parts.registry(effect.source)
    named = registry.aliases().get((effect.model, effect.alias))
    if named == effect.version:
        return Done(moved=effect)
    watching.look(parts, parts.source(effect.source))
    if effect.expected not in {None, named}:
        return Done()
    registry.set_alias(effect.model, effect.alias, effect.version)
    return Done(moved=effect)


def _version(parts: Parts, key: str) -> Version:
    row = parts.store.version(key)
    if row is None:
        raise Refused(f"there is no version {key}")
    return version_of(row)


def _in_use(parts: Parts, backend: str) -> bool:
    for row in parts.store.targets():
        target = target_of(row, row.name)
        if backend in {s.backend for s in (target.stable, target.previous) if s is not None}:
            return True
    return any(release_of(row).backend == backend for row in parts.store.releases(final=False, limit=1000))


def _with_tail(reason: str, log: str) -> str:
    tail = "\n".join(log.strip().splitlines()[-8:])
    return f"{reason}\n{tail}" if tail else reason
