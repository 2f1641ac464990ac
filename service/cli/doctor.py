"""What `segue doctor` looks at: each check says what it found and what to type to mend it."""

import os
import shutil
import sys

from policies import calendars, drifting, trust
from policies.guards import coarse
from policies.release import Target
from policies.spec.declaration import Model
from policies.trust import Trust
from service import clusters, keys, plugins, processes, sources, up
from service.arrivals import connecting, watching
from service.cli import blind, exposed, serving
from service.engine import newest, trusting
from service.errors import StartError, StoreError
from service.machine import installation, shim
from service.ports.clusters import Finding, Served
from service.ports.connections import Source
from service.ports.outcomes import PortError, Refused
from service.ports.registries import ImageRegistry
from service.settings import Settings
from service.store import calendars as stored_calendars
from service.store.calendars import Calendar
from service.store.series import Series
from service.store.states import model_of, target_of
from service.store.store import Store

LEAST_FREE = 1 << 30
OLD_CALENDAR = 86_400.0  # seconds


def examine(settings: Settings) -> list[Finding]:
    """All checks; none of them changes anything."""
    chosen = installation.with_ports(settings)
    found = [_python(), _git(), _home(settings), *exposed.examine(settings)]
    found += [*_trust(settings), *_checkpoints(settings)]
    if not settings.clusters_only:
        found += [_isolation(settings), *_embedded(settings)]
    if not (settings.home / "run").is_dir():
        return [*found, Finding("running", ok=False, detail="nothing was started here yet", mend="segue up")]
    return [*found, *_processes(chosen), *_router(chosen), *_stored(chosen)]


def examine_cluster(settings: Settings, name: str) -> list[Finding]:
    """All checks of a connected cluster, for the targets that serve there or are going to; none of them
    changes anything."""
    installation.check_store(settings)
    store = Store.open(settings.store_url("engine"))
    known = {cluster.name: cluster for cluster in store.clusters()}
    there = serving.served_in(store, name)
    store.close()
    if name not in known:
        names = ", ".join(known) or "none is connected"
        raise Refused(f"there is no cluster {name!r}; known: {names}; connect it: segue cluster {name}")
    return [*clusters.view(known[name]).examine(there), *_recording(settings, there)]


def _recording(settings: Settings, targets: tuple[Served, ...]) -> list[Finding]:
    """Whether it is known what copies requests, or notes who answered them, where that is asked for."""
    if settings.builder_image is not None or not any(one.shadow or one.noted for one in targets):
        return []
    told = "Segue's own image, which records answers there, is not known"
    return [Finding("recorder", ok=False, detail=told, mend="name it: SEGUE_BUILDER_IMAGE")]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "use Python 3.11 or newer")


def _git() -> Finding:
    path = shutil.which("git")
    return Finding("git", path is not None, path or "not found", "install git, for example: apt install git")


def _home(settings: Settings) -> Finding:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{settings.home}, {free / (1 << 30):.1f} GiB free"
    if not os.access(place, os.W_OK):
        return Finding("home", ok=False, detail=f"{place} cannot be written", mend="set SEGUE_HOME")
    return Finding("home", free >= LEAST_FREE, detail, "make room, or set SEGUE_HOME to a larger disk")


def _isolation(settings: Settings) -> Finding:
    detail: str = plugins.load("workloads", "process").open(settings).isolation
    return Finding("isolation", ok=True, detail=detail)


def _trust(settings: Settings) -> list[Finding]:
    """Whether images can be signed and held against the policy; nothing where neither is wanted."""
    asked = {rule for _, rule in trust.rules(settings.trust)} - {Trust.OFF}
    if settings.secret(trusting.KEY) is not None:
        asked.add(Trust.OURS)
    if not asked:
        return []
    try:
        told = [_keys(settings, rule) for rule in sorted(asked)]
        if settings.images is not None:
            source = trusting.images_source(settings)
            plugins.load("image_signatures", source.kind).open(settings, source).check()
    except PortError as reason:
        mend = "see docs/how-to/signed-images.md: which key is needed where"
        return [Finding("trust", ok=False, detail=str(reason), mend=mend)]
    return [Finding("trust", ok=True, detail=f"SEGUE_TRUST={settings.trust}; {'; '.join(told)}")]


