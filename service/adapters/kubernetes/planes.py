"""How each data plane counts a backend's requests: names, labels, and what a label can mean.

A backend is called `service.namespace`. What a label says is a `Reading`, or several where it joins
names by dashes that names may hold too: readings of names that nobody has are never asked for. Two
labels that read as one backend but stand for different routes cannot be told apart. Data and pure
functions only.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from service.adapters.exposition import Names, Series, Strange
from service.adapters.tally import Tally
from service.ports.metrics import Counters

# A route of our own ends so; its first rule is the split, the others show single versions, or lead the users
# that a version keeps to it: only those name other versions before it.
OWN_SUFFIX = "-segue"
_GATEWAY_API = re.compile(
    r"(?:http|grpc)route-(.+)-ep-.+-(\d+)-[0-9a-f]{20}-svc-(.+)-(\d+)@kubernetesgateway"
)
_CRD = re.compile(r"(.+)-[a-z0-9]+@kubernetescrd")


@dataclass(frozen=True, slots=True)
class Reading:
    """A backend that a label may stand for; `via` is the route that leads there."""

    backend: str
    via: str = ""


Readings = Callable[[Mapping[str, str]], tuple[Reading, ...]]


@dataclass(frozen=True, slots=True)
class Plane:
    """One data plane's way to count.

    `mixed` is what to change where it counts two versions as one, `unnamed` where its counts name no Service.
    `apart` says by what a candidate's requests differ; empty where that is seen only once two are counted.
    `whole` are the counters that it has of all requests, whichever Service answered; None: no others.
    `seldom` is what it counts only if told to, as an end of a sentence.
    """

    name: str
    names: Names
    readings: Readings
    mixed: str
    unnamed: str
    apart: str = ""
    whole: Names | None = None
    seldom: str = ""


def counters(plane: Plane, found: Iterable[Series]) -> dict[str, Counters]:
    """All backends that the series may stand for. Raises `Strange` for series that are none.

    A backend whose series come by more than one route, and those that are counted as one, have
    counters that are no numbers: they must never be taken for none.
    """
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    ways: defaultdict[str, set[str]] = defaultdict(set)
    known: dict[tuple[str, ...], tuple[Reading, ...]] = {}
    for one in found:
        key = tuple(one.labels.get(label, "") for label in _TELLING)
        readings = known.get(key)
        if readings is None:
            readings = known[key] = plane.readings(one.labels)
        for reading in readings:
            tallies[reading.backend].add(one, plane.names)
            ways[reading.backend].add(reading.via)
    return {
        name: tally.counters(name) if len(ways[name]) == 1 and MIXED not in ways[name] else UNTELLABLE
        for name, tally in sorted(tallies.items())
    }


def named(plane: Plane, found: Iterable[Series], backend: str) -> list[dict[str, str]]:
    """The labels by which a backend's requests are told from others', each set of them once."""
    said = (
        {label: one.labels[label] for label in _TELLING if one.labels.get(label)}
        for one in found
        if one.name == plane.names.requests
        and any(reading.backend == backend for reading in plane.readings(one.labels))
    )
    return [dict(pairs) for pairs in dict.fromkeys(tuple(labels.items()) for labels in said)]


def by_two_ways(plane: Plane, found: Iterable[Series]) -> dict[str, tuple[str, ...]]:
    """The backends whose counters cannot be told apart, with the ways that lead to each."""
    ways: defaultdict[str, set[str]] = defaultdict(set)
    for one in found:
        for reading in plane.readings(one.labels):
            ways[reading.backend].add(reading.via)
    return {name: tuple(sorted(via)) for name, via in ways.items() if len(via) > 1 or MIXED in via}


MIXED = "one name with others"
UNTELLABLE = Counters(float("nan"), float("nan"))
# The labels that decide what a series stands for, in any plane.
_TELLING = (
    *("service", "exported_service", "namespace", "exported_namespace", "envoy_cluster_name", "reporter"),
    *("destination_service_name", "destination_service_namespace", "canary", "exported_canary"),
)


def _traefik(labels: Mapping[str, str]) -> tuple[Reading, ...]:
    """`httproute-NS-ROUTE-gw-NS-GATEWAY-ep-ENTRY-RULE-HASH-svc-NS-SERVICE-INDEX@kubernetesgateway`, as
    Traefik 3.7 says it, or the CRD provider's `NS-SERVICE-PORT@kubernetescrd`."""
    said = _label(labels, "service")
    if found := _GATEWAY_API.fullmatch(said):
        route = found[1].rpartition("-gw-")[0]
        if route.endswith(OWN_SUFFIX) and found[2] != "0" and found[4] == "0":
            return ()  # a preview: no user's request
        return _splits(found[3], f"route {route}")
    if found := _CRD.fullmatch(said):
        return _splits(found[1], "IngressRoutes")
    return ()


