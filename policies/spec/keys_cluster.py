"""The keys that only a cluster can follow: what pods ask for, and how many copies there are."""

from policies.spec import forms, forms_cluster
from policies.spec.kinds import Block, Key, Many, Named, OneOf, Plain, Section

_PODS = (Section.POD, Section.JOB_POD)
_SECRETS = Many(Plain(forms_cluster.NAME), 20, single=True)


ROWS: tuple[Key, ...] = (
    Key(
        "pod",
        (Section.MODEL,),
        Block(Section.POD),
        "In a cluster: what the serving pods ask for. With `serve`.",
        merges=True,
    ),
    Key(
        "pod",
        (Section.EVALUATE,),
        Block(Section.JOB_POD),
        "In a cluster: what the job's pod asks for.",
        merges=True,
    ),
    Key(
        "node_selector",
        _PODS,
        Named(Plain(forms_cluster.LABEL_VALUE), forms_cluster.LABEL_KEY, 20),
        "Only nodes with these labels.",
        merges=True,
    ),
    Key(
        "tolerations",
        _PODS,
        Many(Plain(forms_cluster.TOLERATION), 20, single=True),
        "Nodes with these taints too.",
    ),
    Key("priority_class", _PODS, Plain(forms_cluster.NAME), "The priority class."),
    Key(
        "service_account",
        _PODS,
        Plain(forms_cluster.NAME),
        "The service account. Its token is not given to the pod.",
        note="`default`",
    ),
    Key(
        "pull_secrets",
        _PODS,
        _SECRETS,
        "Secrets of the namespace that hold logins of image registries.",
    ),
    Key(
        "secrets",
        _PODS,
        _SECRETS,
        "Secrets of the namespace whose keys become environment variables.",
    ),
    Key(
        "volumes",
        _PODS,
        Named(
            OneOf((Plain(forms_cluster.MOUNT), Block(Section.VOLUME))),
            forms_cluster.NAME,
            20,
        ),
        "By volume claim of the namespace: where it is mounted.",
        merges=True,
    ),
    Key("path", (Section.VOLUME,), Plain(forms_cluster.MOUNT), "Where it is mounted."),
    Key("write", (Section.VOLUME,), Plain(forms.TRUTH), "Whether the pod may write to it.", "false"),
    Key("queue", (Section.JOB_POD,), Plain(forms_cluster.QUEUE), "Kueue's queue that lets the job start."),
    Key(
        "replicas",
        (Section.MODEL,),
        OneOf((Plain(forms_cluster.REPLICAS), Block(Section.REPLICAS))),
        "In a cluster: copies of each version, or between how many. With `serve`.",
        note="1",
    ),
    Key("min", (Section.REPLICAS,), Plain(forms_cluster.REPLICAS), "The fewest copies.", "1"),
    Key("max", (Section.REPLICAS,), Plain(forms_cluster.REPLICAS), "The most copies."),
    Key(
        "cpu",
        (Section.REPLICAS,),
        Plain(forms_cluster.USED),
        "What decides between them: the share of its CPU that a copy should use.",
        note="80% where no other metric is named",
    ),
    Key(
        "per_copy",
        (Section.REPLICAS,),
        Named(Plain(forms_cluster.AIM), forms_cluster.MEASURED, 10),
        "By metric of the pods: what a copy should have on average. From `custom.metrics.k8s.io`.",
    ),
    Key(
        "external",
        (Section.REPLICAS,),
        Named(Block(Section.EXTERNAL), forms_cluster.MEASURED, 10),
        "By metric of something else, such as a queue: what to aim at. From `external.metrics.k8s.io`.",
    ),
    Key("total", (Section.EXTERNAL,), Plain(forms_cluster.AIM), "What the metric should be."),
    Key("each", (Section.EXTERNAL,), Plain(forms_cluster.AIM), "What it should be for each copy."),
    Key(
        "labels",
        (Section.EXTERNAL,),
        Named(Plain(forms_cluster.LABEL_VALUE), forms_cluster.LABEL_KEY, 20),
        "Only series with these labels.",
    ),
    Key(
        "weights",
        (Section.MODEL,),
        Block(Section.WEIGHTS),
        "In a cluster: large files of a version that are mounted, read-only, and are no layer of its image."
        " With `serve`.",
    ),
    Key(
        "claim",
        (Section.WEIGHTS,),
        Plain(forms_cluster.NAME),
        "A volume claim of the namespace that holds them, with `folder`.",
    ),
    Key(
        "folder",
        (Section.WEIGHTS,),
        Plain(forms_cluster.SUBFOLDER),
        "Where in the claim. With `model`, `{version}` in it is the version's number.",
    ),
    Key(
        "image",
        (Section.WEIGHTS,),
        Plain(forms_cluster.WEIGHTS_IMAGE),
        "An image that holds them, by digest, mounted as a volume; `built`: one that Segue makes of the"
        " registered version's files.",
    ),
    Key(
        "bucket",
        (Section.WEIGHTS,),
        Plain(forms_cluster.BUCKET),
        "A folder of a bucket that holds them and their SHA256SUMS; they are copied into the pod before it"
        " starts. With `model`, `{version}` in it is the version's number.",
    ),
    Key(
        "sums",
        (Section.WEIGHTS,),
        Plain(forms_cluster.SUMS),
        "The SHA-256 of the bucket's SHA256SUMS.",
        note="with `model`: the version's tag `segue.sums`",
    ),
    Key(
        "secret",
        (Section.WEIGHTS,),
        Plain(forms_cluster.NAME),
        "The secret of the namespace that holds the bucket's keys, for the copy alone.",
    ),
    Key(
        "path",
        (Section.WEIGHTS,),
        Plain(forms_cluster.MOUNT),
        "Where they are mounted; `$SEGUE_MODEL_PATH` says it, too.",
        "/opt/segue/model",
    ),
)
