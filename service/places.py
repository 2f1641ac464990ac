"""Where targets serve and versions are evaluated, by the clusters that are connected."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from policies.place import Place, place_of
from policies.spec.declaration import (
    Environment,
    FromBuild,
    FromImage,
    Model,
    ServeDeployment,
    ServeRun,
    ServeServices,
)
from policies.spec.declaration_cluster import PodNeeds, Replicas
from policies.spec.mistakes import Mistake, mistake
from policies.spec.node import Place as Position
from policies.spec.support import in_cluster, recorded, refused
from service.ports.connections import MARKING, Cluster

EXISTING = (ServeDeployment, ServeServices)  # what is in a cluster before Segue comes


def place(clusters: Sequence[Cluster], model: Model, environment: Environment) -> Place:
    """Where the environment is: in the cluster that it names, in the default one, or here.

    A model of what exists there needs a cluster; the only one that is connected will do. One
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
    if default is None and isinstance(model.serve, EXISTING) and len(clusters) == 1:
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
            elif (there := _existing(model)) and _fitting(clusters, model, environment) is None:
                message = f"which cluster has {there}? write `cluster:`; connected: {shown}"
                yield mistake(Position(path), message, found=there, allowed=known)
            elif place(clusters, model, environment).cluster is None and (image := _foreign_image(model)):
                message = (
                    f"{image} and runs only in a cluster; this machine runs what Segue makes of a lock file."
                    f" Write `cluster:`; connected: {shown}"
                )
                yield mistake(Position(path), message, found=image.partition(" ")[0], allowed=known)
            yield from _keeping(clusters, model, environment)
            yield from _noting(clusters, model, environment)
            if place(clusters, model, environment).cluster is not None and not in_cluster(model, environment):
                needs = recorded(model, environment, f"environments.{environment.name}.")
                yield from (refused(need) for need in needs)
        yield from _only_in_a_cluster(clusters, model)


def _existing(model: Model) -> str:
    """What is there already and serves; "" where Segue starts what serves."""
    match model.serve:
        case ServeDeployment(deployment=name) | ServeServices(candidate=name):
            return name
        case _:
            return ""


def _keeping(clusters: Sequence[Cluster], model: Model, environment: Environment) -> Iterator[Mistake]:
    """A route of Segue's own keeps users by matches and headers that not every data plane is known for."""
    found = _fitting(clusters, model, environment)
    if environment.sticky == "none" or found is None or isinstance(model.serve, ServeDeployment):
        return
    if found.plane not in MARKING:
        message = (
            f"`sticky: {environment.sticky}` was seen to work with {', '.join(sorted(MARKING))} only, and"
            f" the cluster {found.name} is connected with --plane {found.plane}; leave it out there"
        )
        path = f"environments.{environment.name}.sticky"
        yield mistake(Position(path), message, found=environment.sticky)


def _noting(clusters: Sequence[Cluster], model: Model, environment: Environment) -> Iterator[Mistake]:
    """Who answered is known by what a route of Segue's own has its data plane say of each answer."""
    found = _fitting(clusters, model, environment)
    if found is None or found.plane in MARKING or isinstance(model.serve, EXISTING):
        return
    for guard in environment.guards:
        if guard.by_request:
            message = (
                f"`by: request` was seen to work with {', '.join(sorted(MARKING))} only, and the cluster"
                f" {found.name} is connected with --plane {found.plane}; let the rows name the version, as"
                " the model logs it"
            )
            path = f"environments.{environment.name}.guards.{guard.name}.by"
            yield mistake(Position(path), message, found="request")


def _only_in_a_cluster(clusters: Sequence[Cluster], model: Model) -> Iterator[Mistake]:
    """What is asked of pods where some are processes of this machine."""
    here = [e.name for e in model.environments if place(clusters, model, e).cluster is None]
    asked = {
        **_asked("", model.pod),
        **({"replicas": f"up to {model.replicas.most}"} if model.replicas != Replicas() else {}),
        **({"weights": model.weights.path} if model.weights is not None else {}),
    }
    if here:
        for path, found in asked.items():
            yield _not_here(path, found, here[0])
    if model.evaluate is not None and home(clusters, model).cluster is None:
        measured = _asked("evaluate.", model.evaluate.pod)
        if model.evaluate.image is not None:  # this machine runs images that Segue built
            measured["evaluate.image"] = model.evaluate.image
        for path, found in measured.items():
            yield _not_here(path, found, model.environments[0].name)


def _asked(at: str, pod: PodNeeds) -> dict[str, str]:
    asked = {f"{at}resources.{name}": str(count) for name, count in pod.extended}
    if replace(pod, extended=()) != PodNeeds():
        asked[f"{at}pod"] = ""
    return asked


def _not_here(path: str, found: str, environment: str) -> Mistake:
    message = (
        f"`{path}` is for pods of a cluster, and the environment {environment} is this machine: write"
        " `cluster:` there, or connect a cluster with --default"
    )
    return mistake(Position(path), message, found=found)


def _foreign_image(model: Model) -> str | None:
    """What brings a system of its own and would be started, to serve or to be evaluated, and how it came
    to be; None for none."""
    evaluated = model.evaluate is not None and model.evaluate.image is None
    if not (isinstance(model.serve, ServeRun) or evaluated):
        return None
    match model.source:
        case FromImage(reference=reference):
            return f"{reference} was built by somebody else"
        case FromBuild(dockerfile=str(dockerfile)):
            return f"{dockerfile} makes an image with a system of its own"
        case _:
            return None
