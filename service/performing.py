"""Effects meet ports here: one small function per effect, from a stored value to its answer.

Long work is started, then observed: `Again` asks to be called once more later. Nothing is decided
here; a port's `Retry` goes through to the queue, its `Refused` becomes the answer `EffectFailed`.
"""

from dataclasses import dataclass

from policies.effects import (
    Adopt,
    Build,
    CheckPreview,
    Effect,
    HandBack,
    MoveAlias,
    ReportCommit,
    RunEvaluation,
    Settle,
    SetTraffic,
    StartWorkload,
    StopWorkload,
    TagVersion,
    Wake,
)
from policies.events import (
    Adopted,
    BuildFinished,
    CheckFinished,
    EffectFailed,
    EvaluationFinished,
    Tick,
    TrafficObserved,
    WorkloadReady,
)
from policies.place import Place
from policies.spec.declaration import FromImage, ServeMlflow, ServeRun
from policies.version import Version
from service import places, sources, watching
from service.bootstrap import Parts
from service.ports.builds import CodeReference, Image, ModelReference, Recipe
from service.ports.git import CommitState, CommitStatus
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Failed, Gone, Refused, Working
from service.ports.traffic import Backend, Route
from service.ports.workloads import Room, Serving, WorkloadOrder
from service.states import release_of, target_of, version_of

Answer = (
    BuildFinished
    | EvaluationFinished
    | WorkloadReady
    | Adopted
    | CheckFinished
    | TrafficObserved
    | EffectFailed
    | Tick
)
_LOOKS = 0.1  # seconds between two looks at what was begun on this machine
_LOOKS_AT_CLUSTER = 1.0  # each is a few calls of a server that everybody shares
START_SECONDS = 180.0  # a workload that is not ready by then has failed


@dataclass(frozen=True, slots=True)
class Done:
    """Performed; the answer, where the machine waits for one. `moved`: a registry's alias, by us."""

    answer: Answer | None = None
    moved: MoveAlias | None = None
    freed: str | None = None  # a target that was handed back


@dataclass(frozen=True, slots=True)
class Again:
    """Begun; look again after so many seconds. `why` says what it waits for, where people would ask."""

    after: float
    why: str = ""


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
        case Adopt():
            return _adopt(parts, effect, now)
        case CheckPreview():
            return _check(parts, effect, now)
        case StopWorkload():
            return _stop(parts, effect)
        case Settle(backends=backends, place=place):
            room = parts.at(place).room
            if room is not None:
                room.settle(backends)
            return Done()
        case HandBack():
            return _hand_back(parts, effect)
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
    pause = _LOOKS if parts.settings.builder is None else _LOOKS_AT_CLUSTER
    state = parts.builder.state(recipe.name)
    match state:
        case Image(digest=digest, layers=layers):
            return Done(BuildFinished(effect.step, digest, layers, now))
        case Working():
            return Again(pause)
        case Failed(reason=reason, log=log):
            return Done(EffectFailed(effect.step, _with_tail(reason, log), now))
        case Gone():
            # Builds have no store, and whoever connected the source may have had another home.
            sources.save(parts.settings.home, tuple(parts.store.sources()))
            parts.builder.start(recipe)
            return Again(pause)


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
    home = places.home(parts.store.clusters(), version.model)
    name, jobs = job_name(version), parts.at(home).jobs
    match jobs.state(name):
        case Result(metrics=metrics):
            return Done(EvaluationFinished(effect.step, metrics, now))
        case Working():
            return Again(_pause(home))
        case Failed(reason=reason, log=log):
            return Done(EffectFailed(effect.step, _with_tail(f"evaluation: {reason}", log), now))
        case Gone():
            wanted = evaluate.resources
            limits = Limits(wanted.cpu, wanted.memory, wanted.seconds)
            image = evaluate.image or image_of(parts, version, home.cluster)
            jobs.start(Job(name, image, evaluate.run, limits, pod=evaluate.pod))
            return Again(_pause(home))


def _pause(place: Place) -> float:
    return _LOOKS if place.cluster is None else _LOOKS_AT_CLUSTER


def _start(parts: Parts, effect: StartWorkload, now: float, since: float) -> Done | Again:
    workloads = parts.at(effect.place).workloads
    match workloads.state(effect.backend):
        case Serving(url=url):
            return Done(WorkloadReady(effect.step, url, now))
        case Failed(reason=reason, log=log):
            workloads.stop(effect.backend)
            return Done(EffectFailed(effect.step, _with_tail(reason, log), now))
        case Working(progress=progress, patience=patience) if now - since > START_SECONDS + patience:
            log = workloads.logs(effect.backend)
            workloads.stop(effect.backend)
            seconds = START_SECONDS + patience
            late = f"the model did not answer 2xx at its health path on $PORT within {seconds:g} s"
            return Done(EffectFailed(effect.step, _with_tail(f"{late}: {progress}", log), now))
        case Working(progress=progress):
            return Again(_pause(effect.place), progress)
        case Gone():
            workloads.start(order_of(parts, _version(parts, effect.version), effect))
            return Again(0.1)


