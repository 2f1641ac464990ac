"""What a `segue.yaml` declares, as values: the meaning of the file once it is free of mistakes.

Shares and limits are fractions (1 % is 0.01), weights are percent, times are seconds, memory is
bytes. Words are those of the file; each class says which key it stands for.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from policies.recording import Keep
from policies.spec.declaration_cluster import PodNeeds, Replicas, Weights

# A field that code of one release before does not know: it is stored only where it has not its default, so
# that old and new workers can share a store while the new ones come up. The mark goes one release later.
LATER = {"later": True}
WARM_UP = 300.0  # seconds, of a canary whose file says nothing; releases of older code have none

# --- where a version comes from: exactly one of `model:`, `image:`, `build:` -----------------


@dataclass(frozen=True, slots=True)
class FromModel:
    """`model: models:/churn@challenger`: the candidate's alias of a registered model."""

    model: str
    alias: str


@dataclass(frozen=True, slots=True)
class FromImage:
    """`image: ghcr.io/acme/fraud:main-*`: the newest matching tag, always deployed by digest."""

    repository: str
    tag: str

    @property
    def reference(self) -> str:
        """As it is written."""
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class FromBuild:
    """`build: {lock: requirements.lock}` or `build: {dockerfile: Dockerfile}`."""

    lock: str | None
    dockerfile: str | None


VersionSource = FromModel | FromImage | FromBuild


# --- how it serves ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServeMlflow:
    """`serve: mlflow`: the scoring server for MLflow models."""

    port: int = 8080


@dataclass(frozen=True, slots=True)
class ServeRun:
    """`serve: {run: python serve.py, port: 8080, health: /healthz}`, as an argument list.

    `run` is empty where an image that somebody else built brings its own command.
    """

    run: tuple[str, ...]
    port: int
    health: str = "/healthz"


@dataclass(frozen=True, slots=True)
class ServeNone:
    """`serve: none`: a batch model; there is no traffic to shift."""


@dataclass(frozen=True, slots=True)
class ServeDeployment:
    """`deployment: ns/name` with `route: [kind/]ns/name`: what exists already is taken over."""

    deployment: str
    route: str | None


@dataclass(frozen=True, slots=True)
class ServeInferenceService:
    """`inferenceservice: ns/name` with `when_full: wait | replace | refuse`."""

    name: str
    when_full: str


@dataclass(frozen=True, slots=True)
class ServeServices:
    """`services: {stable: ns/name, candidate: ns/name}` with `route:`: somebody else shifts between them."""

    stable: str
    candidate: str
    route: str | None = None


Serve = ServeMlflow | ServeRun | ServeNone | ServeDeployment | ServeInferenceService | ServeServices


# --- evaluation and gates --------------------------------------------------------------------


class Comparison(StrEnum):
    AT_LEAST = ">="
    MORE_THAN = ">"
    AT_MOST = "<="
    LESS_THAN = "<"
    NO_WORSE = "no worse than stable by"  # a higher value is better
    NO_HIGHER = "no higher than stable by"  # a lower value is better


@dataclass(frozen=True, slots=True)
class Gate:
    """`accuracy: ">= 0.9"` or `f1: "no worse than stable by 0.01"`."""

    metric: str
    comparison: Comparison
    value: float


@dataclass(frozen=True, slots=True)
class Resources:
    """`resources: {cpu: 2, memory: 4Gi, time: 10m}`."""

    cpu: float = 1.0
    memory: int = 1 << 30
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Evaluate:
    """`evaluate:`; `image` None runs it in the version's own image, empty `run` its own command.

    `results` names a source and an experiment, where the numbers are those of a run; None: those of a file.
    """

    run: tuple[str, ...]
    image: str | None
    resources: Resources
    gates: tuple[Gate, ...]
    pod: PodNeeds = field(default_factory=PodNeeds)
    results: str | None = field(default=None, metadata=LATER)


