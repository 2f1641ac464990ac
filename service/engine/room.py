"""Room for a candidate that stays at one weight while the load, and with it stable, grows.

A weight is written only once the candidate has copies enough for it. What stable grows by afterwards,
the candidate follows from here; nobody waits: copies are asked for, and looked at in the next round.
"""

from policies.release import Phase, Release, Target
from service.bootstrap import Parts
from service.ports.outcomes import PortError
from service.ports.workloads import Room
from service.store.states import number_of, release_of


def follow(parts: Parts, target: Target) -> None:
    """Let the candidate that shares the target's requests have as many copies as they need now."""
    room, release = parts.at(target.place).room, _holding(parts, target)
    if room is None or release is None or target.stable is None or not _shares(release):
        return
    _ask(room, target.stable.backend, release)
    now = _holding(parts, target)
    if now is None or now.final:  # its end may have let autoscalers go before they were held here
        room.settle((target.stable.backend, release.backend))


def _ask(room: Room, stable: str, release: Release) -> None:
    try:
        room.make_room(stable, release.backend, release.observed)
    except PortError:
        return  # they are on their way; what is refused is told when the next weight asks for it


def _holding(parts: Parts, target: Target) -> Release | None:
    number = number_of(target.holder or "")
    row = parts.store.release(number) if number else None
    return None if row is None else release_of(row)


def _shares(release: Release) -> bool:
    """Whether its candidate has a part of the requests, and stays there for now."""
    return (
        release.phase is Phase.SHIFTING and release.wanted == release.observed and 0 < release.observed < 100
    )
