"""Workloads: started until they are ready, looked at, stopped; found ones taken over and handed back."""

from dataclasses import replace
from pathlib import Path

from policies.effects import Adopt, CheckPreview, HandBack, Returning, StartWorkload, StopWorkload
from policies.events import Adopted, CheckFinished, EffectFailed, WorkloadReady
from policies.spec.declaration import ServeMlflow, ServeRun
from policies.version import Version
from service.bootstrap import Parts
from service.engine import trusting
from service.performing.images import image_of
from service.performing.outcomes import Again, Done, known_version, pause, with_tail
from service.performing.weights import told, weights_of
from service.ports.jobs import Limits
from service.ports.outcomes import Failed, Gone, Refused, Working
from service.ports.workloads import Serving, WorkloadOrder
from service.recorder import requests
from service.store.states import release_of, target_of

START_SECONDS = 180.0  # a workload that is not ready by then has failed


def start(parts: Parts, effect: StartWorkload, now: float, since: float) -> Done | Again:
    """Have the version ready under its name, or stopped where it does not become so in time."""
    workloads = parts.at(effect.place).workloads
    match workloads.state(effect.backend):
        case Serving(url=url):
            return Done(WorkloadReady(effect.step, url, now))
        case Failed(reason=reason, log=log):
            workloads.stop(effect.backend)
            return Done(EffectFailed(effect.step, with_tail(reason, log), now))
        case Working(progress=progress, patience=patience) if now - since > START_SECONDS + patience:
            log = workloads.logs(effect.backend)
            workloads.stop(effect.backend)
            seconds = START_SECONDS + patience
            late = f"the model did not answer 2xx at its health path on $PORT within {seconds:g} s"
            return Done(EffectFailed(effect.step, with_tail(f"{late}: {progress}", log), now))
        case Working(progress=progress):
            return Again(pause(effect.place, now - since), progress)
        case Gone():
            version = known_version(parts, effect.version)
            if effect.place.cluster is not None:
                trusting.vouch(parts, version)  # days may have passed since it was looked at
            workloads.start(order_of(parts, version, effect))
            return Again(0.1)


def order_of(parts: Parts, version: Version, effect: StartWorkload | CheckPreview) -> WorkloadOrder:
    """How to run the version under this name. It learns its name as `SEGUE_VERSION`, and where to listen."""
    serve, wanted = version.model.serve, version.model.resources
    run = serve.run if isinstance(serve, ServeRun) else ()
    health = serve.health if isinstance(serve, ServeRun) else "/healthz"
    port = serve.port if isinstance(serve, ServeRun | ServeMlflow) else 8080
    limits = Limits(wanted.cpu, wanted.memory, seconds=0)
    image, weights = image_of(parts, version, effect.place.cluster), weights_of(parts, version)
    host = "127.0.0.1" if effect.place.cluster is None else "0.0.0.0"  # noqa: S104 (a pod's own address)
    return WorkloadOrder(
        effect.backend,
        image,
        run,
        port,
        limits,
        health,
        effect.target,
        env=(("SEGUE_VERSION", effect.backend), ("HOST", host), *told(weights)),
        pod=version.model.pod,
        replicas=version.model.replicas,
        weights=weights,
    )


def adopt(parts: Parts, effect: Adopt, now: float) -> Done:
    """Look at what serves at the place already; nothing is changed."""
    site = parts.at(effect.place)
    if site.adoption is None:
        raise Refused("nothing that runs already can be taken over here")
    backend, serving, image = site.adoption.found()
    return Done(Adopted(effect.step, backend, serving.url, image, now))


def check(parts: Parts, effect: CheckPreview, now: float) -> Done:
    """Ask the version itself, at its preview address too where its target has a route."""
    if not effect.version:
        return Done(CheckFinished(effect.step, "it served here before Segue came", now))
    order, site = order_of(parts, known_version(parts, effect.version), effect), parts.at(effect.place)
    routed = site.router.get(effect.target) is not None
    address = site.router.address(effect.target) if routed else None
    if effect.requests:
        _check_requests(parts.settings.home, effect.requests)
    detail = site.ask(effect.url, address, effect.backend, order.health)
    return Done(CheckFinished(effect.step, detail, now))


def _check_requests(home: Path, name: str) -> None:
    """Before they are asked of anybody. Raises `Refused` with the lines that are none."""
    try:
        requests.check(requests.file_of(home, name))
    except requests.Unusable as reason:
        raise Refused(f"the recorded requests {name!r} cannot be asked: {reason}") from None


def stop(parts: Parts, effect: StopWorkload) -> Done:
    """Not while a target still names it: a rollback may have taken it into service again."""
    if not _in_use(parts, effect.backend):
        parts.at(effect.place).workloads.stop(effect.backend)
    return Done()


def hand_back(parts: Parts, effect: HandBack) -> Done:
    """One step of it: what was found is ready before the route names it alone, and that before ours goes."""
    site = parts.at(effect.place)
    if site.adoption is None:
        raise Refused("nothing was taken over there")
    match effect.stage:
        case Returning.RESTORE:
            site.adoption.restore(_served(parts, effect))
            return Done(follows=replace(effect, stage=Returning.ROUTE))
        case Returning.ROUTE:
            site.router.remove(effect.target, effect.epoch)
            return Done(follows=replace(effect, stage=Returning.CLEAR))
        case Returning.CLEAR:
            site.adoption.clear(effect.target)
            return Done(freed=effect.target)


def _served(parts: Parts, effect: HandBack) -> str:
    """The image that serves now, as the place names images."""
    if not effect.version:
        return effect.image
    return image_of(parts, known_version(parts, effect.version), effect.place.cluster)


def _in_use(parts: Parts, backend: str) -> bool:
    for row in parts.store.targets():
        target = target_of(row, row.name)
        if backend in {s.backend for s in (target.stable, target.previous) if s is not None}:
            return True
    return any(release_of(row).backend == backend for row in parts.store.releases(final=False, limit=1000))