def _keys(settings: Settings, rule: Trust) -> str:
    return f"{rule.value}: {', '.join(map(keys.shown, trusting.keys_of(settings, rule)))}"


def _checkpoints(settings: Settings) -> list[Finding]:
    """Whether the record's head can be signed, where it is to be kept elsewhere."""
    if not settings.checkpoints:
        return []
    signed = settings.secret(trusting.KEY) is not None
    where = ", ".join(settings.checkpoints)
    detail = f"are kept at {where}" if signed else f"none is kept at {where}: no key signs them"
    return [Finding("checkpoints", signed, detail, "segue signing-key")]


def _embedded(settings: Settings) -> list[Finding]:
    found = []
    for name in ("traefik", "valkey"):
        try:
            plugins.load("daemons", name).open(settings).program()
            found.append(Finding(name, ok=True, detail="installed"))
        except (ImportError, plugins.UnknownAdapter, PortError) as reason:
            mend = "pip install 'segue[embedded]'"
            if name == "valkey":
                mend += ", or run without it: segue up --broker none"
            found.append(Finding(name, ok=False, detail=str(reason), mend=mend))
    return found


def _processes(chosen: Settings) -> list[Finding]:
    if installation.running(chosen.home, "up") is None:
        return [Finding("running", ok=False, detail="Segue is not running", mend="segue up")]
    return [
        Finding(name, up.ready(chosen, name), "ready" if up.ready(chosen, name) else "not ready",
              f"see {up.place_of_logs(chosen, name)}")
        for name in processes.NAMES
    ]  # fmt: skip


def _router(chosen: Settings) -> list[Finding]:
    if chosen.clusters_only:
        return []
    running = shim.status(up.daemon_folder(chosen.home, "traefik")).running
    where = installation.place(chosen).router
    return [Finding("router", running, f"{where} {'serves' if running else 'does not run'}", "segue up")]


def _stored(chosen: Settings) -> list[Finding]:
    try:
        installation.check_store(chosen)
        store = Store.open(chosen.store_url("engine"))
        known, dead = store.sources(), store.dead()
        connected = [cluster.name for cluster in store.clusters()]
        models = [model_of(row) for row in store.models()]
        targets = [target_of(row, row.name) for row in store.targets()]
        series = Series.open(chosen.store_url("series"))
    except (StartError, StoreError) as reason:
        return [Finding("store", ok=False, detail=str(reason), mend="look at the disk or the database")]
    found = [_source(chosen, source, models) for source in known]
    if not known:
        found = [Finding("sources", ok=False, detail="nothing is connected", mend="segue connect git URL")]
    found += [*_rooms(known, models), *_calendars(chosen, store)]
    given_up = Finding("work", not dead, f"{len(dead)} given up", "see why: segue events --failed")
    blind_ones = _blind(series, models, targets)
    store.close()
    series.close()
    return [*found, *drifts(targets), *blind_ones, _dockerfiles(chosen, connected), given_up]


def _calendars(chosen: Settings, store: Store) -> list[Finding]:
    """When the operator's calendars were read last: what is old may miss what was entered since."""
    names = {calendars.fetched_name(called): called for called, _ in chosen.calendars}
    with store.read() as read:
        known, now = stored_calendars.fetched(read, list(names)), read.now
    return [_calendar(called, known.get(name), now) for name, called in names.items()]


def _calendar(called: str, known: Calendar | None, now: float) -> Finding:
    trouble = f": {known.trouble}" if known is not None and known.trouble else ""
    if known is None or known.fetched is None:
        told = f"never read, so nothing is released{trouble}"
    else:
        told = f"read {(now - known.fetched) / 86_400:.1f} days ago{trouble}"
    fine = known is not None and known.fetched is not None and now - known.fetched < OLD_CALENDAR
    return Finding(f"calendar {called}", fine, told, "look at SEGUE_CALENDARS, and at the server that has it")


def drifts(targets: list[Target]) -> list[Finding]:
    """Where somebody else changed what serves, or what names it, as the last look saw it."""
    return [
        Finding(f"target {one.name}", ok=False, detail=said, mend=drifting.following(one))
        for one in targets
        if (said := drifting.found(one))
    ]


