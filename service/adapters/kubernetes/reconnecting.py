"""The line that connects a cluster once more, otherwise than it is connected now."""

import shlex

from service.ports.connections import Cluster

_OPTIONS = ("kubeconfig", "context", "namespace", "gateway", "address", "metrics", "plane", "gitops")


def line(cluster: Cluster, **changed: str) -> str:
    """What to type: the whole connection, because what is left out is forgotten.

    `changed` comes first, by option, also with words that stand for what only the reader knows, such as URL.
    """
    usual = Cluster(cluster.name)
    known = {option: getattr(cluster, option) for option in _OPTIONS}
    kept = {option: said for option, said in known.items() if said != getattr(usual, option)}
    options = {**changed, **{option: said for option, said in kept.items() if option not in changed}}
    words = [word for option, said in options.items() for word in (f"--{option}", said)]
    flags = [
        *(["--in-cluster"] if cluster.kubeconfig is None else []),
        *(["--default"] if cluster.default else []),
    ]
    return shlex.join(["segue", "cluster", cluster.name, *words, *flags])
