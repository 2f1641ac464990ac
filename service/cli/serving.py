"""Which targets the doctor of a cluster looks at: those that serve there, and those that are going to."""

from policies.place import Place
from policies.release import Target
from policies.spec.declaration import Environment, GuardKind, ServeNone, Strategy
from service import places
from service.ports.clusters import Served
from service.store.states import model_of, target_of
from service.store.store import Store


def served_in(store: Store, cluster: str) -> tuple[Served, ...]:
    """The cluster's targets by name: where each serves, or where its first release will begin."""
    clusters = store.clusters()
    held = {row.name: target_of(row, row.name) for row in store.targets()}
    found = {name: Served(name, target.place) for name, target in held.items()}
    for model in map(model_of, store.models()):
        for one in () if isinstance(model.serve, ServeNone) else model.environments:
            name = f"{model.name}/{one.name}"
            place = _place(held.get(name), places.place(clusters, model, one))
            found[name] = _served(name, place, one)
    return tuple(one for _, one in sorted(found.items()) if one.place.cluster == cluster)


def _place(target: Target | None, declared: Place) -> Place:
    """A target does not move while it serves, whatever was declared since."""
    return declared if target is None or target.stable is None else target.place


def _served(name: str, place: Place, environment: Environment) -> Served:
    counted = any(guard.kind is GuardKind.QUERY for guard in environment.guards)
    noted = any(guard.by_request for guard in environment.guards)
    return Served(name, place, environment.sticky, environment.strategy is Strategy.SHADOW, counted, noted)
