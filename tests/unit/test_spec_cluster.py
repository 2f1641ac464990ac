"""The keys that only a cluster can follow: what they mean, and what Kubernetes would refuse."""

from dataclasses import replace

import pytest
from inline_snapshot import snapshot

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
from policies.spec.support import EMBEDDED, needs
from policies.version import content_key
from service import places
from service.ports.connections import Cluster
from service.segue_yaml import check, load

REGISTERED = "name: ranker\nmodel: models:/{name}@challenger\nserve: mlflow\n"
BUILD = "name: wine\nbuild: {lock: a.txt}\nserve: {run: python serve.py}\n"


def model(text):
    (found,) = load(text.encode(), "")
    return found


def evaluated(more):
    return f"{BUILD}evaluate: {{run: python e.py, {more}}}\n"


def mistakes(text):
    return [f"{m.line}:{m.column} {m.path}: {m.message}" for m in check(text.encode(), "").mistakes]


def test_everything_that_a_pod_can_ask_for():
    found = model(
        BUILD
        + "resources: {memory: 8Gi, nvidia.com/gpu: 1}\n"
        + "replicas: {min: 2, max: 6, cpu: 70%}\n"
        + "pod:\n"
        + "  node_selector: {acme.com/disk: ssd, spot: false}\n"
        + "  tolerations: [nvidia.com/gpu, dedicated=ml:NoSchedule, 'spot:NoExecute']\n"
        + "  priority_class: serving\n"
        + "  service_account: models\n"
        + "  pull_secrets: registry\n"
        + "  secrets: [feature-store, tracking]\n"
        + "  volumes: {weights: /models, scratch: {path: /scratch/, write: true}}\n"
    )
    assert found.pod == PodNeeds(
        extended=(("nvidia.com/gpu", 1),),
        node_selector=(("acme.com/disk", "ssd"), ("spot", "false")),
        tolerations=(
            Toleration("nvidia.com/gpu"),
            Toleration("dedicated", "ml", "NoSchedule"),
            Toleration("spot", None, "NoExecute"),
        ),
        priority_class="serving",
        service_account="models",
        pull_secrets=("registry",),
        secrets=("feature-store", "tracking"),
        volumes=(Volume("scratch", "/scratch", write=True), Volume("weights", "/models")),
    )
    assert found.replicas == Replicas(2, 6, 0.7)
    assert (found.resources.cpu, found.resources.memory) == (1.0, 8 << 30)


def test_an_evaluation_asks_for_itself():
    found = model(evaluated("resources: {time: 5m, amd.com/gpu: 2}, pod: {queue: gpus}"))
    assert found.evaluate.pod == PodNeeds(extended=(("amd.com/gpu", 2),), queue="gpus")
    assert (found.evaluate.resources.seconds, found.evaluate.resources.cpu) == (300.0, 1.0)
    assert found.pod == PodNeeds()


def test_replicas_may_be_one_number():
    assert model(BUILD + "replicas: 3\n").replicas == Replicas(3, 3)
    assert model(BUILD + "replicas: {max: 3}\n").replicas == Replicas(1, 3, 0.8)
    assert not model(BUILD + "replicas: 3\n").replicas.vary
    assert model(BUILD).replicas == Replicas()


def test_autoscalers_may_look_at_other_things_than_cpu():
    queue = "external: {jobs: {total: 30, labels: {queue: churn}}, age: {each: 0.5}}"
    found = model(BUILD + f"replicas: {{max: 3, per_copy: {{requests: 20}}, {queue}}}\n").replicas
    external = (External("age", each=0.5), External("jobs", total=30, labels=(("queue", "churn"),)))
    assert found == Replicas(1, 3, None, (("requests", 20.0),), external)
    assert model(BUILD + "replicas: {max: 3, cpu: 50%, per_copy: {requests: 20}}\n").replicas.cpu == 0.5
    assert found.vary


