"""Whatever a segue.yaml asks for: it is refused when it is checked, or the API server accepts the manifest."""

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from policies.place import Place, backend_name
from policies.version import begin
from policies.weights import weights_of
from service.adapters.kubernetes import job_manifest, labels, manifests, scaling
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, JOB, POD
from service.ports.connections import Cluster
from service.ports.jobs import Job, Limits
from service.ports.outcomes import Refused
from service.ports.workloads import WorkloadOrder
from service.segue_yaml import check

SPECS = int(os.environ.get("SEGUE_TEST_SPECS", "200"))  # 10000 for the whole promise
IMAGE = "r.example/wine@sha256:" + "0" * 64
AT_ONCE = 8  # dry runs wait for the server most of their time
SIGNS = "abz09AZ-_./:= @%ä$\n"
# Of each kind what is right, up to the edge, and what is not.
NAMES = ("a", "data-1", "a.b", "1", "x" * 63, "x" * 253), ("Data", "a_b", "-a", "a-", "a..b", ".a", "x" * 254)
KEYS = (
    ("disk", "acme.com/disk", "disk_1", "a.b/" + "y" * 63, "topology.kubernetes.io/zone"),
    ("A/b", "a/b/c", "x" * 64),
)
VALUES = ("ssd", "true", "1.5", "", "x" * 63), ("a b", "_a", "x" * 64, "ä")
DEVICES = (
    ("nvidia.com/gpu", "amd.com/gpu", "a/b", "a.b/" + "z" * 63),
    ("kubernetes.io/x", "requests.a/b", "A.b/c", "gpu"),
)
COUNTS = ("1", "2", "100000"), ("0", "0.5", "-1", "100001", "x")
PATHS = (
    ("/data", "/data/", "/models/v 1", "//x", "/ä", "/data/deep"),
    ("x", "/", "/tmp", "/a/../b", "/a:b", "/dev/shm"),
)
TOLERATIONS = (
    ("a", "a=b", "a/b=c:NoSchedule", "a:NoExecute", "a=:PreferNoSchedule"),
    ("a:b", "=b", "a b", ":NoSchedule"),
)
WORDS = ("python", "e.py", "$(HOME)", "--x=$X", "a b", "$$", "ä", "'"), ()
CPU = ("1", "0.01", "1024", "2.5", "1e3"), ("0.005", "0", "2000")
MEMORY = ("1Gi", "1Mi", "64Ti", "1.5Gi", "512 Mi"), ("100Ki", "1GB")
TIME = ("10m", "1ms", "30d", "0s", "1.5h"), ("367d", "5")
FOLDERS = ("ranker/7", "a", "./a//b/", "ä b/ü", "x" * 200), ("../x", "/a", ".", "a:b", "{version}", "a/{x}")
DIGESTS = (
    ("r.example/w@sha256:" + "1" * 64, "localhost:5000/a/b@sha256:" + "f" * 64),
    ("r.example/w:1", "built", "r.example/w@sha256:1", "R@sha256:" + "1" * 64),
)
BUCKETS = (
    ("s3://models/ranker/7", "https://x.example:9000/m/a@b/", "gs://m.x-1/a!b'(c)*"),
    ("s3://models", "ftp://models/a", "s3://a/b", "s3://models/a b", "s3://models/../b", "s3://models/$(X)"),
)
SUMS = ("a" * 64, "0" * 64), ("a" * 63, "A" * 64)
PORTS = ("1", "8080", "65535"), ("0", "65536", "http")
HEALTH = ("/", "/ready", "/a-b/~c%20d"), ("ready", "/a?b", "/ä")
COPIES = ("1", "2", "1000"), ("0", "1001", "0.5")
USED = ("1%", "70%", "100%"), ("0%", "101%", "0.7")
METRICS = ("requests", "queue_length", "a.b:c-d", "9", "x" * 200), ("a/b", "a b", "-a", "x" * 201)
AIMS = ("1", "0.001", "0.5", "1e12", "1234.5678"), ("0", "0.0001", "-1")
MODELS = ("wine", "a", "a-b", "a" * 40, "1"), ("a" * 41, "A")