# --- what starts a release -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Triggers:
    """`on:`. What `build:` is started by; `model:` and `image:` start with their alias or tag.

    `gto` holds stages of GTO tags (`churn#prod`), `schedule` a cron line in UTC.
    """

    default_branch: bool = True
    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()  # globs from the repository's root; the model's folder if empty
    gto: tuple[str, ...] = ()
    schedule: str | None = None


# --- how it is rolled out --------------------------------------------------------------------


class Strategy(StrEnum):
    CANARY = "canary"
    BLUEGREEN = "bluegreen"
    SHADOW = "shadow"
    NONE = "none"


class WhenDrifted(StrEnum):
    """`when_drifted:` what happens once somebody else changed what serves, and no release is on its way."""

    HOLD = "hold"  # say so, and leave it to people
    REPAIR = "repair"  # write once more what Segue decided
    ADOPT = "adopt"  # what is there is right from now on, and not proven


class WhenUndecided(StrEnum):
    HOLD = "hold"  # wait for people
    ASK = "ask"  # wait, and say so loudly
    FINISH = "finish"  # go on after the time limit; the record says *not proven*


class WhenNewer(StrEnum):
    """What a newer release does while an older one is on its way."""

    LATEST_WINS = "latest-wins"  # it waits for that one's end; of those that wait the newest is next
    SERIALIZE = "serialize"  # it waits for each that is older
    CANCEL_RUNNING = "cancel-running"  # once ready, it ends the one on its way


class Mode(StrEnum):
    ACT = "act"
    OBSERVE = "observe"  # everything is judged and shown, nothing is changed: somebody else shifts traffic


class GuardKind(StrEnum):
    ERRORS = "errors"  # candidate against stable, by the router's counters; `worse_by`
    SLO = "slo"  # an absolute limit on the share of failed requests, or of those slower than `slower_than`
    LATENCY = "latency"  # share of requests slower than `slower_than`
    ALIVE = "alive"  # the candidate answers, its metrics come, it does not restart
    SHARE = "share"  # the router really splits as it was told
    THRESHOLD = "threshold"  # a plain limit on the share of bad requests, without an error guarantee
    QUERY = "query"  # counters of a metric source; `worse_by`, `drop` or `limit`
    LABELS = "labels"  # wrong predictions, by labels that come later; `drop`
    ANSWERS = "answers"  # in the shadow: how often both versions' answers differ; `limit`, `flips`
    DRIFT = "drift"  # a query's histogram against stable's; shown, and nothing follows from it


@dataclass(frozen=True, slots=True)
class Split:
    """How `segments` are judged: at most `most` values of each label by themselves, none with less than
    the share `least` of all requests, the others together; `risk` is the share of one value's own
    requests that may fail because of the candidate."""

    most: int = 10
    least: float = 0.01
    risk: float = 0.01


EACH = Split()