def test_where_weights_can_be():
    claim = ClaimWeights("models", "ranker/{version}", "/opt/segue/model")
    assert model(REGISTERED + "weights: {claim: models, folder: './{name}//{version}/'}\n").weights == claim
    assert model(REGISTERED + "weights: {image: built}\n").weights == ImageWeights(None, "/opt/segue/model")
    fixed = f"weights: {{image: 'ghcr.io/acme/w@sha256:{'a' * 64}', path: /models}}\n"
    assert model(BUILD + fixed).weights == ImageWeights(f"ghcr.io/acme/w@sha256:{'a' * 64}", "/models")
    assert model(BUILD + "weights: {claim: m, folder: v7}\n").weights.folder == "v7"
    bucket = "weights: {bucket: 's3://acme-models/{name}/{version}/', secret: keys}\n"
    assert model(REGISTERED + bucket).weights == BucketWeights(
        "s3://acme-models/ranker/{version}", "/opt/segue/model", None, "keys"
    )
    sums = "a" * 64
    assert model(BUILD + f"weights: {{bucket: 'https://x.example/m/7', sums: {sums}}}\n").weights.sums == sums
    assert model(BUILD).weights is None


def test_what_a_pod_asks_for_is_laid_over_defaults_key_by_key():
    text = (
        "defaults: {resources: {cpu: 2, nvidia.com/gpu: 1}, pod: {node_selector: {a: b}, secrets: x}}\n"
        "models:\n"
        "  one: {image: 'r/one:1', serve: {port: 80}, pod: {node_selector: {c: d}}}\n"
        "  two: {image: 'r/two:1', serve: {port: 80}, resources: {nvidia.com/gpu: 4}}\n"
    )
    one, two = load(text.encode(), "")
    assert one.pod.node_selector == (("a", "b"), ("c", "d"))
    assert one.pod.secrets == two.pod.secrets == ("x",)
    assert two.pod.extended == (("nvidia.com/gpu", 4),)
    assert two.resources.cpu == 2


WRONG = {
    "resources: {cpus: 2}",
    "resources: {NVIDIA.com/gpu: 1}",
    "resources: {nvidia.com/gpu: 0.5}",
    "resources: {nvidia.com/gpu: 0}",
    "resources: {node.kubernetes.io/cpu: 1}",
    "resources: {requests.nvidia.com/gpu: 1}",
    "resources: {time: 5m}",
    "replicas: 0",
    "replicas:",
    "pod: {volumes: {data: }}",
    "replicas: {min: 2}",
    "replicas: {min: 5, max: 4}",
    "replicas: {max: 4, cpu: 0.7}",
    "pod: {node_selector: {disk type: ssd}}",
    "pod: {node_selector: {disk: very fast}}",
    f"pod: {{node_selector: {{disk: {'x' * 64}}}}}",
    "pod: {tolerations: dedicated=ml:NoSchedul}",
    "pod: {tolerations: '=ml'}",
    "pod: {priority_class: High_Priority}",
    "pod: {service_account: My Account}",
    "pod: {pull_secrets: REGISTRY}",
    "pod: {secrets: []}",
    "pod: {volumes: {Data: /data}}",
    "pod: {volumes: {data: models}}",
    "pod: {volumes: {data: /tmp/x}}",
    "pod: {volumes: {data: /a/../b}}",
    "pod: {volumes: {data: '/a:rw'}}",
    "pod: {volumes: {data: {write: true}}}",
    "pod: {volumes: {a: /data, b: /data/}}",
    "pod: {queue: gpus}",
    "pod: {gpu: 1}",
}


