"""Takes a connection away: nothing begins at it, and nothing is told there, any more.

Its past stays: deliveries, releases, the record. What it declared is declared no more, and what serves goes
on. Its secrets stay files, which whoever made them removes; and its webhook stays where it was set.
"""

from service import sources
from service.arrivals import connecting
from service.arrivals.connecting import OPERATOR
from service.engine import declaring
from service.engine.deciding import Deciding, decide
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from service.store.store import Store


def disconnect(settings: Settings, store: Store, name: str, by: str = OPERATOR) -> list[str]:
    """`by` stands in the record. Says what was done, and what is left to do by hand, a line each.

    Raises `Refused` for a name that is not connected, and for one that came with its organisation.
    """
    known = store.sources()
    found = next((one for one in known if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in known if not one.member) or "none"
        raise Refused(f"there is no connection {name!r}; connected: {names}")
    if found.member:
        raise Refused(
            f"{name} came with {found.keyring}, and would come again: archive the repository or remove its"
            f" segue.yaml, or take the whole away: segue disconnect {found.keyring}"
        )
    gone = [found, *(one for one in known if one.member and one.keyring == name)]
    models: list[str] = []

    def forget(deciding: Deciding) -> None:
        models[:] = [row.name for one in gone for row in deciding.change.models(one.name)]
        for one in gone:
            declaring.keep(deciding, one.name, "", ())
            deciding.change.remove_source(one.name)
            detail = {"url": sources.shown(one)}
            deciding.change.record(f"source-{one.name}", by, "disconnected", detail)

    decide(store, forget)
    sources.save(settings.home, tuple(store.sources()))
    return [*_done(found, len(gone) - 1, models), *_by_hand(settings, found)]


def _done(source: Source, members: int, models: list[str]) -> list[str]:
    told = [f"{source.name} ({source.kind}) is connected no more"]
    if members:
        told.append(f"with it went {members} repositor{'y' if members == 1 else 'ies'} of it")
    if models:
        told.append(f"no longer declared, and serving on: {', '.join(sorted(models))}")
    return told


def _by_hand(settings: Settings, source: Source) -> list[str]:
    told = []
    files = (f"hook-{source.name}", f"login-{source.name}")
    left = [name for name in files if settings.secret(name) is not None]
    if source.kind not in sources.UNHEARD_KINDS and left:
        told.append(f"what it still sends is answered 401; remove what sends to /hooks/{source.name} there")
    if left:
        place = connecting.place_of(settings, source).parent
        told.append(f"its secrets stay in {place}; remove by hand: {', '.join(left)}")
    return told
