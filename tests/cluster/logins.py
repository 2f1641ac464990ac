"""A login for tests that has what the chart gives to Segue's workers, and nothing more."""

import json
from contextlib import contextmanager

from tests.cluster import audit
from tests.cluster.helm import rendered

_KINDS = {"ServiceAccount", "Role", "RoleBinding"}


def objects(namespace, gateway, builds=""):
    """The chart's service account and rights, for a release in the namespace and the gateway of the tests, if they have one;
    `builds`: the namespace in which Dockerfiles are built."""
    values = {
        "image": {"repository": "registry.example/segue"},
        "cluster": {"gateway": "/".join(gateway.reference)} if gateway.reference else {},
        "builder": {"dockerfiles": {"namespace": builds}},
    }
    found = [one for one in rendered(values, namespace) if one["kind"] in _KINDS]
    for one in found:
        one["metadata"].setdefault("namespace", namespace)
    return found


@contextmanager
def given(kubectl, namespace, gateway, path, builds="", *, restarted=False):
    """Give the chart's rights in the namespace to its service account `segue`; the kubeconfig at `path` is its login.

    Afterwards it may have asked for nothing that is not among its rights, where the cluster's audit log can be
    read, and none of its calls may have been denied; `restarted`: but by a server that the test started anew,
    which denies what it will allow once it knows all rights.
    """
    rights = objects(namespace, gateway, builds)
    kubectl.apply(*rights)
    yield kubeconfig(kubectl, namespace, path)
    for one in rights:
        words = (one["kind"], one["metadata"]["name"], "-n", one["metadata"]["namespace"])
        kubectl.run("delete", *words, "--ignore-not-found")
    if (log := audit.log_of(kubectl.kubeconfig)).is_file():
        audit.check(log, rights, namespace, restarted=restarted)


def kubeconfig(kubectl, namespace, path):
    """Write the kubeconfig of the service account `segue`; its path."""
    told = json.loads(kubectl.run("config", "view", "--raw", "--minify", "-o", "json"))
    token = kubectl.run("create", "token", "segue", "-n", namespace, "--duration", "2h").strip()
    told["users"] = [{"name": told["contexts"][0]["context"]["user"], "user": {"token": token}}]
    path.write_text(json.dumps(told))
    return path