def test_what_kubernetes_would_refuse_is_refused_when_the_file_is_checked():
    told = {text: mistakes(BUILD + text + "\n") for text in sorted(WRONG)}
    assert told == snapshot(
        {
            "pod: {gpu: 1}": [
                "4:7 pod: `gpu` is not a key of `pod`; its keys are node_selector, tolerations, priority_class, service_account, pull_secrets, secrets, volumes"
            ],
            "pod: {node_selector: {disk type: ssd}}": [
                "4:23 pod.node_selector: the key `disk type` is no label's key; it wants a label's key, such as disk or acme.com/disk; did you mean `disk-type`?"
            ],
            "pod: {node_selector: {disk: very fast}}": [
                "4:29 pod.node_selector.disk: `disk: very fast` is no label's value; it wants a label's value: letters, digits, `-`, `_` and `.`; did you mean `very-fast`?"
            ],
            "pod: {node_selector: {disk: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}}": [
                "4:29 pod.node_selector.disk: `disk: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is longer than 63 characters; it wants a label's value: letters, digits, `-`, `_` and `.`"
            ],
            "pod: {priority_class: High_Priority}": [
                "4:23 pod.priority_class: `priority_class: High_Priority` is no name that Kubernetes accepts; it wants a name of small letters, digits, `-` and `.`; did you mean `high-priority`?"
            ],
            "pod: {pull_secrets: REGISTRY}": [
                "4:21 pod.pull_secrets: `pull_secrets: REGISTRY` is no name that Kubernetes accepts; it wants a name of small letters, digits, `-` and `.`; did you mean `registry`?"
            ],
            "pod: {queue: gpus}": ["4:7 pod: `queue` is not a key of `pod`; it belongs to `evaluate.pod`"],
            "pod: {secrets: []}": [
                "4:16 pod.secrets: `secrets` is an empty list; leave it out or name something"
            ],
            "pod: {service_account: My Account}": [
                "4:24 pod.service_account: `service_account: My Account` is no name that Kubernetes accepts; it wants a name of small letters, digits, `-` and `.`; did you mean `my-account`?"
            ],
            "pod: {tolerations: '=ml'}": [
                "4:20 pod.tolerations: `tolerations: =ml` is no toleration; it wants a taint's key, perhaps its value and effect: nvidia.com/gpu or dedicated=ml:NoSchedule"
            ],
            "pod: {tolerations: dedicated=ml:NoSchedul}": [
                "4:20 pod.tolerations: `tolerations: dedicated=ml:NoSchedul` has an unknown effect `NoSchedul`; it wants a taint's key, perhaps its value and effect: nvidia.com/gpu or dedicated=ml:NoSchedule; did you mean `dedicated=ml:NoSchedule`?"
            ],
            "pod: {volumes: {Data: /data}}": [
                "4:17 pod.volumes: the key `Data` is no name that Kubernetes accepts; it wants a name of small letters, digits, `-` and `.`; did you mean `data`?"
            ],
            "pod: {volumes: {a: /data, b: /data/}}": [
                "4:30 pod.volumes.b: `b` and `a` are both mounted at /data"
            ],
            "pod: {volumes: {data: '/a:rw'}}": [
                "4:23 pod.volumes.data: `data: /a:rw` is no path to mount at; it wants where the container sees it, such as /data"
            ],
            "pod: {volumes: {data: /a/../b}}": [
                "4:23 pod.volumes.data: `data: /a/../b` leaves its folder with `..`; it wants where the container sees it, such as /data"
            ],
            "pod: {volumes: {data: /tmp/x}}": [
                "4:23 pod.volumes.data: `data: /tmp/x` is a path that every container needs for itself; it wants where the container sees it, such as /data; did you mean `/data/tmp/x`?"
            ],
            "pod: {volumes: {data: models}}": [
                "4:23 pod.volumes.data: `data: models` does not begin with `/`; it wants where the container sees it, such as /data; did you mean `/models`?"
            ],
            "pod: {volumes: {data: {write: true}}}": [
                "4:23 pod.volumes.data: a volume needs `path`, where it is mounted"
            ],
            "replicas: 0": [
                "4:11 replicas: `replicas: 0` is not between 1 and 1000; it wants a whole number of copies"
            ],
            "replicas: {max: 4, cpu: 0.7}": [
                "4:25 replicas.cpu: `cpu: 0.7` has no percent sign, so it could mean two things; it wants the share of its CPU that a copy should use, such as 70%; did you mean `0.7%`?"
            ],
            "replicas: {min: 2}": ["4:11 replicas: `replicas` needs `max`, the most copies"],
            "replicas:": ["4:10 replicas: `replicas` needs `max`, the most copies"],
            "pod: {volumes: {data: }}": ["4:22 pod.volumes.data: a volume needs `path`, where it is mounted"],
            "replicas: {min: 5, max: 4}": ["4:11 replicas: `replicas` has `max` 4 below `min` 5"],
            "resources: {NVIDIA.com/gpu: 1}": [
                "4:13 resources: the key `NVIDIA.com/gpu` is no resource; it wants `cpu`, `memory`, or a device with its domain, such as nvidia.com/gpu; did you mean `nvidia.com/gpu`?"
            ],
            "resources: {cpus: 2}": [
                "4:13 resources: the key `cpus` is no resource; it wants `cpu`, `memory`, or a device with its domain, such as nvidia.com/gpu; did you mean `cpu`?"
            ],
            "resources: {node.kubernetes.io/cpu: 1}": [
                "4:13 resources: the key `node.kubernetes.io/cpu` is one of Kubernetes' own, which cannot be asked for; it wants `cpu`, `memory`, or a device with its domain, such as nvidia.com/gpu"
            ],
            "resources: {nvidia.com/gpu: 0.5}": [
                '4:29 resources."nvidia.com/gpu": `"nvidia.com/gpu": 0.5` is not a whole number; it wants a whole number of devices'
            ],
            "resources: {nvidia.com/gpu: 0}": [
                '4:29 resources."nvidia.com/gpu": `"nvidia.com/gpu": 0` is not between 1 and 100000; it wants a whole number of devices'
            ],
            "resources: {requests.nvidia.com/gpu: 1}": [
                "4:13 resources: the key `requests.nvidia.com/gpu` is one of Kubernetes' own, which cannot be asked for; it wants `cpu`, `memory`, or a device with its domain, such as nvidia.com/gpu"
            ],
            "resources: {time: 5m}": [
                "4:13 resources: the key `time` is no resource; it wants `cpu`, `memory`, or a device with its domain, such as nvidia.com/gpu"
            ],
        }
    )


