"""Builds the parts of a process from its settings: stores and adapters. The one place that does.

Every part can be given instead, which is how scenarios run the whole service on memory adapters.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from policies.place import Place
from service import archives, plugins, preview
from service.ports.archives import Archive
from service.ports.builds import ImageBuilder, Recipe
from service.ports.calendars import CalendarServer
from service.ports.chat import Chat
from service.ports.connections import Cluster, Source
from service.ports.counts import CounterSource
from service.ports.git import Deploying, GitHost, Redelivering
from service.ports.jobs import JobRunner
from service.ports.label_tables import LabelTables
from service.ports.lineage import LineageServer
from service.ports.metrics import MetricSource
from service.ports.organisations import Organisation
from service.ports.others import Others
from service.ports.outcomes import Refused
from service.ports.receivers import Receiver
from service.ports.recordings import Noted
from service.ports.registries import ImageRegistry, ModelRegistry
from service.ports.run_metrics import RunMetrics
from service.ports.signatures import ImageSignatures
from service.ports.traffic import TrafficRouter
from service.ports.workloads import Adoption, Kept, Room, Workload
from service.settings import Settings
from service.sources import (
    CHAT_KINDS,
    COUNTING_KINDS,
    DEPLOYING_KINDS,
    GIT_KINDS,
    IMAGE_KINDS,
    METRIC_KINDS,
    ORGANISATION_KINDS,
    RECEIVER_KINDS,
    REGISTRY_KINDS,
)
from service.sources import opened as source_opened
from service.store.inbox import Inbox
from service.store.store import Store
from service.store.untold import Untold


@dataclass(frozen=True, slots=True)
class Site:
    """What serves, runs and counts at one place.

    `ask` looks at a workload's health before users see it: its URL, the router's address where it
    shows previews, the backend's name and the path. `adoption` is there where workloads may exist
    that Segue did not start, `room` where a version has more than one copy, `others` where somebody
    else shifts the traffic and nothing is changed, `kept` where others may change what runs, `noted` where
    what is noted of answers is not in files of this machine.
    """

    workloads: Workload
    jobs: JobRunner
    router: TrafficRouter
    metrics: MetricSource
    ask: Callable[[str, str | None, str, str], str]
    adoption: Adoption | None = None
    room: Room | None = None
    others: Others | None = None
    kept: Kept | None = None
    noted: Noted | None = None


def _no_archive(place: str) -> Archive:
    raise Refused(f"nothing here can keep files at {place}")


def _no_lineage() -> LineageServer:
    raise Refused("nothing here takes lineage")


def _no_calendar(name: str) -> CalendarServer:
    raise Refused(f"nothing here can fetch the calendar {name}")


def _no_signatures(source: Source) -> ImageSignatures:
    raise Refused(f"nothing here can read the signatures at {source.url}")


def _which(name: str | None, known: list[str], *, several: bool) -> str:
    """Why a guard's metric source is not clear, and what to write."""
    if not known or (name is None and not several):
        said = "no source of metrics is connected: segue connect prometheus URL"
        return f"{said}; or write `from: {known[0]}`" if known else said
    asked = (
        "several sources of metrics are connected" if name is None else f"there is no metric source {name!r}"
    )
    return f"{asked}; write `from:` with one of: {', '.join(known)}"


def _no_tables(source: Source) -> LabelTables:
    raise Refused(f"nothing here can read tables of labels at {source.url}")


def _no_counters(source: Source) -> CounterSource:
    raise Refused(f"nothing here can read the counters at {source.url}")


def _no_runs(source: Source) -> RunMetrics:
    raise Refused(f"nothing here can read what jobs log at {source.url}")