@dataclass(frozen=True, slots=True)
class Guard:
    """One entry of `guards:`; a field that its kind does not use keeps its default.

    `worse_by` is the tolerated relative increase over stable (0 is strict), `limit` the tolerated
    share of bad requests (None: from stable's own history) or a threshold's bound, `slower_than` seconds,
    `no_data_for` seconds, `restarts` a count, `tolerance` a fraction of all requests, `drop` the tolerated
    loss where more is better, `within` how many seconds late a label may come; `by_request`: its rows name
    the request alone. `query` and `of` select counters (`policies.spec.selector`) of the metric source
    `source`; their label `version` names who. `flips` is the tolerated share of any one class that gets
    another answer.
    """

    name: str
    kind: GuardKind
    worse_by: float = 0.0
    limit: float | None = None
    slower_than: float | None = None
    no_data_for: float = 60.0
    restarts: int = 2
    tolerance: float = 0.05
    query: str | None = None
    comparison: Comparison | None = None  # what a threshold's value must satisfy, with `limit`
    labels: str | None = None  # source and table: warehouse.labels
    drop: float | None = None
    within: float | None = None
    segments: tuple[str, ...] = ()
    of: str | None = field(default=None, metadata=LATER)
    source: str | None = field(default=None, metadata=LATER)
    version: str = field(default="version", metadata=LATER)
    split: Split = field(default=EACH, metadata=LATER)
    by_request: bool = field(default=False, metadata=LATER)
    flips: float | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One entry of `steps:`: go to `weight` percent, then stay for `hold` seconds.

    `hold` None waits for a `promote` command.
    """

    weight: float
    hold: float | None


@dataclass(frozen=True, slots=True)
class Approvals:
    """`approvals: {count: 1, from: [ann, "@acme/ml-leads"], expires: 24h}`; empty `people`: anyone
    with the right to approve, except the author."""

    count: int = 0
    people: tuple[str, ...] = ()
    channel: str | None = None
    expires: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Budget:
    """`budget: {query: slo:error_budget:ratio, least: 0%}`: what is left of an error budget, as a share, by
    a gauge of a metric source (None: the only one). Releases are held while `least`, or less, is left."""

    query: str
    source: str | None = None
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Shadow:
    """`shadow: {for: 10m, answer: predictions.0}`: with `strategy: shadow`.

    Each request is copied to the candidate for `seconds` at least. `answer` and `score` are paths in an
    answer's JSON; `keep` is what is kept of answers, `sample` the share of pairs kept whole. `requests` names
    recorded ones that are asked of both versions, too, `rate` a second.
    """

    seconds: float = 600.0
    answer: str = ""
    score: str = ""
    keep: Keep = Keep.HASHED
    sample: float = 0.0
    requests: str = field(default="", metadata=LATER)
    rate: float = field(default=10.0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Environment:
    """One place to serve, with all its rules: the model's own keys, overlaid by the environment's.

    `risk` is the share of *all* requests that may fail because of the candidate while it is
    compared (None: the larger of 0.1 % and half of stable's own rate); `dwell` the least seconds
    at a weight; `watch` the seconds of bake after the last weight; `patience` the seconds at one
    weight after which `when_undecided` applies; `ladder` the weights that the risk ramp may use;
    `held_back` the share of requests that stays on stable while the rest is watched; `warm_up` the
    seconds from the candidate's first request in which only a storm of errors counts.
    """

    name: str = "production"
    cluster: str | None = None
    after: str | None = None
    strategy: Strategy = Strategy.CANARY
    steps: tuple[StepSpec, ...] = ()
    sticky: str = "none"
    guards: tuple[Guard, ...] = ()
    false_rollbacks: float = 0.01
    risk: float | None = None
    dwell: float = 60.0
    watch: float = 300.0
    patience: float = 1800.0
    ladder: tuple[float, ...] = (1, 2, 3, 5, 7.5, 10, 15, 20, 25, 35, 50, 75, 100)
    when_undecided: WhenUndecided = WhenUndecided.HOLD
    mode: Mode = Mode.ACT
    approvals: Approvals = field(default_factory=Approvals)
    held_back: float = 0.0
    restore: bool = False  # `restore: true`: a rollback puts a person's `champion` back
    when_newer: WhenNewer = field(default=WhenNewer.LATEST_WINS, metadata=LATER)
    warm_up: float = field(default=0.0, metadata=LATER)
    shadow: Shadow = field(default=Shadow(), metadata=LATER)
    freeze: tuple[str, ...] = field(default=(), metadata=LATER)  # windows: see `policies.windows`
    when_drifted: WhenDrifted = field(default=WhenDrifted.HOLD, metadata=LATER)
    tell: tuple[str, ...] = field(default=(), metadata=LATER)  # rooms, such as slack:#ml-release
    budget: Budget | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a file: the unit of release.

    `folder` is where its code lies ("" is the repository's root): beside its file, or for one of several
    `models:` in a folder of its name below it.
    """

    name: str
    folder: str
    source: VersionSource
    serve: Serve
    evaluate: Evaluate | None
    triggers: Triggers
    environments: tuple[Environment, ...]
    resources: Resources = field(default_factory=Resources)
    pod: PodNeeds = field(default_factory=PodNeeds)
    replicas: Replicas = field(default_factory=Replicas)
    weights: Weights | None = None

    def environment(self, name: str) -> Environment | None:
        """The environment of that name, or None."""
        return next((e for e in self.environments if e.name == name), None)
