"""Whatever is ordered, the API server takes what Segue makes of it, under restricted pod security.

Pods are asked for by themselves too: for a Deployment pod security only warns. SEGUE_TEST_ORDERS says
how many orders are generated.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.place import Place, backend_name
from policies.spec.declaration_cluster import (
    BucketWeights,
    ClaimWeights,
    External,
    ImageWeights,
    PodNeeds,
    Replicas,
    Toleration,
    Volume,
)
from service.adapters.kubernetes import labels, manifests, scaling
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, NAMESPACE, PDB, POD, SERVICE
from service.ports.connections import Cluster
from service.ports.jobs import Limits
from service.ports.workloads import WorkloadOrder

ORDERS = int(os.environ.get("SEGUE_TEST_ORDERS", "60"))
NAMES = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
LABEL = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
KEYS = st.builds("{}.example/{}".format, LABEL, LABEL)
SECRETS = st.lists(LABEL, max_size=2, unique=True).map(tuple)


def pairs(values):
    return st.dictionaries(KEYS, values, max_size=2).map(lambda found: tuple(found.items()))


TOLERATIONS = st.builds(
    Toleration,
    KEYS,
    st.none() | LABEL,
    st.sampled_from([None, "NoSchedule", "PreferNoSchedule", "NoExecute"]),
)
VOLUMES = st.builds(Volume, LABEL, st.from_regex(r"/data/[a-z]{1,9}", fullmatch=True), st.booleans())
NEEDS = st.builds(
    PodNeeds,
    extended=pairs(st.integers(1, 16)),
    node_selector=pairs(LABEL),
    tolerations=st.lists(TOLERATIONS, max_size=2).map(tuple),
    pull_secrets=SECRETS,
    secrets=SECRETS,
    volumes=st.lists(VOLUMES, max_size=2, unique_by=lambda one: one.path).map(tuple),
)
REPOSITORIES = st.from_regex(
    r"[a-z0-9]{1,9}(?:\.example)?(?::[1-9][0-9]{1,3})?(?:/[a-z0-9]{1,9}){1,3}", fullmatch=True
)
DIGESTED = st.builds("{}@sha256:{}".format, REPOSITORIES, st.from_regex(r"[0-9a-f]{64}", fullmatch=True))
AIMS = st.floats(0.001, 1e12)
METRICS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,40}", fullmatch=True)
EXTERNAL = st.builds(External, METRICS, AIMS, st.none(), pairs(LABEL)) | st.builds(
    External, METRICS, st.none(), AIMS
)
REPLICAS = st.builds(
    lambda least, more, cpu, pods, external: Replicas(
        least, least + more, *((cpu, pods, external) if more else ())
    ),
    st.integers(1, 40),
    st.integers(0, 40),
    st.none() | st.floats(0.01, 1),
    st.dictionaries(METRICS, AIMS, max_size=2).map(lambda found: tuple(found.items())),
    st.lists(EXTERNAL, max_size=2, unique_by=lambda one: one.metric).map(tuple),
)
FOLDERS = ("s3://models/a", "gs://models/a", "https://acme.blob.core.windows.net/models/a")
MOUNTED = st.from_regex(r"/weights/[a-z]{1,9}", fullmatch=True)
WEIGHTS = (
    st.builds(
        ClaimWeights, LABEL, st.from_regex(r"[a-z0-9 ._]{0,9}[a-z]/[0-9]{1,5}", fullmatch=True), MOUNTED
    )
    | st.builds(ImageWeights, DIGESTED, MOUNTED)
    | st.builds(
        BucketWeights, st.sampled_from(FOLDERS), MOUNTED, st.just("a" * 64), st.none() | LABEL, DIGESTED
    )
)
LIMITS = st.builds(Limits, st.floats(0.001, 512), st.integers(1 << 12, 1 << 44), st.just(0.0))


@st.composite
def orders(draw):
    model, environment = draw(NAMES), draw(NAMES)
    key = draw(st.from_regex(r"[0-9a-f]{16}", fullmatch=True))
    return WorkloadOrder(
        name=backend_name(model, environment, key, Place("c", "ml")),
        image=draw(DIGESTED),
        run=draw(st.lists(TEXTS, max_size=4).map(tuple)),
        port=draw(st.integers(1, 65_535)),
        limits=draw(LIMITS),
        health=draw(st.from_regex(r"/[A-Za-z0-9_./~%-]{0,60}", fullmatch=True)),
        target=f"{model}/{environment}",
        env=(("SEGUE_VERSION", draw(TEXTS)),),
        pod=draw(NEEDS),
        replicas=draw(REPLICAS),
        weights=draw(st.none() | WEIGHTS),
    )


@pytest.fixture(scope="module")
def api(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


@pytest.fixture(scope="module")
def restricted(api):
    name = "segue-test-accepted"
    worn = {"pod-security.kubernetes.io/enforce": "restricted", "segue-test": "yes"}
    if api.get(NAMESPACE, None, name) is None:
        api.create(NAMESPACE, None, {"metadata": {"name": name, "labels": worn}})
    yield name
    api.delete(NAMESPACE, None, name)


def pod_of(deployment):
    template = deployment["spec"]["template"]
    return {**template, "metadata": {**template["metadata"], "name": deployment["metadata"]["name"]}}


def objects_of(order, owner):
    """All that becomes of it: (kind, body)."""
    name = order.name.partition(".")[0]
    worn = labels.labels(order.target, name, owner)
    deployment = manifests.deployment(order, name, worn)
    yield DEPLOYMENT, deployment
    yield POD, pod_of(deployment)
    yield SERVICE, manifests.service(name, worn, manifests.own_ports(order))
    yield PDB, manifests.budget(name, worn)
    wanted = manifests.autoscaler(order)
    if wanted is not None:
        yield HPA, scaling.begun_held(wanted, name, name, worn, order.replicas.least)


@pytest.fixture(scope="module")
def several():
    with ThreadPoolExecutor(5) as pool:
        yield pool


@settings(max_examples=ORDERS, suppress_health_check=list(HealthCheck))
@given(order=orders(), owner=LABEL)
def test_every_order_becomes_objects_that_the_api_server_takes(api, restricted, several, order, owner):
    tried = [
        several.submit(api.create, kind, restricted, body, dry_run=True)
        for kind, body in objects_of(order, owner)
    ]
    for one in tried:
        one.result()


@given(order=orders())
@settings(max_examples=200)
def test_nothing_that_is_ordered_weakens_the_pods_security(order):
    pod = pod_of(manifests.deployment(order, "x", labels.labels(order.target, "x", "us")))["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["containers"], *pod.get("initContainers", [])):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
