"""Where targets serve and versions are evaluated, by the clusters that are connected."""

from collections.abc import Sequence

from policies.place import Place, place_of
from policies.spec.declaration import Environment, Model, ServeDeployment
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
