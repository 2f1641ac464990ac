"""What the API answers, as types. An answer may hold more than its type: later versions may add fields.

What a field means stands in docs/reference/http.md; a test holds these against the described shapes.
"""

from typing import Any, Literal, TypedDict

Pair = list[str]  # of two
Points = list[list[float]]


class Finding(TypedDict):
    guard: str
    verdict: str
    rule: str
    numbers: dict[str, float]
    interval: list[float] | None
    samples: int
    needed: str


class Evidence(TypedDict):
    verdict: str
    weight: float
    allowed: float
    share: float | None
    findings: list[Finding]


class Release(TypedDict):
    name: str
    number: int
    model: str
    target: str
    version: str
    backend: str
    stamp: str | None
    image: str | None
    phase: str
    mode: str
    would: str | None
    final: bool
    title: str
    reason: str | None
    waits: str | None
    cause: str
    author: str | None
    commit: str | None
    registered: Pair | None
    steps: list[dict[str, Any]]
    position: int
    wanted: float
    observed: float
    peak: float
    epoch: int
    paused: bool
    proven: bool
    unproven: list[str]
    gates: list[str]
    metrics: dict[str, float]
    plan: str | None
    results: str | None
    approvals: list[dict[str, Any]]
    override: dict[str, Any] | None
    evidence: Evidence | None
    began: float | None
    ended: float | None


class Estimate(TypedDict):
    text: str
    seconds: float | None
    requests: float | None
    longest: float | None
    rate: float | None


class Version(TypedDict):
    key: str
    model: str
    phase: str
    reason: str | None
    commit: str | None
    registered: Pair | None
    image: str | None
    layers: dict[str, str]
    metrics: dict[str, float]


class Entry(TypedDict):
    id: int
    at: float
    subject: str
    actor: str
    action: str
    detail: dict[str, Any]
    hash: str


class Parked(TypedDict):
    id: int
    kind: str
    subject: str
    reason: str
    at: float | None
    again: str | None


class OneRelease(TypedDict):
    release: Release
    estimate: Estimate | None
    version: Version | None
    record: list[Entry]
    next: str | None
    parked: list[Parked]
    parked_next: str | None


class LogsBehind(TypedDict):
    logs: dict[str, str]
    marks: dict[str, str]
    over: bool


class Report(TypedDict):
    sentence: str
    release: Release
    began: float | None
    ended: float | None
    weights: Points
    gaps: list[dict[str, Any]]
    budget: dict[str, Any]
    guards: list[dict[str, Any]]
    latency: dict[str, list[float]] | None
    cost: dict[str, Any]


class Increments(TypedDict):
    environment: dict[str, Any]
    recorded: dict[str, Any]


class Serving(TypedDict):
    release: str | None
    version: str | None
    image: str
    backend: str
    stamp: str | None
    url: str
    since: float
    registered: Pair | None
    adopted: str | None


class Target(TypedDict):
    name: str
    address: str | None
    epoch: int
    holder: str | None
    stable: Serving | None
    previous: Serving | None
    place: dict[str, Any] | None
    drift: str | None
    apart: str | None
    seen: str | None
    mending: str | None
    waits: str | None


class Source(TypedDict):
    name: str
    kind: str
    url: str
    owns: list[str]
    tone: str
    says: str
    since: float | None


class Connection(TypedDict):
    name: str
    kind: str
    url: str
    owns: list[str]
    told: list[str]


class Gone(TypedDict):
    name: str
    told: list[str]


class Cluster(TypedDict):
    name: str
    default: bool
    in_cluster: bool
    context: str | None
    namespace: str
    gateway: str | None
    address: str | None
    metrics: str | None
    plane: str
    gitops: str | None


class Setting(TypedDict):
    name: str
    value: str
    origin: str


class Model(TypedDict):
    name: str
    source: str
    folder: str
    commit: str


class Known(TypedDict):
    """How many true labels one table has of one version's answers."""

    source: str
    version: str | None
    labels: int
    wrong: int
    first: float
    last: float
    came: float


class Event(TypedDict):
    id: str
    at: float
    source: str
    kind: str
    what: str
    state: str
    text: str | None
    led: list[str]
    tries: int
    delivery: int | None


class Message(TypedDict):
    headers: dict[str, str]
    delivery: str
    digest: str
    size: int
    body: str | None


class OneEvent(TypedDict):
    event: Event
    message: Message | None


class Point(TypedDict):
    """An entry of the record, and the hash that binds all up to it."""

    entry: int
    hash: str


class Proof(TypedDict):
    proven: bool
    first: int | None
    last: int | None
    entries: int
    gaps: int
    held: dict[str, Any] | None
    unused: int
    tampered: dict[str, Any] | None


class Proven(TypedDict):
    head: Point
    begins: Point
    ends: Point
    proof: Proof
    says: list[str]
    next: str | None


class Simulation(TypedDict):
    title: str
    seed: int
    left_out: list[str]
    coarse: list[dict[str, Any]]
    kinds: list[dict[str, Any]]


class Served(TypedDict):
    release: str
    share: float
    version: str
    image: str | None
    commit: str | None
    source: str | None
    registered: list[str] | None
    since: float | None
    until: float | None


class ServedThen(TypedDict):
    target: str
    at: float
    served: list[Served]


class Verdict(TypedDict):
    answer: Literal["go", "wait", "back"]
    reason: str
    verdict: str
    current: bool
    release: str | None
    image: str | None
    weight: float | None
    allowed: float | None
    would: str | None
    findings: list[Finding]


class Stored(TypedDict):
    delivery: str
    duplicate: bool


class Answer(TypedDict):
    ok: bool
    text: str
    release: str | None
