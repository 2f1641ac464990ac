"""What a `segue.yaml` declares for a cluster: what its pods ask for, how many there are, where weights lie.

Beside `policies.spec.declaration`, in the same units; none of it means anything on this machine.
"""

from dataclasses import dataclass

# --- what pods ask of their cluster ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Toleration:
    """`tolerations: ["nvidia.com/gpu", "dedicated=ml:NoSchedule"]`; None: any value, any effect."""

    key: str
    value: str | None = None
    effect: str | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """`volumes: {training-data: /data}`: a claim of the namespace, read-only unless it says `write`."""

    claim: str
    path: str
    write: bool = False


@dataclass(frozen=True, slots=True)
class PodNeeds:
    """`pod:`, with the extended resources of `resources:`; none of it means anything on this machine.

    `secrets` and `pull_secrets` are names of the namespace's secrets, never their content; `queue` is
    Kueue's. The values are such as Kubernetes accepts.
    """

    extended: tuple[tuple[str, int], ...] = ()  # nvidia.com/gpu: 1
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    priority_class: str | None = None
    service_account: str | None = None
    pull_secrets: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class External:
    """`external: {queue_length: {total: 30, labels: {queue: churn}}}`: a metric that is not of the pods.

    `total` is aimed at whatever the number of copies, `each` for every copy; one of them is None.
    """

    metric: str
    total: float | None = None
    each: float | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Replicas:
    """`replicas: 2` or `replicas: {min: 1, max: 4, cpu: 70%}`: copies of one version in a cluster.

    `cpu` is the share of the asked-for CPU that is aimed at, `per_copy` what each copy's own metrics
    should be on average. With none of them, and nothing `external`, there are always `least`.
    """

    least: int = 1
    most: int = 1
    cpu: float | None = None
    per_copy: tuple[tuple[str, float], ...] = ()
    external: tuple[External, ...] = ()

    @property
    def vary(self) -> bool:
        """Whether an autoscaler decides how many there are."""
        return self.cpu is not None or bool(self.per_copy or self.external)


# --- weights that are no part of an image -----------------------------------------------------

VERSION = "{version}"  # in a folder or an address: the registered version's number


@dataclass(frozen=True, slots=True)
class ClaimWeights:
    """`weights: {claim: models, folder: "ranker/{version}"}`: a folder of a volume claim, at `path`."""

    claim: str
    folder: str
    path: str


@dataclass(frozen=True, slots=True)
class ImageWeights:
    """`weights: {image: built}`, or an image by its digest: an OCI volume at `path`.

    `image` None: the registered version's files, of which Segue makes one.
    """

    image: str | None
    path: str


@dataclass(frozen=True, slots=True)
class BucketWeights:
    """`weights: {bucket: "s3://models/ranker/{version}", secret: bucket}`: copied to `path` before a start.

    `sums` is the SHA-256 of the file SHA256SUMS that lies beside the files; None: the registered version
    has it as a tag. `secret` names the namespace's secret with the keys of the bucket.
    """

    url: str
    path: str
    sums: str | None = None
    secret: str | None = None
    copier: str = ""  # the image that copies them, once it is known


Weights = ClaimWeights | ImageWeights | BucketWeights