@dataclass(slots=True)
class Parts:
    """What a worker acts with. Source adapters are opened when they are first asked for."""

    settings: Settings
    store: Store
    inbox: Inbox
    builder: ImageBuilder
    jobs: JobRunner
    workloads: Workload
    router: TrafficRouter
    metrics: MetricSource
    open_source: Callable[[Source], Any]
    ask_preview: Callable[[str, str | None, str, str], str] = preview.ask
    open_site: Callable[[Cluster, Place], Site] = field(default=lambda cluster, _: _no_site(cluster))
    dockerfiles: ImageBuilder | None = None
    open_signatures: Callable[[Source], ImageSignatures] = _no_signatures
    open_counters: Callable[[Source], CounterSource] = _no_counters
    open_tables: Callable[[Source], LabelTables] = _no_tables
    open_runs: Callable[[Source], RunMetrics] = _no_runs
    open_archive: Callable[[str], Archive] = _no_archive
    open_lineage: Callable[[], LineageServer] = _no_lineage
    open_calendar: Callable[[str], CalendarServer] = _no_calendar
    looked: dict[str, int] = field(default_factory=dict)  # the newest delivery before a source was last asked
    read: dict[str, float] = field(default_factory=dict)  # when what a run prints was read last
    untold: Untold = field(default_factory=Untold)
    _opened: dict[str, tuple[Source, Any]] = field(default_factory=dict)
    _counters: dict[str, tuple[Source, CounterSource]] = field(default_factory=dict)
    _sites: dict[Place, tuple[Cluster, Site]] = field(default_factory=dict)

    def builder_of(self, recipe: Recipe) -> ImageBuilder:
        """Who makes the recipe's image. Raises `Refused` where nobody here does."""
        if recipe.dockerfile is None:
            return self.builder
        if self.dockerfiles is None:
            raise Refused("no builder for Dockerfiles is set up here; name the cluster: SEGUE_DOCKERFILES")
        return self.dockerfiles

    def git(self, name: str) -> GitHost:
        """The Git host behind a source. Raises `Refused` for a name that is not connected."""
        host: GitHost = self._source(name, GIT_KINDS)
        return host

    def deploying(self, name: str) -> Deploying:
        """The host behind a source, which lists deployments."""
        host: Deploying = self._source(name, DEPLOYING_KINDS)
        return host

    def organisation(self, name: str) -> Organisation:
        """The organisation behind a source."""
        organisation: Organisation = self._source(name, frozenset(ORGANISATION_KINDS))
        return organisation

    def redelivering(self, name: str) -> Redelivering:
        """A host or an organisation there that sends again what it could not deliver."""
        host: Redelivering = self._source(name, GIT_KINDS | ORGANISATION_KINDS.keys())
        return host

    def run_metrics(self, name: str) -> RunMetrics:
        """Where jobs log their numbers at a source. Raises `Refused` for one that is no MLflow server."""
        source = self.source(name)
        if source.kind not in REGISTRY_KINDS:
            raise Refused(f"source {name!r} is of kind {source.kind}; jobs log their numbers to MLflow alone")
        return self.open_runs(source)

    def registry(self, name: str) -> ModelRegistry:
        """The model registry behind a source."""
        registry: ModelRegistry = self._source(name, REGISTRY_KINDS)
        return registry

    def chat(self, name: str) -> Chat:
        """The chat behind a source."""
        chat: Chat = self._source(name, CHAT_KINDS)
        return chat

    def receiver(self, name: str) -> Receiver:
        """The receiver behind a source."""
        receiver: Receiver = self._source(name, RECEIVER_KINDS)
        return receiver

    def images(self, name: str) -> ImageRegistry:
        """The image registry behind a source."""
        registry: ImageRegistry = self._source(name, IMAGE_KINDS)
        return registry

    def counters(self, name: str | None, target: str) -> CounterSource:
        """The metric source of that name that guards of the target may ask; without a name the only one.

        Raises `Refused` with what to write.
        """
        known = [one for one in self.store.sources() if one.kind in COUNTING_KINDS]
        plain = [one for one in known if one.kind in METRIC_KINDS]
        found = plain if name is None else [one for one in known if one.name == name]
        if len(found) != 1:
            raise Refused(_which(name, [one.name for one in known], several=len(plain) > 1))
        source = found[0]
        if not any(fnmatchcase(target, glob) for glob in source.owns):
            raise Refused(
                f"guards of {target} may not ask {source.name}; it may own {', '.join(source.owns)}"
            )
        opened = self._counters.get(source.name)
        if opened is None or opened[0] != source:
            opened = self._counters[source.name] = (source, self.open_counters(source))
        return opened[1]

    def source(self, name: str) -> Source:
        """The connection of that name. Raises `Refused` for one that is not connected."""
        source = next((s for s in self.store.sources() if s.name == name), None)
        if source is None:
            raise Refused(f"there is no source {name!r}; connect it with: segue connect")
        return source

    def at(self, place: Place) -> Site:
        """The parts of a place. Raises `Refused` for a cluster that is not connected, and for this machine
        where it serves nothing."""
        if place.cluster is None:
            if self.settings.clusters_only:
                raise Refused(
                    "nothing serves on this machine (SEGUE_CLUSTERS_ONLY); connect a cluster for it: segue"
                    " cluster NAME --default"
                )
            return Site(self.workloads, self.jobs, self.router, self.metrics, self.ask_preview)
        cluster = self.cluster(place.cluster)
        known = self._sites.get(place)
        if known is None or known[0] != cluster:
            known = self._sites[place] = (cluster, self.open_site(cluster, place))
        return known[1]

    def cluster(self, name: str) -> Cluster:
        """The connected cluster of that name. Raises `Refused` where there is none."""
        return _cluster(self.store, name)

    def _source(self, name: str, kinds: frozenset[str]) -> Any:
        source = self.source(name)
        if source.kind not in kinds:
            raise Refused(f"source {name!r} is of kind {source.kind}, wanted one of {sorted(kinds)}")
        known = self._opened.get(name)
        if known is None or known[0] != source:
            known = (source, self.open_source(source))
            self._opened[name] = known
        return known[1]