def order_of(parts: Parts, version: Version, effect: StartWorkload | CheckPreview) -> WorkloadOrder:
    """How to run the version under this name. It learns its name as `SEGUE_VERSION`, and where to listen."""
    serve, wanted = version.model.serve, version.model.resources
    run = serve.run if isinstance(serve, ServeRun) else ()
    health = serve.health if isinstance(serve, ServeRun) else "/healthz"
    port = serve.port if isinstance(serve, ServeRun | ServeMlflow) else 8080
    limits = Limits(wanted.cpu, wanted.memory, seconds=0)
    image = image_of(parts, version, effect.place.cluster)
    host = "127.0.0.1" if effect.place.cluster is None else "0.0.0.0"  # noqa: S104 (a pod's own address)
    return WorkloadOrder(
        effect.backend,
        image,
        run,
        port,
        limits,
        health,
        effect.target,
        env=(("SEGUE_VERSION", effect.backend), ("HOST", host)),
        pod=version.model.pod,
        replicas=version.model.replicas,
    )


def image_of(parts: Parts, version: Version, cluster: str | None) -> str:
    """The version's image as it is named there: by its digest, and in a cluster by its registry too."""
    if version.image is None:
        raise Refused("the version has no image")
    source = version.model.source
    if cluster is None:
        return version.image
    if isinstance(source, FromImage):
        return f"{source.repository}@{version.image}"
    if parts.settings.images is None:
        raise Refused("a cluster pulls images from a registry; name one that builds push to: SEGUE_IMAGES")
    if parts.settings.base is None:
        raise Refused(
            "an image that runs in a cluster stands on a base image with Python; name one: SEGUE_BASE"
        )
    return f"{parts.settings.images.partition('://')[2]}/{version.model.name}@{version.image}"


def _adopt(parts: Parts, effect: Adopt, now: float) -> Done:
    site = parts.at(effect.place)
    if site.adoption is None:
        raise Refused("nothing that runs already can be taken over here")
    backend, serving, image = site.adoption.found()
    return Done(Adopted(effect.step, backend, serving.url, image, now))


def _check(parts: Parts, effect: CheckPreview, now: float) -> Done:
    if not effect.version:
        return Done(CheckFinished(effect.step, "it served here before Segue came", now))
    order, site = order_of(parts, _version(parts, effect.version), effect), parts.at(effect.place)
    routed = site.router.get(effect.target) is not None
    address = site.router.address(effect.target) if routed else None
    detail = site.ask(effect.url, address, effect.backend, order.health)
    return Done(CheckFinished(effect.step, detail, now))


def _stop(parts: Parts, effect: StopWorkload) -> Done:
    """Not while a target still names it: a rollback may have taken it into service again."""
    if not _in_use(parts, effect.backend):
        parts.at(effect.place).workloads.stop(effect.backend)
    return Done()


def _set_traffic(parts: Parts, effect: SetTraffic, now: float) -> Done:
    site = parts.at(effect.place)
    router = site.router
    if not effect.shares:
        router.remove(effect.target, effect.epoch, effect.attempt)
        return Done(TrafficObserved(effect.step, effect.epoch, 0.0, now))
    if site.room is not None:
        _make_room(site.room, effect)
    backends = tuple(Backend(s.backend, s.url, s.weight) for s in effect.shares)
    sticky = effect.sticky if effect.sticky in {"cookie", "header"} else "none"
    route = Route(effect.target, effect.epoch, backends, sticky, effect.attempt)  # type: ignore[arg-type]
    seen = router.set(route)
    weight = next((b.weight for b in seen.backends if b.name == effect.candidate), 0.0)
    return Done(TrafficObserved(effect.step, seen.epoch, weight, now))


def _make_room(room: Room, effect: SetTraffic) -> None:
    """Before a weight is written that needs it; taking traffic back waits for nothing."""
    weights = {share.backend: share.weight for share in effect.shares}
    weight = weights.pop(effect.candidate, 0.0)
    if weight > 0 and weights:
        room.make_room(min(weights), effect.candidate, weight)


def _hand_back(parts: Parts, effect: HandBack) -> Done:
    """What was found is ready before the route names it alone, and that before ours is removed."""
    site = parts.at(effect.place)
    if site.adoption is None:
        raise Refused("nothing was taken over there")
    image = effect.image
    if effect.version:
        image = image_of(parts, _version(parts, effect.version), effect.place.cluster)
    site.adoption.restore(image)
    site.router.remove(effect.target, effect.epoch)
    site.adoption.clear(effect.target)
    return Done(freed=effect.target)


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