class Drawing:
    """A file's texts: mostly right ones, some that are just wrong, now and then anything."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def one(self, known):
        right, wrong = known
        chance = self._random.random()
        if chance < 0.02:
            return "".join(self._random.choices(SIGNS, k=self._random.randint(0, 12)))
        return self._random.choice(wrong if wrong and chance < 0.06 else right)

    def some(self, known, most=3):
        return [self.one(known) for _ in range(self._random.randint(1, most))]

    def maybe(self, chance=0.4):
        return self._random.random() < chance

    def pod(self):
        made = {
            "node_selector": {key: self.one(VALUES) for key in self.some(KEYS, 2)},
            "tolerations": self.some(TOLERATIONS),
            "priority_class": self.one(NAMES),
            "service_account": self.one(NAMES),
            "pull_secrets": self.some(NAMES, 2),
            "secrets": self.some(NAMES, 2),
            "volumes": {
                name: self.one(PATHS) if self.maybe(0.7) else {"path": self.one(PATHS), "write": True}
                for name in self.some(NAMES, 2)
            },
            "queue": self.one(NAMES),
        }
        return {key: value for key, value in made.items() if self.maybe()}

    def weights(self):
        where = {
            "claim": {"claim": self.one(NAMES), "folder": self.one(FOLDERS)},
            "image": {"image": self.one(DIGESTS)},
            "bucket": {"bucket": self.one(BUCKETS), "sums": self.one(SUMS), "secret": self.one(NAMES)},
        }
        found = where[self._random.choice(list(where))]
        return {**found, **({"path": self.one(PATHS)} if self.maybe() else {})}

    def resources(self, **more):
        made = {
            "cpu": self.one(CPU),
            "memory": self.one(MEMORY),
            **more,
            **{device: self.one(COUNTS) for device in self.some(DEVICES, 2)},
        }
        return {key: value for key, value in made.items() if self.maybe()}

    def replicas(self):
        aims = {
            "cpu": self.one(USED),
            "per_copy": {name: self.one(AIMS) for name in self.some(METRICS, 2)},
            "external": {name: self.external() for name in self.some(METRICS, 2)},
        }
        return {"max": self.one(COPIES), **{key: value for key, value in aims.items() if self.maybe()}}

    def external(self):
        labels = {key: self.one(VALUES) for key in self.some(KEYS, 2)}
        aim = {self._random.choice(("total", "each")): self.one(AIMS)}
        return {**aim, **({"labels": labels} if self.maybe() else {})}

    def file(self):
        evaluate = {
            "run": self.some(WORDS, 5),
            "pod": self.pod(),
            "resources": self.resources(time=self.one(TIME)),
        }
        served = {"pod": self.pod(), "resources": self.resources(), "replicas": self.replicas()}
        pod = served["pod"]
        pod.pop("queue", None)  # is for evaluations alone
        health = {"health": self.one(HEALTH)} if self.maybe() else {}
        return {
            "name": self.one(MODELS),
            "image": "r.example/wine:main-*",
            "serve": {"port": self.one(PORTS), **health},
            "evaluate": {key: value for key, value in evaluate.items() if value},
            **{key: value for key, value in served.items() if value and self.maybe()},
            **({"weights": self.weights()} if self.maybe() else {}),
        }


@pytest.fixture(scope="module")
def api(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


def taken(api, namespace, seed):
    """Whether the file of this seed is not refused. Fails where the server then refuses what it becomes."""
    text = json.dumps(Drawing(seed).file())
    checked = check(text.encode(), "")
    if checked.mistakes:
        return False
    (model,) = checked.models
    weights = weights_of(begin(model, None, None, "sha256:0")[0], "", IMAGE)
    try:
        for kind, made in (*evaluated(model, weights, seed), *served(model, weights, seed)):
            api.create(kind, namespace, made, dry_run=True)
    except Refused as error:
        pytest.fail(f"{error}\n{text}")
    return True


def evaluated(model, weights, seed):
    """The Job that evaluates a version, and its pod by itself: of a Job pod security only warns."""
    wanted, asked = model.evaluate.resources, model.evaluate
    limits = Limits(wanted.cpu, wanted.memory, wanted.seconds)
    job = Job(f"{model.name}-{seed:024x}-1", IMAGE, asked.run, limits, pod=asked.pod, weights=weights)
    made = job_manifest.manifest(job, {"segue.dev/owner": "test"}, 1800)
    return (JOB, made), (POD, alone(made))


def served(model, weights, seed):
    """The Deployment that serves it, its pod, and its autoscaler where it has one."""
    (environment,) = model.environments
    target, wanted = f"{model.name}/{environment.name}", model.resources
    order = WorkloadOrder(
        backend_name(model.name, environment.name, f"{seed:016x}", Place("test", "ml")),
        IMAGE,
        model.serve.run,
        model.serve.port,
        Limits(wanted.cpu, wanted.memory, 0),
        model.serve.health,
        target,
        pod=model.pod,
        replicas=model.replicas,
        weights=weights,
    )
    name = order.name.partition(".")[0]
    worn = labels.labels(target, name, "test")
    made = manifests.deployment(order, name, worn)
    scaler = manifests.autoscaler(order)
    least = model.replicas.least
    scalers = [] if scaler is None else [(HPA, scaling.begun_held(scaler, name, name, worn, least))]
    return (DEPLOYMENT, made), (POD, alone(made)), *scalers


def alone(made):
    """The pod of an object. Which accounts and classes there are is the cluster's, and no fault of a manifest."""
    spec = made["spec"]["template"]["spec"]
    kept = {
        key: value for key, value in spec.items() if key not in {"serviceAccountName", "priorityClassName"}
    }
    return {"metadata": {"name": "p"}, "spec": kept}


def test_what_is_not_refused_in_the_file_is_accepted_by_the_server_under_restricted_security(api, namespace):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        accepted = sum(pool.map(lambda seed: taken(api, namespace, seed), range(SPECS)))
    assert accepted > SPECS / 4
