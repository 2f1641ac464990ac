"""Whether a data plane's counters tell a target's versions apart, by live numbers: what the doctor says.

Questions as in `looking`: each returns findings, and none of them changes anything.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from service.adapters.exposition import Series
from service.adapters.kubernetes import planes, recorders_manifest
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.adapters.kubernetes.planes import Plane
from service.ports.clusters import Finding
from service.ports.connections import Cluster
from service.ports.metrics import Counters


@dataclass(frozen=True, slots=True)
class Counts:
    """One reading of a cluster's data plane; `known` is what it says of each `service.namespace`."""

    plane: Plane
    series: tuple[Series, ...]
    known: Mapping[str, Counters]


def read(cluster: Cluster) -> Counts:
    """All counters now. Raises `Strange` where they cannot be read."""
    plane = planes.plane_of(cluster.plane)
    series = tuple(ClusterMetrics(cluster).read())
    return Counts(plane, series, planes.counters(plane, series))


def whole(counts: Counts, namespaces: Collection[str]) -> Iterator[Finding]:
    """What the reading says of itself, and of what is counted as one in these namespaces."""
    plane = counts.plane
    yield Finding("metrics", ok=True, detail=f"{len(counts.series)} series of {plane.name}")
    for backend, ways in planes.by_two_ways(plane, counts.series).items():
        if backend.partition(".")[2] in namespaces:
            told = f"{backend} is counted by {' and '.join(ways)}: what is split cannot be told from the rest"
            yield Finding("metrics", ok=False, detail=told, mend=plane.mixed)
    if not counts.known:
        told = "no request was counted yet; send one, then ask again"
        mend = "for Traefik: --metrics.prometheus.addServicesLabels=true" if plane.name == "traefik" else told
        yield Finding("metrics", ok=False, detail=told, mend=mend)


def apart(target: str, versions: Collection[str], counts: Counts | None) -> Iterator[Finding]:
    """How often each version of a target was asked by its own counters, and of which none are known yet.

    One without counters may just not have been asked: it is no fault, and nothing is proven. What is counted
    as one is told by `whole`.
    """
    if counts is None or not counts.known:
        return
    named = [name for name in versions if not recorders_manifest.is_recorder(name)]
    asked = {name: counts.known[name].requests for name in named if name in counts.known}
    told = ", ".join(f"{name} {n:g} requests" for name, n in asked.items() if not math.isnan(n))
    if told:
        yield Finding(target, ok=True, detail=f"{counts.plane.name} counts each by itself: {told}")
    if left := [name for name in named if name not in asked]:
        said = f"{counts.plane.name} has counted no request of {' or '.join(left)} yet"
        yield Finding(target, ok=True, detail=f"{said}: send one through the route, then ask again")
