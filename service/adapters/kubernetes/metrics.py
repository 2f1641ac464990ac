"""The counters of a cluster's data plane: its own /metrics, or a Prometheus that scrapes all its replicas.

It never computes a rate: raw counters, added up over the replicas. Where one of them begins anew,
comes or goes, the whole is told as begun anew. Nothing but `NoData` comes out where anything in the
answer is strange.
"""

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import requests

from policies.guards.readings import Series as Counter
from service.adapters import exposition, segments
from service.adapters.exposition import Names, Series, Strange
from service.adapters.kubernetes import planes
from service.adapters.kubernetes.planes import Plane
from service.adapters.steady import steady
from service.ports.connections import Cluster
from service.ports.metrics import NoData, Sample
from service.ports.outcomes import Refused, Retry

PROMETHEUS = "prometheus+"  # before http:// or https://
SECONDS = 2.0  # for a whole answer; one that is read as it comes may take longer
LONGEST = 32 << 20  # bytes of Prometheus' answer, which is read whole
_PIECE = 1 << 16
_ALONE = frozenset({"traefik", "nginx"})  # planes that say themselves when they started


class ClusterMetrics:
    """Reads the counters of one cluster's data plane, for all targets there."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._session = steady(requests.Session(), SECONDS)
        self._session.trust_env = False  # no proxy, no .netrc
        self._seen: dict[tuple[str, str], dict[str, float]] = {}  # an instance's counters at the last reading
        self._starts: dict[tuple[str, str], float] = {}
        self._started = 0.0
        self._read_last: tuple[float, dict[str, Series]] = (0.0, {})  # of the data plane itself

    def sample(self) -> Sample | NoData:
        """All backends' counters now, by `service.namespace`."""
        try:
            plane = planes.plane_of(self._cluster.plane)
            at, started, found = self._read(plane)
            counted = planes.counters(plane, found)
            for backend in self._went_back(plane, started, found) & counted.keys():
                counted[backend] = planes.UNTELLABLE
            return Sample(at, started, tuple(counted.items()))
        except (Strange, requests.RequestException) as error:
            return NoData(f"the counters of the cluster {self._cluster.name}: {_said(error)}")

    def read(self, names: Names | None = None) -> tuple[float, float, list[Series]]:
        """When it was counted, since when, and the series themselves, for whoever looks how they can be told
        apart; `names`: other counters of the data plane than those of its Services.

        Raises `Strange` where they cannot be read.
        """
        plane = planes.plane_of(self._cluster.plane)
        try:
            return self._read(plane if names is None else replace(plane, names=names))
        except requests.RequestException as error:
            raise Strange(_said(error)) from error

    def split(self, labels: Sequence[str]) -> tuple[Counter, ...]:
        """The requests by version and these labels of the data plane.

        Raises `Refused` where it counts by none such, `Retry` where nothing answers.
        """
        plane = planes.plane_of(self._cluster.plane)
        try:
            at, started, found = self._read(plane)
        except (Strange, requests.RequestException) as error:
            raise Retry(f"the counters of the cluster {self._cluster.name}: {_said(error)}") from error
        each = [(r.backend, one) for one in found for r in plane.readings(one.labels)]
        each = [(name, one) for name, one in each if one.name == plane.names.requests]
        if missing := [label for label in labels if any(label not in one.labels for _, one in each)]:
            raise Refused(
                f"the data plane of the cluster {self._cluster.name} counts by no label {missing[0]}; with"
                " Traefik its metrics' headerLabels name one and its header"
            )
        return segments.counters(each, plane.names.code, at, f"started {started:.3f}")

    def _read(self, plane: Plane) -> tuple[float, float, list[Series]]:
        """When it was counted, since when, and the counters."""
        url = self._cluster.metrics
        if url is None:
            raise Strange("none are known; connect the cluster again with --metrics")
        if url.startswith(PROMETHEUS):
            return self._queried(url.removeprefix(PROMETHEUS).rstrip("/"), plane)
        if plane.name not in _ALONE:
            raise Strange(f"{plane.name} is read through a Prometheus; write: --metrics prometheus+http://…")
        try:
            with self._asked(url, {}, exposition.LONGEST, exposition.PACE) as pieces:
                at = time.time()  # it counts before it answers, and a long answer takes its time
                return at, *exposition.streamed(pieces, plane.names)
        except UnicodeDecodeError as error:
            raise Strange("the answer is not text") from error

    def _went_back(self, plane: Plane, started: float, found: Iterable[Series]) -> set[str]:
        """Backends of which a series is gone or fell though the process is the same: its rule is not there
        any more, and what the others gained meanwhile must not hide that."""
        now = {_identity(one): one for one in found if one.name == plane.names.requests}
        (since, before), self._read_last = self._read_last, (started, now)
        if since != started:
            return set()
        less = (one for key, one in before.items() if key not in now or now[key].value < one.value)
        return {reading.backend for one in less for reading in plane.readings(one.labels)}

    # --- Prometheus ---------------------------------------------------------------------------

    def _queried(self, base: str, plane: Plane) -> tuple[float, float, list[Series]]:
        names = plane.names
        which = f'{{__name__=~"{names.requests}|{names.buckets}"}}'
        found = [_series(one) for one in self._query(base, which)]
        ages = self._query(base, f"min by (job, instance) (timestamp({names.requests}))")
        starts = self._query(
            base,
            f"max by (job, instance) (process_start_time_seconds and on (job, instance) {names.requests})",
        )
        if not ages:
            raise Strange(f"Prometheus has no {names.requests}; does it scrape the data plane?")
        at = min(exposition.value(*_value(one)) for one in ages)
        begun = {_instance(one["metric"]): exposition.value(*_value(one)) for one in starts}
        return at, self._since(begun, found, at), found

    def _since(self, begun: Mapping[tuple[str, str], float], found: Iterable[Series], at: float) -> float:
        """Since when the sum only grows: the newest start, or when an instance came, went or fell."""
        counts: dict[tuple[str, str], dict[str, float]] = {}
        for one in found:
            counts.setdefault(_instance(one.labels), {})[_identity(one)] = one.value
        fell = any(
            before.get(name, 0.0) > counts.get(instance, {}).get(name, 0.0)
            for instance, before in self._seen.items()
            for name in before
        )
        same = self._seen.keys() == counts.keys() and self._starts == begun
        if self._started == 0.0:
            self._started = max(begun.values(), default=at)
        elif fell or not same:
            self._started = max(at, math.nextafter(self._started, math.inf))
        self._seen, self._starts = counts, dict(begun)
        return self._started

    def _query(self, base: str, query: str) -> list[dict[str, Any]]:
        """An instant vector. Contract: https://prometheus.io/docs/prometheus/latest/querying/api/"""
        body = self._ask(f"{base}/api/v1/query", {"query": query})
        try:
            data = json.loads(body)["data"]
            kind, result = data["resultType"], list(data["result"])
        except (ValueError, KeyError, TypeError) as error:
            raise Strange(f"Prometheus answered otherwise than its API: {type(error).__name__}") from error
        if kind != "vector":
            raise Strange(f"Prometheus answered with a {kind} instead of a vector")
        return result

    def _ask(self, url: str, params: Mapping[str, str]) -> bytes:
        """The body of a 200 within the time."""
        with self._asked(url, params, LONGEST) as pieces:
            return b"".join(pieces)

    @contextmanager
    def _asked(
        self, url: str, params: Mapping[str, str], longest: int, pace: float = math.inf
    ) -> Iterator[Iterator[bytes]]:
        """The body of a 200, piece by piece, so that no stream outlasts the time. It may take longer where it
        keeps coming at that pace, in bytes a second."""
        began = time.monotonic()
        with self._session.get(
            url, params=params, timeout=SECONDS, stream=True, allow_redirects=False
        ) as response:
            if response.status_code != 200:
                raise Strange(f"{urlsplit(url).netloc} answered {response.status_code}")
            yield _within(response.iter_content(_PIECE), began + SECONDS, longest, pace)


def _within(pieces: Iterable[bytes], until: float, longest: int, pace: float) -> Iterator[bytes]:
    brought = 0
    for piece in pieces:
        brought += len(piece)
        if brought > longest or time.monotonic() > until + brought / pace:
            raise Strange("the answer has no end")
        yield piece


def _series(one: Mapping[str, Any]) -> Series:
    labels = dict(one["metric"])
    return Series(labels.pop("__name__"), labels, exposition.value(*_value(one)))


def _value(one: Mapping[str, Any]) -> tuple[str, str]:
    return str(one["value"][1]), str(one["metric"])


def _instance(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("job", ""), labels.get("instance", "")


def _identity(one: Series) -> str:
    return f"{one.name}{sorted(one.labels.items())}"


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Strange) else f"no answer ({type(error).__name__})"