def _blind(series: Series, models: list[Model], targets: list[Target]) -> list[Finding]:
    """Latency guards that the buckets of the router hide something from."""
    mend = "add the bound to the router's buckets, or guard a finer histogram of the model's by `query`"
    return [
        Finding(f"buckets {target}", ok=False, detail=coarse.words(found), mend=mend)
        for target, found in blind.served(series, models, targets)
    ]


def _rooms(known: list[Source], models: list[Model]) -> list[Finding]:
    """Rooms that declarations name of chats that are not connected: nobody is asked or told there."""
    chats = {source.name for source in known if source.kind in sources.CHAT_KINDS}
    named = ((e.approvals.channel, *e.tell) for model in models for e in model.environments)
    asked = {room for rooms in named for room in rooms if room is not None}
    missing = sorted(room for room in asked if room.partition(":")[0] not in chats)
    mend = "segue connect slack|mattermost|matrix ... --name NAME, or leave the room out"
    return [
        Finding(f"room {room}", ok=False, detail="its chat is not connected", mend=mend) for room in missing
    ]


def _dockerfiles(chosen: Settings, connected: list[str]) -> Finding:
    """Whether there is a place where Dockerfiles are built, and otherwise what to set."""
    name = chosen.dockerfiles
    if name is None:
        unset = (
            "are not built; SEGUE_DOCKERFILES, SEGUE_BUILDAH_IMAGE and SEGUE_BUILDER_IMAGE say where, by what"
        )
        return Finding("dockerfiles", ok=True, detail=unset)
    mend = f"segue cluster {name} --namespace NAMESPACE, one whose pod security is privileged"
    detail = f"are built in the cluster {name}{'' if name in connected else ', which is not connected'}"
    return Finding("dockerfiles", name in connected, detail, mend)


def _source(chosen: Settings, source: Source, models: list[Model]) -> Finding:
    name = f"source {source.name}"
    if source.kind in sources.METRIC_KINDS | sources.CHAT_KINDS | sources.RECEIVER_KINDS:
        return _checked(chosen, source)
    if chosen.secret(f"hook-{source.keyring}") is None and not chosen.allow_unsigned:
        return Finding(name, ok=False, detail="has no hook secret", mend=f"connect {source.url} again")
    if source.kind in sources.HOOK_KINDS:
        return Finding(name, ok=True, detail=f"tells {installation.place(chosen).intake}/hooks/{source.name}")
    try:
        adapter = sources.opened(chosen, source)
        if source.kind in sources.IMAGE_KINDS:
            return _images(source, adapter, models)
        whole = source.kind in sources.ORGANISATION_KINDS
        count = len(tuple(adapter.repositories()) if whole else watching.values_of(source, adapter))
        told = source.member or connecting.told_at_once(source, adapter, installation.place(chosen).intake)
    except PortError as reason:
        return Finding(name, ok=False, detail=str(reason), mend=f"check {source.url}, then connect it again")
    if not told:
        late = f"{source.url} has no hook that leads here; it is looked at every {chosen.sweep_seconds:g} s"
        return Finding(name, ok=False, detail=late, mend=f"connect {source.url} again, and read what it says")
    what = (
        ("repository" if count == 1 else "repositories") if whole else f"reference{'' if count == 1 else 's'}"
    )
    listed = connecting.deployments(source, adapter)
    return Finding(name, ok=True, detail="; ".join([f"{source.url}, {count} {what}", *listed]))


def _checked(chosen: Settings, source: Source) -> Finding:
    """Whether a metric source, a chat or a receiver answers, as far as it can be asked."""
    name = f"source {source.name}"
    try:
        sources.opened(chosen, source).check()
    except PortError as reason:
        return Finding(name, ok=False, detail=str(reason), mend=f"check {source.url}, then connect it again")
    return Finding(name, ok=True, detail=f"{source.url} answers")


def _images(source: Source, registry: ImageRegistry, models: list[Model]) -> Finding:
    """Whether the registry answers, and says which image is the newest of each that is declared."""
    name = f"source {source.name}"
    registry.check()
    wanted = newest.wanted_of(source, models)
    for one in wanted:
        if newest.newest(registry, one) is None:
            mend = f"push an image with such a tag, or change `image: {one.reference}`"
            return Finding(name, ok=False, detail=f"no tag matches {one.reference}", mend=mend)
    return Finding(name, ok=True, detail=f"{source.url}, {len(wanted)} declared")
