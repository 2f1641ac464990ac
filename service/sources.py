"""The connected sources as a file, for processes that run beside the engine and have no store.

`<home>/sources.json` is written whole whenever a source is connected. It holds no secret: logins
stay files below `<home>/secrets`, and adapters ask for them when they need them.
"""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from service import plugins
from service.ports.connections import Source, subscription
from service.ports.outcomes import Refused
from service.settings import Settings

HOST_KINDS = frozenset(
    {"bitbucket", "gitea", "github", "gitlab"}
)  # Git hosts with people, statuses and webhooks
GROUP_KINDS = HOST_KINDS - {"bitbucket"}  # those that tell who is in a group
# Many repositories by one connection, and the kind of each of them.
ORGANISATION_KINDS = {
    "bitbucket-workspace": "bitbucket",
    "gitea-org": "gitea",
    "github-org": "github",
    "gitlab-group": "gitlab",
}
DEPLOYING_KINDS = frozenset({"github", "gitlab"})  # those that list deployments
GIT_KINDS = frozenset({"bare"}) | HOST_KINDS
REGISTRY_KINDS = frozenset({"mlflow"})
IMAGE_KINDS = frozenset({"registry", "harbor"})
HOOK_KINDS = frozenset({"alertmanager", "cloudevents", "hook"})  # they tell, and cannot be asked
METRIC_KINDS = frozenset(
    {"prometheus", "metrics", "json", "csv"}
)  # asked by guards alone; nothing begins there
CHAT_KINDS = frozenset({"slack", "mattermost", "matrix"})  # people are told and answer there
RECEIVER_KINDS = frozenset({"webhook", "email", "grafana"})  # told how releases go on, and never heard
QUIET_KINDS = HOOK_KINDS | METRIC_KINDS | CHAT_KINDS | RECEIVER_KINDS  # no sweep looks at them
UNHEARD_KINDS = METRIC_KINDS | RECEIVER_KINDS  # nothing that they send is taken
COUNTING_KINDS = METRIC_KINDS | REGISTRY_KINDS  # what a guard's `query` can be asked of

_PORTS: dict[str, frozenset[str]] = {
    "git_hosts": GIT_KINDS,
    "git_organisations": frozenset(ORGANISATION_KINDS),
    "model_registries": REGISTRY_KINDS,
    "image_registries": IMAGE_KINDS,
    "counter_sources": METRIC_KINDS,
    "chats": CHAT_KINDS,
    "receivers": RECEIVER_KINDS,
}


def save(home: Path, sources: tuple[Source, ...]) -> None:
    """Write all sources, in place of those that were written before; a reader never sees half."""
    home.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(source) for source in sources], indent=1, sort_keys=True) + "\n"
    descriptor, temporary = tempfile.mkstemp(dir=home, prefix=".sources-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(home / "sources.json")


def load(home: Path) -> tuple[Source, ...]:
    """All sources, in the order in which they were saved; none where nothing was saved."""
    path = home / "sources.json"
    if not path.is_file():
        return ()
    rows = json.loads(path.read_text())
    return tuple(
        Source(
            row["name"],
            row["kind"],
            row["url"],
            tuple(row["owns"]),
            tuple((who, name) for who, name in row.get("people", ())),
            subscription(row.get("subscription")),
        )
        for row in rows
    )


def folder(source: Source) -> Path | None:
    """The folder that a source's address names on this machine; None where it names none."""
    for prefix in ("file:///", "file://localhost/"):
        if source.url.startswith(prefix):
            return Path("/" + unquote(source.url.removeprefix(prefix)))
    return Path(source.url) if source.url.startswith("/") and "\0" not in source.url else None


def without_login(text: str) -> str:
    """An address without user, password and options, which may be secrets; any other text as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return "(an address that cannot be read)"
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"(login)@{host}" if at and user else host, parts.path, "", ""))


def shown(source: Source) -> str:
    """Its address for whoever may read, and for the record: without a login, and of a receiver without the
    path, which often is a secret."""
    url = without_login(source.url)
    return urlunsplit((*urlsplit(url)[:2], "/…", "", "")) if source.kind in RECEIVER_KINDS else url


def opened(settings: Settings, source: Source) -> Any:
    """The adapter behind a source. Raises `Refused` for a kind that is none of ours."""
    ports = [port for port, kinds in _PORTS.items() if source.kind in kinds]
    if not ports:
        known = ", ".join(sorted(frozenset().union(*_PORTS.values())))
        raise Refused(f"source {source.name!r} is of kind {source.kind!r}; known kinds: {known}")
    return plugins.load(ports[0], source.kind).open(settings, source)