UNCLEAR = {
    "replicas: {max: 3, external: {q: {}}}",
    "replicas: {max: 3, external: {q: {each: 0}}}",
    "replicas: {max: 3, per_copy: {a/b: 1}}",
    "weights:",
    "weights: {image: built}",
    "weights: {image: 'r/a:1'}",
    "weights: {claim: m}",
    "weights: {claim: m, folder: '../x'}",
    "weights: {claim: m, folder: '{version}'}",
    "weights: {claim: m, folder: 'a/{digest}'}",
    "weights: {claim: m, folder: a, image: 'r/a@sha256:1'}",
    "weights: {folder: a}",
    "weights: {bucket: 's3://models/a'}",
    "weights: {bucket: 's3://models', sums: x}",
    "weights: {bucket: 'ftp://models/a', sums: A}",
    "weights: {bucket: '/models/a'}",
    "weights: {bucket: 's3://models/a/../b'}",
    "weights: {claim: m, folder: a, secret: s, sums: '1'}",
    "weights: {claim: m, folder: a, path: /data}\npod: {volumes: {d: /data/}}",
}
OF_ALL = (
    "weights: {claim: m, folder: a}",
    "weights: {bucket: 's3://models/a'}",
    f"weights: {{bucket: 's3://models/a/{{version}}', sums: {'a' * 64}}}",
    f"weights: {{image: 'r/a@sha256:{'a' * 64}'}}",
    "weights: {image: built, path: /data}",
)


