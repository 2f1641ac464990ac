"""Looks whether what serves is as it was left, and does about it what people or the policy said.

What is done is for the one drift that was seen: what is changed meanwhile is told, and not overwritten.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from policies import drifting as policy
from policies.effects import Effect
from policies.place import Place
from policies.release import Remedy, Serving, Target
from service.bootstrap import Parts, Site
from service.engine import drifting, room
from service.engine.deciding import Deciding, decide
from service.engine.drifting import Mended
from service.machine import meters
from service.performing.images import image_of
from service.performing.outcomes import known_version
from service.ports.outcomes import PortError, Refused
from service.ports.traffic import Backend, Route
from service.store.queue import Work
from service.store.states import target_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody else changed, in words; "" for nothing."""

    route: str = ""
    workload: str = ""

    @property
    def what(self) -> str:
        return "\n".join(part for part in (self.route, self.workload) if part)


def look(parts: Parts, work: Work) -> None:
    """One look at a target: what was changed is noted, a remedy for exactly this is done, and a candidate
    there has room for its share."""
    target = target_of(parts.store.target(work.subject), work.subject)
    with parts.store.read() as read:
        apart = drifting.names(read, target)
    seen = _seen(parts, target)
    if seen.what and seen.what != target.drift:
        log.warning("changed by somebody else", target=target.name, what=seen.what)
        meters.DRIFTS.labels(target.name).inc()
    room.follow(parts, target)
    done = _mended(parts, target, seen)

    def store(deciding: Deciding) -> None:
        if done is not None:
            done(deciding)
        else:
            drifting.note(deciding, target.name, seen.what, apart)
        deciding.change.finish(work)

    decide(parts.store, store)


def _seen(parts: Parts, target: Target) -> Seen:
    if target.stable is None or target.place.watched:
        return Seen()
    site = parts.at(target.place)
    route = site.router.drift(target.name) or ""
    return Seen(route, _workload(parts, site, target, target.stable))


def _workload(parts: Parts, site: Site, target: Target, stable: Serving) -> str:
    if site.kept is None:
        return ""
    try:
        image = _image(parts, stable, target.place)
    except Refused:
        return ""  # how its image is called there is not known any more: that is nobody's change
    try:
        return site.kept.changed(stable.backend, image) or ""
    except Refused as reason:
        return str(reason)  # as where somebody else's object has its name


def _image(parts: Parts, serving: Serving, place: Place) -> str:
    """What it should run, as the place names images."""
    if not serving.version:
        return serving.image
    return image_of(parts, known_version(parts, serving.version), place.cluster)


def _mended(parts: Parts, target: Target, seen: Seen) -> Callable[[Deciding], None] | None:
    """Do the remedy, if it is for what is there now; how to store what came of it."""
    remedy = target.remedy
    if remedy is None or target.holder is not None or seen.what not in {"", remedy.seen}:
        return None
    site, follows = parts.at(target.place), list[Effect]()
    how: Mended | str | None
    try:
        if not seen.what:
            how = _written(site, target, remedy)
        elif remedy.verb == "repair":
            how = _repair(parts, site, target, seen, follows)
        else:
            how = _adopt(site, target, remedy, seen)
    except Refused as reason:
        how = str(reason)
        log.warning("not mended", target=target.name, reason=how)
    if how is None:
        return None
    return lambda deciding: drifting.mended(deciding, target.name, remedy.epoch, how, tuple(follows))


def _written(site: Site, target: Target, remedy: Remedy) -> Mended | None:
    """What a remedy came to whose write is there already, though its writer did not get to store that."""
    there = site.router.get(target.name)
    if there is None or there.epoch != remedy.epoch:
        return None
    return policy.repaired if remedy.verb == "repair" else _as_split(there, remedy)


def _as_split(there: Route, remedy: Remedy) -> Mended:
    shares = {one.name: one.weight for one in there.backends}
    return lambda now: policy.adopted(now, remedy, shares, remedy.at)


def _repair(parts: Parts, site: Site, target: Target, seen: Seen, follows: list[Effect]) -> Mended:
    stable, remedy = target.stable, target.remedy
    if seen.workload and site.kept is not None and stable is not None:
        if site.kept.gone(stable.backend):
            follows.append(_start(target))
        else:
            site.kept.mend(stable.backend, _image(parts, stable, target.place), seen.workload)
    if seen.route and stable is not None and remedy is not None:
        try:
            site.router.set(_decided(target, stable, remedy, seen.route))
        except PortError as reason:
            if not seen.workload or follows:
                raise  # nothing is done yet
            # It is another drift now, and none that the remedy is for: said, or nobody would know why.
            raise Refused(f"its workload is repaired, and its route is not: {reason}") from reason
    return policy.repaired


def _start(target: Target) -> Effect:
    start = drifting.started(target, target.place)
    if start is None:
        raise Refused("it was there before Segue and is gone; make it again, or roll back")
    return start


def _decided(target: Target, stable: Serving, remedy: Remedy, over: str) -> Route:
    """All to stable; what is kept warm keeps its place without a share."""
    backends = [Backend(stable.backend, stable.url, 100.0)]
    if target.previous is not None:
        backends.append(Backend(target.previous.backend, target.previous.url, 0.0))
    return Route(target.name, remedy.epoch, tuple(backends), over=over)


def _adopt(site: Site, target: Target, remedy: Remedy, seen: Seen) -> Mended:
    """The split that is there is written down as ours, or the image that runs: one of both at a time."""
    if seen.route and seen.workload:
        raise Refused("both its route and its workload were changed; repair it, or one of them by hand")
    if seen.workload:
        return _adopt_image(site, target, remedy)
    there = site.router.get(target.name)
    if there is None:
        raise Refused("nothing that Segue wrote is there any more; repair it")
    adopted = _as_split(there, remedy)
    if not isinstance(adopted(target), str):
        site.router.set(Route(target.name, remedy.epoch, there.backends, over=seen.route))
    return adopted


def _adopt_image(site: Site, target: Target, remedy: Remedy) -> Mended:
    """Only of what was found there, whose image is known as the place names it."""
    stable, refused = target.stable, policy.adopted_image(target, remedy, "", remedy.at)
    if site.kept is None or stable is None or isinstance(refused, str):
        raise Refused(str(refused))
    image = site.kept.runs(stable.backend, stable.image)
    return lambda now: policy.adopted_image(now, remedy, image, remedy.at)