def _cluster(store: Store, name: str) -> Cluster:
    found = {cluster.name: cluster for cluster in store.clusters()}
    if name not in found:
        known = ", ".join(found) or "none is connected"
        raise Refused(f"there is no cluster {name!r}; known: {known}; connect it: segue cluster {name}")
    return found[name]


def _no_site(cluster: Cluster) -> Site:
    raise Refused(f"nothing here can reach the cluster {cluster.name}")


def build(settings: Settings) -> Parts:
    """The parts that the settings ask for."""

    def opened(port: str, name: str) -> Any:
        return plugins.load(port, name).open(settings)

    def open_source(source: Source) -> Any:
        return source_opened(settings, source)

    store = Store.open(settings.store_url("engine"), limits=settings.limits)
    return Parts(
        settings=settings,
        store=store,
        inbox=Inbox.open(settings.store_url("inbox")),
        builder=_builder(settings, store),
        dockerfiles=_in_cluster("buildah", settings, store, settings.dockerfiles),
        jobs=opened("job_runners", "process"),
        workloads=opened("workloads", "process"),
        router=opened("traffic_routers", "traefik"),
        metrics=opened("metric_sources", "traefik"),
        open_source=open_source,
        open_signatures=lambda source: plugins.load("image_signatures", source.kind).open(settings, source),
        open_counters=lambda source: plugins.load("counter_sources", source.kind).open(settings, source),
        open_tables=lambda source: plugins.load("label_tables", source.kind).open(settings, source),
        open_runs=lambda source: plugins.load("run_metrics", source.kind).open(settings, source),
        open_lineage=lambda: plugins.load("lineage_servers", "openlineage").open(settings),
        open_calendar=lambda name: plugins.load("calendars", "web").open(settings, name),
        open_archive=lambda place: archives.opened(settings, place),
        open_site=lambda cluster, place: plugins.load("sites", "kubernetes")(settings, cluster, place),
    )


def _builder(settings: Settings, store: Store) -> ImageBuilder:
    there = _in_cluster("kubernetes", settings, store, settings.builder)
    here: ImageBuilder = there or plugins.load("image_builders", "oci").open(settings)
    return here


def _in_cluster(adapter: str, settings: Settings, store: Store, name: str | None) -> ImageBuilder | None:
    """A builder that makes Jobs in the cluster of that name; None for no name."""
    if name is None:
        return None
    found: ImageBuilder = plugins.load("image_builders", adapter).open(
        settings, lambda: _cluster(store, name)
    )
    return found