def test_weights_that_would_not_be_a_version_s_own_are_refused_when_the_file_is_checked():
    told = {text: mistakes(BUILD + text + "\n") for text in sorted(UNCLEAR)}
    told |= {text: mistakes(REGISTERED + text + "\n") for text in OF_ALL}
    assert told == snapshot(
        {
            "replicas: {max: 3, external: {q: {each: 0}}}": [
                "4:41 replicas.external.q.each: `each: 0` is not between 0.001 and 1e+12; it wants a number above zero"
            ],
            "replicas: {max: 3, external: {q: {}}}": [
                "4:34 replicas.external.q: says nowhere what to aim at: write exactly one of `total` or `each`"
            ],
            "replicas: {max: 3, per_copy: {a/b: 1}}": [
                "4:31 replicas.per_copy: the key `a/b` is not a metric's name, such as queue_length; it wants a metric's name, such as queue_length"
            ],
            "weights:": [
                "4:9 weights: `weights` says nowhere where they are: write exactly one of `claim`, `image` or `bucket`"
            ],
            "weights: {bucket: '/models/a'}": [
                "4:19 weights.bucket: `bucket: /models/a` is no address of a bucket; it wants a folder of a bucket: s3://models/ranker/{version}, gs://… or an https address",
                "4:19 weights.bucket: a bucket can change: write `sums`, the SHA-256 of the SHA256SUMS that lies there",
            ],
            "weights: {bucket: 'ftp://models/a', sums: A}": [
                "4:19 weights.bucket: `bucket: ftp://models/a` is no address of a bucket; it wants a folder of a bucket: s3://models/ranker/{version}, gs://… or an https address",
                "4:43 weights.sums: `sums: A` is not 64 hexadecimal digits, as sha256sum prints them; it wants 64 hexadecimal digits, as sha256sum prints them",
            ],
            "weights: {bucket: 's3://models', sums: x}": [
                "4:19 weights.bucket: `bucket: s3://models` names no folder in the bucket; it wants a folder of a bucket: s3://models/ranker/{version}, gs://… or an https address; did you mean `s3://models/{version}`?",
                "4:40 weights.sums: `sums: x` is not 64 hexadecimal digits, as sha256sum prints them; it wants 64 hexadecimal digits, as sha256sum prints them",
            ],
            "weights: {bucket: 's3://models/a'}": [
                "4:19 weights.bucket: every version of `model` would have the same weights: write `{version}` into `bucket`"
            ],
            "weights: {bucket: 's3://models/a/../b'}": [
                "4:19 weights.bucket: `bucket: s3://models/a/../b` is no folder of a bucket; it wants a folder of a bucket: s3://models/ranker/{version}, gs://… or an https address",
                "4:19 weights.bucket: a bucket can change: write `sums`, the SHA-256 of the SHA256SUMS that lies there",
            ],
            "weights: {claim: m, folder: '../x'}": [
                "4:29 weights.folder: `folder: ../x` leaves the volume with `..`; it wants a folder, such as ranker/{version}"
            ],
            "weights: {claim: m, folder: 'a/{digest}'}": [
                "4:29 weights.folder: `folder: a/{digest}` is no folder of a volume; it wants a folder, such as ranker/{version}; did you mean `a/{version}`?"
            ],
            "weights: {claim: m, folder: '{version}'}": [
                "4:29 weights.folder: `{version}` is the number of a registered version, so it needs `model`; name the folder"
            ],
            "weights: {claim: m, folder: a, image: 'r/a@sha256:1'}": [
                "4:39 weights.image: `image: r/a@sha256:1` has no whole digest: `sha256:` and 64 hexadecimal digits; it wants `built`, or an image by its digest: ghcr.io/acme/weights@sha256:…",
                "4:39 weights.image: `image` and `claim` both say where the weights are: keep exactly one",
            ],
            """\
weights: {claim: m, folder: a, path: /data}
pod: {volumes: {d: /data/}}\
""": ["4:38 weights.path: the weights and the volume `d` are both mounted at /data"],
            "weights: {claim: m, folder: a, secret: s, sums: '1'}": [
                "4:40 weights.secret: `secret` means something only with `bucket`",
                "4:49 weights.sums: `sums: 1` is not 64 hexadecimal digits, as sha256sum prints them; it wants 64 hexadecimal digits, as sha256sum prints them",
                "4:49 weights.sums: `sums` means something only with `bucket`",
            ],
            "weights: {claim: m}": [
                "4:18 weights.claim: a claim of weights needs `folder`, so that each version has its own"
            ],
            "weights: {folder: a}": [
                "4:10 weights: `weights` says nowhere where they are: write exactly one of `claim`, `image` or `bucket`",
                "4:19 weights.folder: `folder` means something only with `claim`",
            ],
            "weights: {image: 'r/a:1'}": [
                "4:18 weights.image: `image: r/a:1` is not named by its digest, so it could be another one tomorrow; it wants `built`, or an image by its digest: ghcr.io/acme/weights@sha256:…"
            ],
            "weights: {image: built}": [
                "4:18 weights.image: `image: built` is made of a registered version's files, so it needs `model`"
            ],
            "weights: {claim: m, folder: a}": [
                "4:29 weights.folder: every version of `model` would have the same weights: write `{version}` into `folder`"
            ],
            "weights: {bucket: 's3://models/a/{version}', sums: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}": [
                "4:52 weights.sums: `sums` would be one for all versions of `model`; each has its own as the tag `segue.sums`"
            ],
            "weights: {image: 'r/a@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}": [
                "4:18 weights.image: every version of `model` would have the same weights; `image: built` has those of its files"
            ],
            "weights: {image: built, path: /data}": [
                "4:31 weights.path: `serve: mlflow` knows where its model is; leave `path` out"
            ],
        }
    )


