"""Which latency guards are blind to what they are to see, by the router's buckets.

Those of this machine's router are known; those of others once a target's requests were counted in them.
"""

from collections.abc import Iterable, Iterator

from policies.guards import coarse, stretch
from policies.guards.coarse import Coarse, Usual
from policies.release import Target
from policies.spec.declaration import Model
from policies.spec.support import BOUNDS, in_cluster
from service.store.series import Series


def declared(models: Iterable[Model], usual: Usual | None) -> Iterator[tuple[str, Coarse]]:
    """By the bounds of this machine's router; those of a cluster's are known once it has served."""
    for model in models:
        for environment in model.environments:
            if not in_cluster(model, environment):
                for found in coarse.coarse(environment.guards, BOUNDS, usual):
                    yield f"{model.name}/{environment.name}", found


def served(
    series: Series, models: Iterable[Model], targets: Iterable[Target]
) -> Iterator[tuple[str, Coarse]]:
    """By what stable has served in the last day, whatever router counted it."""
    guards = {f"{model.name}/{one.name}": one.guards for model in models for one in model.environments}
    for target in targets:
        if target.stable is None or target.name not in guards:
            continue
        rows = [row for row in series.stretches(target.name) if row.version == target.stable.backend]
        counts, bounds = stretch.pooled(stretch.from_json(row.at, row.body) for row in rows)
        if bounds:
            for found in coarse.coarse(guards[target.name], bounds, coarse.usual(counts, bounds)):
                yield target.name, found
