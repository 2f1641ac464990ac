"""Where targets serve and versions are evaluated, by the clusters that are connected."""

from collections.abc import Iterator, Sequence

from policies.place import Place, place_of
from policies.spec.declaration import Environment, Model, ServeDeployment
from policies.spec.mistakes import Mistake, mistake
from policies.spec.node import Place as Position
from service.ports import Cluster


def place(clusters: Sequence[Cluster], model: Model, environment: Environment) -> Place:
    """Where the environment is: in the cluster that it names, in the default one, or here.

    A model that takes over a Deployment needs a cluster; the only one that is connected will do. One
    that is not connected stays a name: whoever acts there is refused.
    """
    found = _fitting(clusters, model, environment)
    cluster = found.name if found else environment.cluster
    return place_of(model, environment, cluster, found.namespace if found else "")


def home(clusters: Sequence[Cluster], model: Model) -> Place:
    """Where the model's versions are evaluated: beside its first environment."""
    first = place(clusters, model, model.environments[0])
    return Place(first.cluster, first.namespace)


def _fitting(clusters: Sequence[Cluster], model: Model, environment: Environment) -> Cluster | None:
    if environment.cluster is not None:
        return next((c for c in clusters if c.name == environment.cluster), None)
    default = next((c for c in clusters if c.default), None)
    if default is None and isinstance(model.serve, ServeDeployment) and len(clusters) == 1:
        return clusters[0]
    return default


def mistakes(clusters: Sequence[Cluster], models: Sequence[Model]) -> Iterator[Mistake]:
    """What names a cluster that is not connected, or leaves open which of several is meant."""
    known = tuple(cluster.name for cluster in clusters)
    shown = ", ".join(known) or "none is connected yet: segue cluster NAME"
    for model in models:
        for environment in model.environments:
            named = environment.cluster
            path = f"environments.{environment.name}.cluster"
            if named is not None and named not in known:
                message = f"no cluster {named!r} is connected; connected: {shown}"
                yield mistake(Position(path), message, found=named, allowed=known)
            elif isinstance(model.serve, ServeDeployment) and _fitting(clusters, model, environment) is None:
                message = f"which cluster has {model.serve.deployment}? write `cluster:`; connected: {shown}"
                yield mistake(Position(path), message, found=model.serve.deployment, allowed=known)