LONG = "x" * 64
PLACES = {
    "deployment: ml/fraud.v2\nroute: ml/fraud.v2": [],
    f"deployment: ml/{LONG}\nroute: ingress/ml/{LONG}": [],
    f"deployment: {LONG}/fraud\nstrategy: bluegreen": ["a namespace of more than 63 characters"],
    f"deployment: ml/{'x' * 254}\nstrategy: bluegreen": ["a name of more than 253 characters"],
    "deployment: ml/fraud_2\nstrategy: bluegreen": ["is not a namespace and a name, such as ml/fraud"],
    f"deployment: ml/a\nroute: ingress/{LONG}/a": ["a namespace of more than 63 characters"],
    f"deployment: ml/a\nroute: ml/{'x' * 254}": ["a name of more than 253 characters"],
    f"mode: observe\nservices: {{stable: ml/{LONG}, candidate: ml/b}}": ["a name of more than 63 characters"],
    "mode: observe\nservices: {stable: ml/a.b, candidate: ml/b}": ["is not a namespace and a Service's name"],
}


@pytest.mark.parametrize("text", PLACES)
def test_objects_that_are_there_already_have_the_names_that_kubernetes_takes(text):
    told = mistakes(f"name: fraud\nimage: 'r/fraud:1'\n{text}\n")
    assert [words in one for words, one in zip(PLACES[text], told, strict=True)] == [True] * len(told), told


def test_an_evaluation_s_pod_is_checked_as_well():
    assert mistakes(evaluated("pod: {volumes: {a: /data, b: /data}, queue: Q_1}")) == snapshot(
        [
            "4:59 evaluate.pod.volumes.b: `b` and `a` are both mounted at /data",
            "4:74 evaluate.pod.queue: `queue: Q_1` is no name that Kubernetes accepts; it wants a name of small letters, digits, `-` and `.`; did you mean `q-1`?",
        ]
    )


