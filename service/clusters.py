"""Connections to clusters: how each is reached, kept without any secret."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from policies.place import Place
from service import commits, plugins
from service.arrivals import connecting
from service.ports.clusters import ClusterView
from service.ports.connections import Cluster
from service.ports.outcomes import Refused
from service.settings import Settings
from service.store.change import Change
from service.store.store import Store

PLANES = ("traefik", "envoy", "istio", "nginx")


def kubeconfig(given: str | None, environ: Mapping[str, str]) -> str:
    """The whole path of the kubeconfig: the given one, `KUBECONFIG`'s, or that of the home folder.

    Raises `Refused` where there is no such file.
    """
    named = given or environ.get("KUBECONFIG") or str(Path(environ.get("HOME", "/")) / ".kube" / "config")
    path = Path(named).absolute()
    if not path.is_file():
        raise Refused(f"there is no kubeconfig {path}; write --kubeconfig FILE, or --in-cluster in a pod")
    return str(path)


def connect(settings: Settings, store: Store, cluster: Cluster) -> list[str]:
    """Make or change a connection; says what was done, a line each.

    Raises `Refused` or `Retry` where the cluster does not answer as it should; nothing is stored then.
    """
    connecting.check_name(cluster.name)
    _check_pair("--gateway", cluster.gateway)
    if cluster.gitops is not None:
        _check_commits(settings, store, commits.Spot.of(cluster.gitops))
    known = {one.name: one for one in store.clusters()}
    same = known.get(cluster.name)
    cluster = replace(cluster, owner=same.owner if same else secrets.token_hex(4))
    version = view(cluster).version()

    def save(change: Change) -> None:
        for other in known.values() if cluster.default else ():
            change.save_cluster(replace(other, default=False))
        change.save_cluster(cluster)
        told = {"context": cluster.context, "namespace": cluster.namespace}
        change.record(f"cluster-{cluster.name}", "operator", "connected", told)

    store.decide(save)
    place = Place(cluster.name, cluster.namespace)
    where = f", committed to {cluster.gitops}" if cluster.gitops else ""
    return [
        f"cluster {cluster.name} answers: Kubernetes {version}",
        f"workloads of Segue's own live in namespace {place.namespace}{where}",
        f"next: segue doctor --cluster {cluster.name}",
    ]


def view(cluster: Cluster) -> ClusterView:
    """The questions that can be asked of it."""
    found: ClusterView = plugins.load("clusters", "kubernetes").open(cluster)
    return found


def _check_commits(settings: Settings, store: Store, spot: commits.Spot) -> None:
    """Raises `Refused` where commits would not be applied, or would start releases themselves."""
    files = commits.writer(settings, store.sources(), spot)
    commits.check(files, spot)
    models = ", ".join(row.name for row in store.models(spot.source))
    if models:
        raise Refused(
            f"{spot.source} declares models ({models}): each commit of Segue's would be a push to them; keep"
            " what is deployed in a repository of its own"
        )


def _check_pair(option: str, text: str | None) -> None:
    if text is not None and (text.count("/") != 1 or not all(text.split("/"))):
        raise Refused(f"{option} is {text!r}; write a namespace and a name, such as infra/web")
