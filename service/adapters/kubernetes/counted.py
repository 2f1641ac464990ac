"""Whether a data plane's counters tell a target's versions apart, by live numbers: what the doctor says.

Questions as in `looking`: each returns findings, and none of them changes anything. A version that serves and
was never counted is not known to be told apart, and so is a trouble; what nobody can know yet is none.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from service.adapters.exposition import Series, Strange
from service.adapters.kubernetes import planes, reconnecting, recorders_manifest
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.adapters.kubernetes.planes import Plane
from service.ports.clusters import Finding
from service.ports.connections import Cluster
from service.ports.metrics import Counters


@dataclass(frozen=True, slots=True)
class Counts:
    """One reading of a cluster's data plane, made `at` a time, of what it counted since it `started`; `known`
    is what it says of each `service.namespace`."""

    cluster: Cluster
    plane: Plane
    at: float
    started: float
    series: tuple[Series, ...]
    known: Mapping[str, Counters]


def read(cluster: Cluster) -> Counts:
    """All counters now. Raises `Strange` where they cannot be read."""
    plane = planes.plane_of(cluster.plane)
    at, started, series = ClusterMetrics(cluster).read()
    return Counts(cluster, plane, at, started, tuple(series), planes.counters(plane, series))


def again(cluster: Cluster) -> str:
    """What to type where they cannot be read: what is counted there, where that is seen, or another URL."""
    if other := next(_elsewhere(cluster), None):
        return reconnecting.line(cluster, plane=other.plane.name)
    return reconnecting.line(cluster, metrics="URL")


def whole(counts: Counts, namespaces: Collection[str]) -> Iterator[Finding]:
    """What the reading says of itself, and of what is counted as one in these namespaces."""
    plane = counts.plane
    yield Finding("metrics", ok=True, detail=f"{len(counts.series)} series of {plane.name}")
    for backend, ways in planes.by_two_ways(plane, counts.series).items():
        if backend.partition(".")[2] in namespaces:
            told = f"{backend} is counted by {' and '.join(ways)}: what is split cannot be told from the rest"
            yield Finding("metrics", ok=False, detail=told, mend=plane.mixed)
    if not counts.known:
        told, mend = _nobody(counts)
        yield Finding("metrics", ok=False, detail=told, mend=mend)


def apart(target: str, versions: Collection[str], counts: Counts | None) -> Iterator[Finding]:
    """How often each version of a target was asked, by which labels, and of which none are known yet.

    While one is counted, another may just not have been asked; where none is, nothing is proven. What is
    counted as one, and a data plane that counts nobody, are told by `whole`.
    """
    if counts is None or not counts.known:
        return
    named = [name for name in versions if not recorders_manifest.is_recorder(name)]
    asked = [name for name in named if name in counts.known and counts.known[name].requests]
    proven = [name for name in asked if not math.isnan(counts.known[name].requests)]
    left = [name for name in named if name not in asked]
    if proven:
        yield _proven(target, proven, counts)
    if left and not asked:
        yield _unknown(target, left, counts)
    elif left:
        said = f"{counts.plane.name} has counted no request of {' or '.join(left)} yet"
        yield Finding(target, ok=True, detail=f"{said}: send one through the route, then ask again")


def unserved(target: str) -> Finding:
    """Of a target that nothing serves yet: its first release is compared with nothing."""
    told = "unknown whether its versions are counted apart: none of it serves yet"
    after = "once a first version serves, send a request through the route, then ask again"
    return Finding(target, ok=True, detail=f"{told}; {after}")


def _proven(target: str, versions: Sequence[str], counts: Counts) -> Finding:
    """Several that are counted are told apart; of one alone the data plane decides."""
    each = ", ".join(_numbers(counts, name) for name in versions)
    told = f"{counts.plane.name} counts each by itself: {each}{_since(counts)}"
    if len(versions) > 1:
        return Finding(target, ok=True, detail=told)
    if counts.plane.apart:
        return Finding(target, ok=True, detail=f"{told}; a candidate's say {counts.plane.apart}")
    told += "; unknown whether a candidate is counted apart from it until both have a share"
    return Finding(target, ok=True, detail=f"{told}: {counts.plane.mixed}")


def _unknown(target: str, left: Sequence[str], counts: Counts) -> Finding:
    names = " or ".join(left)
    for other in _elsewhere(counts.cluster):
        if other.known.keys() & set(left):
            return Finding(
                target, ok=False, detail=f"{names} {_wrong(counts, other)}", mend=_right(counts, other)
            )
    told = f"unknown whether its versions are counted apart: {counts.plane.name} has counted no request of"
    mend = f"send one through the route, then ask again{counts.plane.seldom}"
    return Finding(target, ok=False, detail=f"{told} {names} yet", mend=mend)


def _nobody(counts: Counts) -> tuple[str, str]:
    """Why no Service is counted, and what to change."""
    if other := next(_elsewhere(counts.cluster), None):
        return f"what is there {_wrong(counts, other)}", _right(counts, other)
    if counts.series or _uses_other_names(counts):
        told = f"{counts.plane.name} counts requests, and not by the Service that they went to"
        return told, counts.plane.unnamed
    return "no request was counted yet", f"send one, then ask again{counts.plane.seldom}"


def _wrong(counts: Counts, other: Counts) -> str:
    told = f"is counted as {other.plane.name} counts, and the cluster is connected with"
    return f"{told} --plane {counts.plane.name}"


def _right(counts: Counts, other: Counts) -> str:
    return reconnecting.line(counts.cluster, plane=other.plane.name)


def _elsewhere(cluster: Cluster) -> Iterator[Counts]:
    """What the same address says to who takes it for another data plane, where that counts Services."""
    for name in sorted(planes.PLANES.keys() - {cluster.plane}):
        try:
            found = read(replace(cluster, plane=name))
        except Strange:
            continue
        if found.known:
            yield found


def _uses_other_names(counts: Counts) -> bool:
    """Whether it counts requests that no series of a Service tells of."""
    if counts.plane.whole is None:
        return False
    try:
        return bool(ClusterMetrics(counts.cluster).read(counts.plane.whole)[2])
    except Strange:
        return False


def _numbers(counts: Counts, backend: str) -> str:
    one, (first, *more) = counts.known[backend], planes.named(counts.plane, counts.series, backend)
    said = " ".join(f'{label}="{value}"' for label, value in first.items())
    rest = f" and {len(more)} more" if more else ""
    return f"{backend} {one.requests:.0f} requests, {one.errors:.0f} of them errors ({said}{rest})"


def _since(counts: Counts) -> str:
    """Since when; empty where the data plane does not say when it started."""
    if counts.started >= counts.at:
        return ""
    return f", since {datetime.fromtimestamp(counts.started, UTC):%Y-%m-%dT%H:%M:%SZ}"