@pytest.mark.parametrize("serve", ["deployment: ml/a\nstrategy: bluegreen\n", "serve: none\n"])
@pytest.mark.parametrize("key", ["pod: {secrets: x}", "replicas: 2"])
def test_pods_that_are_not_ours_are_asked_for_nothing(serve, key):
    told = mistakes(f"name: wine\nimage: r/a:1\n{serve}{key}\n")
    assert len(told) == 1
    assert "`pod`" in told[0] or "`replicas`" in told[0]


def test_a_deployment_that_is_taken_over_keeps_the_volumes_of_its_own():
    told = mistakes(
        "name: a\nimage: r/a:1\ndeployment: ml/a\nstrategy: bluegreen\nweights: {claim: m, folder: a}\n"
    )
    assert told == snapshot(
        [
            "5:10 weights: `weights` means something only with `serve`: other pods have the volumes of their template"
        ]
    )


# --- where -----------------------------------------------------------------------------------------

NEEDY = (
    BUILD + "pod: {secrets: x}\nresources: {nvidia.com/gpu: 1}\nreplicas: 2\nweights: {claim: m, folder: a}\n"
)
PROD = Cluster("prod", default=True)


def refused(text, *clusters):
    return [(m.path, m.message) for m in places.mistakes(clusters, (model(text),))]


def test_this_machine_refuses_by_name_what_only_a_cluster_can_do():
    assert refused(NEEDY) == snapshot(
        [
            (
                "resources.nvidia.com/gpu",
                "`resources.nvidia.com/gpu` is for pods of a cluster, and the environment production is this machine: write `cluster:` there, or connect a cluster with --default",
            ),
            (
                "pod",
                "`pod` is for pods of a cluster, and the environment production is this machine: write `cluster:` there, or connect a cluster with --default",
            ),
            (
                "replicas",
                "`replicas` is for pods of a cluster, and the environment production is this machine: write `cluster:` there, or connect a cluster with --default",
            ),
            (
                "weights",
                "`weights` is for pods of a cluster, and the environment production is this machine: write `cluster:` there, or connect a cluster with --default",
            ),
        ]
    )
    assert [path for path, _ in refused(evaluated("pod: {queue: q}"))] == ["evaluate.pod"]
    image = evaluated("image: r.example/eval:3")
    assert [path for path, _ in refused(image)] == ["evaluate.image"]
    assert refused(image, PROD) == []


def test_a_cluster_that_is_named_or_the_default_can_do_it():
    assert refused(NEEDY, PROD) == []
    named = NEEDY + "environments: {production: {cluster: prod}}\n"
    assert refused(named, Cluster("prod")) == []
    mixed = NEEDY + "environments: {staging: {cluster: prod}, production: {}}\n"
    assert {path for path, _ in refused(mixed, Cluster("prod"))} == {
        "pod",
        "resources.nvidia.com/gpu",
        "replicas",
        "weights",
    }
    assert refused(BUILD) == []


# --- which version ---------------------------------------------------------------------------------


def test_what_the_evaluation_s_pod_asks_for_makes_another_version_and_nothing_keeps_the_key():
    """The key of a version that asks for nothing is the one that it had before anything could be asked."""
    plain, queued = model(evaluated("")), model(evaluated("pod: {queue: q}"))
    assert content_key(plain, None, None, None) == snapshot("12a17ff18ba0f0a94ebf6335")
    assert content_key(queued, None, None, None) != content_key(plain, None, None, None)
    mounted = [model(f"{evaluated('')}weights: {{claim: m, folder: {folder}}}\n") for folder in ("a", "b")]
    assert len({content_key(one, None, None, None) for one in (plain, *mounted)}) == 3


