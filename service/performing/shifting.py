"""Traffic: a split is written whole, once what it needs is ready."""

from policies.effects import Settle, SetTraffic
from policies.events import TrafficObserved
from service.bootstrap import Parts
from service.performing.outcomes import Done
from service.ports.traffic import Backend, Route
from service.ports.workloads import Room


def set_traffic(parts: Parts, effect: SetTraffic, now: float) -> Done:
    """Write the split, absolute; no shares: serve nothing there."""
    site = parts.at(effect.place)
    router = site.router
    if not effect.shares:
        router.remove(effect.target, effect.epoch, effect.attempt)
        return Done(TrafficObserved(effect.step, effect.epoch, 0.0, now))
    if site.room is not None:
        _make_room(site.room, effect)
    backends = tuple(Backend(s.backend, s.url, s.weight) for s in effect.shares)
    sticky = effect.sticky if effect.sticky in {"cookie", "header"} else "none"
    recording = effect.recording
    copied = effect.candidate if recording is not None and recording.copies else ""
    route = Route(
        effect.target,
        effect.epoch,
        backends,
        sticky,  # type: ignore[arg-type]
        effect.attempt,
        recording,
        copied,
    )
    seen = router.set(route)
    weight = next((b.weight for b in seen.backends if b.name == effect.candidate), 0.0)
    return Done(TrafficObserved(effect.step, seen.epoch, weight, now))


def _make_room(room: Room, effect: SetTraffic) -> None:
    """Before a weight is written that needs it; taking traffic back waits for nothing."""
    weights = {share.backend: share.weight for share in effect.shares}
    weight = weights.pop(effect.candidate, 0.0)
    if effect.recording is not None and effect.recording.copies:
        weight = 100.0  # of copies, which it is to answer as fast as stable does
    if weight > 0 and weights:
        room.make_room(min(weights), effect.candidate, weight)


def settle(parts: Parts, effect: Settle) -> Done:
    """No rollout goes on there: autoscalers are as they were before it, where there are any."""
    room = parts.at(effect.place).room
    if room is not None:
        room.settle(effect.backends)
    return Done()
