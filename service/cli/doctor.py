"""What `segue doctor` looks at: each check says what it found and what to type to mend it."""

import os
import shutil
import sys
from dataclasses import dataclass

from policies.spec.declaration import Model
from service import connecting, installation, newest, plugins, processes, shim, sources, up, watching
from service.errors import StartError, StoreError
from service.ports import ImageRegistry, PortError, Source
from service.settings import Settings
from service.states import model_of
from service.store import Store

LEAST_FREE = 1 << 30


@dataclass(frozen=True, slots=True)
class Found:
    """One check's result; `mend` is what to do where it is not `ok`."""

    check: str
    ok: bool
    detail: str
    mend: str = ""


def examine(settings: Settings) -> list[Found]:
    """All checks; none of them changes anything."""
    chosen = installation.with_ports(settings)
    found = [_python(), _git(), _home(settings), _isolation(settings), *_embedded(settings)]
    if not (settings.home / "run").is_dir():
        return [*found, Found("running", ok=False, detail="nothing was started here yet", mend="segue up")]
    return [*found, *_processes(chosen), *_router(chosen), *_stored(chosen)]


def _python() -> Found:
    version = ".".join(map(str, sys.version_info[:3]))
    return Found("python", sys.version_info >= (3, 11), version, "use Python 3.11 or newer")


def _git() -> Found:
    path = shutil.which("git")
    return Found("git", path is not None, path or "not found", "install git, for example: apt install git")


def _home(settings: Settings) -> Found:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{settings.home}, {free / (1 << 30):.1f} GiB free"
    if not os.access(place, os.W_OK):
        return Found("home", ok=False, detail=f"{place} cannot be written", mend="set SEGUE_HOME")
    return Found("home", free >= LEAST_FREE, detail, "make room, or set SEGUE_HOME to a larger disk")


def _isolation(settings: Settings) -> Found:
    detail: str = plugins.load("workloads", "process").open(settings).isolation
    return Found("isolation", ok=True, detail=detail)


def _embedded(settings: Settings) -> list[Found]:
    found = []
    for name in ("traefik", "valkey"):
        try:
            plugins.load("daemons", name).open(settings).program()
            found.append(Found(name, ok=True, detail="installed"))
        except (ImportError, plugins.UnknownAdapter, PortError) as reason:
            mend = "pip install 'segue[embedded]'"
            if name == "valkey":
                mend += ", or run without it: segue up --broker none"
            found.append(Found(name, ok=False, detail=str(reason), mend=mend))
    return found


def _processes(chosen: Settings) -> list[Found]:
    if installation.running(chosen.home, "up") is None:
        return [Found("running", ok=False, detail="Segue is not running", mend="segue up")]
    return [
        Found(name, up.ready(chosen, name), "ready" if up.ready(chosen, name) else "not ready",
              f"see {chosen.home / 'logs' / f'{name}.log'}")
        for name in processes.NAMES
    ]  # fmt: skip


def _router(chosen: Settings) -> list[Found]:
    running = shim.status(up.daemon_folder(chosen.home, "traefik")).running
    where = installation.place(chosen).router
    return [Found("router", running, f"{where} {'serves' if running else 'does not run'}", "segue up")]


def _stored(chosen: Settings) -> list[Found]:
    try:
        installation.check_store(chosen)
        store = Store.open(chosen.store_url("engine"))
        known, dead = store.sources(), store.dead()
        models = [model_of(row) for row in store.models()]
    except (StartError, StoreError) as reason:
        return [Found("store", ok=False, detail=str(reason), mend="look at the disk or the database")]
    found = [_source(chosen, source, models) for source in known]
    if not known:
        found = [Found("sources", ok=False, detail="nothing is connected", mend="segue connect git URL")]
    given_up = Found("work", not dead, f"{len(dead)} given up", "see why: segue show --dead")
    store.close()
    return [*found, given_up]


def _source(chosen: Settings, source: Source, models: list[Model]) -> Found:
    name = f"source {source.name}"
    if chosen.secret(f"hook-{source.name}") is None and not chosen.allow_unsigned:
        return Found(name, ok=False, detail="has no hook secret", mend=f"connect {source.url} again")
    try:
        adapter = sources.opened(chosen, source)
        if source.kind in sources.IMAGE_KINDS:
            return _images(source, adapter, models)
        count = len(watching.values_of(source, adapter))
        told = connecting.told_at_once(source, adapter, installation.place(chosen).intake)
    except PortError as reason:
        return Found(name, ok=False, detail=str(reason), mend=f"check {source.url}, then connect it again")
    if not told:
        late = f"{source.url} has no hook that leads here; it is looked at every {chosen.sweep_seconds:g} s"
        return Found(name, ok=False, detail=late, mend=f"connect {source.url} again, and read what it says")
    return Found(name, ok=True, detail=f"{source.url}, {count} reference{'' if count == 1 else 's'}")


def _images(source: Source, registry: ImageRegistry, models: list[Model]) -> Found:
    """Whether the registry answers, and says which image is the newest of each that is declared."""
    name = f"source {source.name}"
    registry.check()
    wanted = newest.wanted_of(source, models)
    for one in wanted:
        if newest.newest(registry, one) is None:
            mend = f"push an image with such a tag, or change `image: {one.reference}`"
            return Found(name, ok=False, detail=f"no tag matches {one.reference}", mend=mend)
    return Found(name, ok=True, detail=f"{source.url}, {len(wanted)} declared")