TAKEN = "name: fraud\nimage: 'r/fraud:1'\ndeployment: ml/fraud\n"
KEPT = {
    f"{BUILD}sticky: cookie\n": None,
    f"{BUILD}sticky: header\n": "sticky.header",
    f"{BUILD}environments: {{production: {{cluster: prod, sticky: header}}}}\n": None,
    f"{TAKEN}strategy: bluegreen\nsticky: cookie\n": "sticky.routeless",
    f"{TAKEN}route: ml/fraud\nsticky: cookie\n": "sticky.httproute",
    f"{TAKEN}route: virtualservice/ml/fraud\nsticky: cookie\n": "sticky.virtualservice",
    f"{TAKEN}route: ingress/ml/fraud\nsticky: header\n": "sticky.ingress",
    f"{TAKEN}route: traefikservice/ml/fraud\nsticky: header\n": "sticky.traefikservice",
    f"{TAKEN}route: traefikservice/ml/fraud\nsticky: cookie\n": None,
}


@pytest.mark.parametrize("text", KEPT)
def test_users_are_kept_or_it_is_refused_by_what_the_kind_of_route_does(text):
    words = [need.word for need in needs(model(text)) if need.word.startswith("sticky")]
    assert set(words) - EMBEDDED == ({KEPT[text]} if KEPT[text] else set())


COPIED = {
    f"{BUILD}strategy: shadow\nshadow: {{sample: 1%}}\n": set(),
    f"{BUILD}strategy: shadow\nenvironments: {{production: {{cluster: prod}}}}\n": set(),
    f"{BUILD}strategy: shadow\nshadow: {{sample: 1%}}\nenvironments: {{production: {{cluster: prod}}}}\n": {
        "shadow.sample"
    },
    f"{TAKEN}strategy: shadow\nroute: ml/fraud\n": set(),
    f"{TAKEN}strategy: shadow\n": {"shadow.route"},
    f"{TAKEN}strategy: shadow\nroute: ingress/ml/fraud\n": {"shadow.route"},
    f"{TAKEN}strategy: shadow\nroute: traefikservice/ml/fraud\n": {"shadow.route"},
    f"{TAKEN}strategy: canary\nroute: ingress/ml/fraud\n": set(),
}


@pytest.mark.parametrize("text", COPIED)
def test_requests_are_copied_or_it_is_refused_by_what_leads_to_the_versions(text):
    words = {need.word for need in needs(model(text)) if need.word.startswith("shadow")}
    assert words - EMBEDDED == COPIED[text]


BY_REQUEST = "guards: {right: {labels: crm.outcomes, drop: 1%, within: 1h, by: request}}\n"
NOTED = {
    f"{BUILD}{BY_REQUEST}": set(),
    f"{BUILD}{BY_REQUEST}environments: {{production: {{cluster: prod}}}}\n": set(),
    f"{TAKEN}route: ml/fraud\n{BY_REQUEST}": {"guards.labels.by"},
    f"{TAKEN}route: ingress/ml/fraud\n{BY_REQUEST}": {"guards.labels.by"},
    f"{TAKEN}strategy: bluegreen\nheld_back: 5%\nroute: ml/fraud\n{BY_REQUEST}": {"guards.labels.by"},
}


@pytest.mark.parametrize("text", NOTED)
def test_who_answered_is_noted_or_it_is_refused_by_what_leads_to_the_versions(text):
    assert {need.word for need in needs(model(text)) if need.word == "guards.labels.by"} == NOTED[text]


def test_who_answered_is_noted_with_data_planes_alone_of_which_that_was_seen():
    text = f"{BUILD}{BY_REQUEST}"
    assert refused(text) == refused(text, PROD) == []
    ((path, message),) = refused(text, replace(PROD, plane="envoy"))
    assert path == "environments.production.guards.right.by"
    assert "--plane envoy; let the rows name the version" in message


def test_bodies_are_kept_on_this_machine_alone_also_where_a_connection_says_that_it_is_a_cluster():
    text = f"{BUILD}strategy: shadow\nshadow: {{sample: 1%}}\n"
    assert refused(text) == []
    assert [path for path, _ in refused(text, PROD)] == ["environments.production.shadow.sample"]
