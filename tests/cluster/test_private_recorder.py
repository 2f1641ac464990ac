"""Segue's own image in a registry that asks for a login: pods that copy requests are pulled from there.

What containerd knows of it is the node's, so the test writes it there; on a cluster that is not ours it is skipped.
"""

import base64
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from policies.place import Place
from policies.recording import Recording
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import SECRET
from service.adapters.kubernetes.recorders import Recorders
from service.machine.installation import TOKEN
from service.ports.connections import Cluster
from service.ports.outcomes import Retry
from service.ports.traffic import Backend, Route
from service.settings import Settings
from tests.cluster import buildah
from tests.cluster.objects import deployment, http_route, service
from tests.cluster.whole import eventually
from tests.imaging import LOGIN, ImageServer, program

pytestmark = [
    pytest.mark.skipif(program() is None, reason="no image registry is installed"),
    pytest.mark.timeout(420),
]

PULL_SECRET = "our-registry"


@pytest.fixture
def server(tmp_path, kubeconfig, outside):
    """It asks for a login, and the node knows that it has no TLS."""
    if not os.environ.get("SEGUE_TEST_STOPPABLE"):
        pytest.skip("the node is not ours to tell of a registry: SEGUE_TEST_STOPPABLE is not set")
    server = ImageServer(tmp_path / "registry", secured=True, address=outside)
    folder = Path(kubeconfig).parent / "certs.d" / server.host
    folder.mkdir()
    host = f'[host."{server.url}"]\n  capabilities = ["pull", "resolve"]\n'
    (folder / "hosts.toml").write_text(f'server = "{server.url}"\n{host}')
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def image(server, segue_image, tmp_path):
    """Segue's image there, by its digest."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segue-cluster" / "segue"
    digest, login = segue_image["digest"], tmp_path / "login"
    login.write_text(":".join(LOGIN))
    buildah.chart_image().send(cache, digest, f"{server.url}/segue", "test", login)
    return f"{server.host}/segue@{digest}"


def docker_config(host):
    """The Secret of a login, as `kubectl create secret docker-registry` makes it."""
    auth = base64.b64encode(":".join(LOGIN).encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": PULL_SECRET},
        "stringData": {".dockerconfigjson": json.dumps({"auths": {host: {"auth": auth}}})},
    }


def test_pods_that_copy_are_pulled_with_the_installations_secret_and_without_it_what_is_missing_is_told(
    kubeconfig, kubectl, images, image, server, gateway, namespace, tmp_path
):
    for number in ("1", "2"):
        kubectl.apply(deployment(namespace, f"fraud-{number}", images.model(number)))
        kubectl.apply(service(namespace, f"fraud-{number}"))
        kubectl.rolled_out(namespace, f"fraud-{number}")
    kubectl.apply(http_route(namespace, "fraud", "private.test", gateway.reference, {"fraud-1": 1}))
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / TOKEN).write_text("operators")
    cluster = Cluster("test", kubeconfig=str(kubeconfig), namespace=namespace, owner="tests")
    place, api = Place("test", namespace, "fraud", f"{namespace}/fraud"), Api.of(cluster)
    settings = Settings(home=home, builder_image=image, builder_pull_secrets=(PULL_SECRET,))
    router = GatewayRouter(api, cluster, place, recorders=Recorders(api, cluster, place, settings))
    one, two = (
        Backend(f"fraud-{number}.{namespace}", f"http://fraud-{number}.{namespace}.svc:80", weight)
        for number, weight in ((1, 100.0), (2, 0.0))
    )
    plain = Route("fraud/production", 1, (one, two), attempt=2)
    copied = replace(plain, recording=Recording(copies=True), copied=two.name, attempt=1)
    said = []

    def written(route):
        try:
            return router.set(route)
        except Retry as reason:
            said.append(str(reason))
            return None

    def told():
        return written(copied) is None and f"there is no pull secret {PULL_SECRET}" in said[-1]

    eventually(told, "nobody says what is missing", 90)
    api.create(SECRET, namespace, docker_config(server.host))
    eventually(lambda: written(copied), "it is not pulled", 180)
    eventually(lambda: written(plain), "it does not end", 120)