def _istio(labels: Mapping[str, str]) -> tuple[Reading, ...]:
    """What the gateway or the caller's sidecar says; the called one's own view would count twice."""
    if labels.get("reporter") != "source":
        return ()
    service, namespace = labels.get("destination_service_name"), labels.get("destination_service_namespace")
    return (Reading(f"{service}.{namespace}"),) if service and namespace else ()


def _nginx(labels: Mapping[str, str]) -> tuple[Reading, ...]:
    """`service` is where the first Ingress leads, also for what its canary got; that says `canary`, as
    NAMESPACE-SERVICE-PORT."""
    canary = _label(labels, "canary")
    if canary.strip("-"):
        return _splits(canary.rpartition("-")[0], "")
    service, namespace = _label(labels, "service"), _label(labels, "namespace")
    return (Reading(f"{service}.{namespace}"),) if service and namespace else ()


def _envoy(labels: Mapping[str, str]) -> tuple[Reading, ...]:
    """A cluster's name under `clusterStatName: "%BACKEND_REFS%"`: NS/SERVICE, several joined by `|`."""
    refs = [ref.split("/") for ref in labels.get("envoy_cluster_name", "").split("|")]
    via = "" if len(refs) == 1 else MIXED
    return tuple(Reading(f"{ref[1]}.{ref[0]}", via) for ref in refs if len(ref) == 2)


def _label(labels: Mapping[str, str], name: str) -> str:
    """Prometheus renames a label that its own target has too."""
    return labels.get(f"exported_{name}") or labels.get(name, "")


def _splits(joined: str, via: str) -> tuple[Reading, ...]:
    """Every way to read NAMESPACE-SERVICE."""
    parts = joined.split("-")
    pairs = (("-".join(parts[:n]), "-".join(parts[n:])) for n in range(1, len(parts)))
    return tuple(Reading(f"{service}.{namespace}", via) for namespace, service in pairs)


PLANES = {
    plane.name: plane
    for plane in (
        Plane(
            "traefik",
            Names("traefik_service_requests_total", "traefik_service_request_duration_seconds_bucket"),
            _traefik,
            "give each target a Service of its own that no other route leads to",
            "start Traefik with --metrics.prometheus.addServicesLabels=true",
            "another `service`, as its Service has another name",
            Names("traefik_entrypoint_requests_total", "traefik_entrypoint_request_duration_seconds_bucket"),
        ),
        Plane(
            "istio",
            Names(
                "istio_requests_total",
                "istio_request_duration_milliseconds_bucket",
                code="response_code",
                unit=0.001,
            ),
            _istio,
            "give each target a Service of its own",
            'let Prometheus scrape the gateway and the sidecars of callers (series with reporter="source")'
            " and keep the labels destination_service_name and destination_service_namespace",
            "another `destination_service_name`, as its Service has another name",
        ),
        Plane(
            "nginx",
            Names(
                "nginx_ingress_controller_requests",
                "nginx_ingress_controller_request_duration_seconds_bucket",
                code="status",
            ),
            _nginx,
            "give each target a Service of its own",
            "keep the labels service and namespace, or exported_service and exported_namespace, where"
            " Prometheus relabels what it scrapes",
            "`canary` with its own Service's name",
            seldom="; what an Ingress for a wildcard host gets is counted only with --metrics-per-host=false",
        ),
        Plane(
            "envoy",
            Names(
                "envoy_cluster_upstream_rq",
                "envoy_cluster_upstream_rq_time_bucket",
                code="envoy_response_code",
                unit=0.001,
            ),
            _envoy,
            'set clusterStatName: "%BACKEND_REFS%" in the EnvoyProxy, and see that each backend has a cluster'
            " of its own",
            'set clusterStatName: "%BACKEND_REFS%" in the EnvoyProxy',
        ),
    )
}


def plane_of(name: str) -> Plane:
    """The data plane of that name. Raises `Strange`, naming those that are known."""
    if name not in PLANES:
        raise Strange(f"there is no data plane {name!r}; known: {', '.join(sorted(PLANES))}")
    return PLANES[name]
