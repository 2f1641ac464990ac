"""An installation as it stands: what is connected and whether it answers, clusters, settings.

Pure. Nothing is asked of a source here: whether one answers is what the last look found, which workers take
anyway. No secret and no login is told.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service import settings
from service.ports.connections import Cluster, Source
from service.settings import Settings
from service.sources import CHAT_KINDS, HOOK_KINDS, METRIC_KINDS, RECEIVER_KINDS, shown, without_login
from service.store.queue import Work

LOOK = "look"  # the kind of work that is a look at a source
CHOSEN = frozenset({"SEGUE_INTAKE_PORT", "SEGUE_WEB_PORT", "SEGUE_ROUTER_PORT"})


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it is in force, and where it is from."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A source, and how it stands: `tone` is a word that badges know, `since` when that was found."""

    source: Source
    url: str
    tone: str
    says: str
    since: float | None = None


def connected(source: Source, looks: Mapping[str, Work]) -> Connected:
    """How a source stands, by the newest look at each source."""
    tone, says, since = _stands(source, looks.get(source.name))
    return Connected(source, shown(source), tone, says, since)


def source(one: Connected) -> dict[str, Any]:
    """The same as the API tells it."""
    told = {"name": one.source.name, "kind": one.source.kind, "url": one.url, "owns": list(one.source.owns)}
    return told | {"tone": one.tone, "says": one.says, "since": one.since}


def cluster(one: Cluster) -> dict[str, Any]:
    """A cluster as the API tells it: not where its kubeconfig lies, and addresses without logins."""
    told = asdict(one)
    told["in_cluster"] = told.pop("kubeconfig") is None
    del told["owner"]
    for name in ("address", "metrics"):
        told[name] = None if told[name] is None else without_login(told[name])
    return told


def in_force(chosen: Settings) -> tuple[Setting, ...]:
    """Every setting, by name as in the environment. Secrets are files and no settings; logins in addresses
    are left out."""
    usual = settings.written(Settings(home=chosen.home))
    return tuple(
        Setting(name, without_login(value), _origin(name, changed=value != usual[name]))
        for name, value in settings.written(chosen).items()
    )


def _stands(source: Source, look: Work | None) -> tuple[str, str, float | None]:
    if source.kind in HOOK_KINDS:
        return "tells", "It tells, and cannot be asked.", None
    if source.kind in METRIC_KINDS:
        return "asked", "Guards ask it; whether it answers says: segue doctor", None
    if source.kind in CHAT_KINDS:
        return "chat", "People are told and answer there; whether it answers says: segue doctor", None
    if source.kind in RECEIVER_KINDS:
        return "told", "It is told how releases go on; whether it answers says: segue doctor", None
    if look is None:
        return "new", "It was not looked at yet.", None
    if look.state == "dead":
        return "given up", look.error or "It was given up.", look.finished
    if look.error is not None and look.finished is None:
        return "in trouble", look.error, look.troubled
    return "answers", "Looked at", look.finished or look.created


def _origin(name: str, *, changed: bool) -> str:
    if name == "SEGUE_HOME":
        return "the environment, or your home"
    if not changed:
        return "default"
    return "the environment, or a port that was free" if name in CHOSEN else "the environment"
