"""Connections to sources: a secret, a hook where it can be set, a quiet first look, and a sweep always.

A new connection starts nothing: what is there already is only learned.
"""

import os
import re
import secrets
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from service import sources
from service.arrivals import hook_script, organisations, watching
from service.loopback import leads_here
from service.ports.connections import Source
from service.ports.outcomes import PortError, Refused
from service.settings import Settings
from service.store.change import Change
from service.store.queue import Work
from service.store.states import model_of
from service.store.store import Store

WHSEC = frozenset(
    {"hook", "cloudevents", "webhook"}
)  # whose secret is written as the Standard Webhooks specification has it
TAKEN = frozenset({"people", "labels", "inbox", "sweep", "token", "oidc", "archive", "openlineage"})
ALL = ("*",)  # of targets
OPERATOR = "operator"  # who connects on the machine itself, in the record
HOW = {
    "alertmanager": "see docs/how-to/alerts.md",
    "cloudevents": "see docs/how-to/other-events.md",
    "hook": "see docs/how-to/other-events.md",
}
_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_PAGE = re.compile(
    r"(?P<server>https?://.+)/(?P<of>projects|users)/(?P<owner>[^/]+)/repos/(?P<name>[^/]+)(?:/browse)?/?"
)


def connect(settings: Settings, store: Store, source: Source, hooks: str, by: str = OPERATOR) -> list[str]:
    """Make or change a connection. `hooks` is the intake's address, `by` stands in the record. Says what was
    done, a line each.

    Raises `Refused` or `Retry` where the source does not answer as it should; nothing is stored then.
    """
    check_name(source.name)
    refuse_twice(store, source)
    adapter: Any = None if source.kind in sources.HOOK_KINDS else sources.opened(settings, source)
    if source.kind in sources.IMAGE_KINDS | sources.METRIC_KINDS:
        adapter.check()
    models = [model_of(row) for row in store.models()]
    whole = source.kind in sources.ORGANISATION_KINDS
    counts = source.kind in sources.METRIC_KINDS
    values = {} if adapter is None or whole or counts else watching.values_of(source, adapter, models)
    repositories = tuple(adapter.repositories()) if whole else ()
    secret = b"" if counts else secret_of(settings, source)

    def save(change: Change) -> list[Source]:
        change.save_source(source)
        if whole:
            organisations.connect(change, source, repositories)
        else:
            watching.observe(change, source, values, quietly=True)
        if source.kind in sources.GIT_KINDS:
            change.add_work(
                Work(f"look:{source.name}", "declare", f"declare:{source.name}:{change.now}", source.name)
            )
        change.record(f"source-{source.name}", by, "connected", {"url": sources.shown(source)})
        return change.sources()

    sources.save(settings.home, tuple(store.decide(save)))
    taken_at = address(source, hooks)
    where = f" at {source.url}" if source.url else ""
    told = [f"source {source.name} ({source.kind}){where}"]
    if counts:
        asked = f"guards of {', '.join(source.owns)} may ask it: query: …, from: {source.name}"
        return [*told, asked]
    told.append(f"it may own: {', '.join(source.owns)}")
    if whole:
        told.append(f"{len(repositories)} repositories are looked through for a segue.yaml")
    told += deployments(source, adapter)
    return [*told, _hook(source, adapter, taken_at, secret, place_of(settings, source))]


def check_name(name: str) -> None:
    """Raise `Refused` for a name that cannot stand in an address and a file name, or that is taken.

    What arrives under the name `people` is a person's command: a repository's hook must not speak there.
    """
    if name in TAKEN:
        raise Refused(f"the name {name!r} is Segue's own; choose another: segue connect ... --name")
    if not _NAME.fullmatch(name):
        raise Refused(
            f"{name!r} is no name for a source; write at most 64 small letters, digits, `-` and `_`, such as"
            f" {name_of(name)[:64]}: segue connect ... --name"
        )


def refuse_twice(store: Store, source: Source) -> None:
    """One address is one source: under two names each of its changes would count twice."""
    for known in store.sources():
        same = (known.kind, known.url.rstrip("/")) == (source.kind, source.url.rstrip("/"))
        if known.name != source.name and same and source.url:
            raise Refused(f"{source.url} is connected as {known.name} already; write: --name {known.name}")


def told_at_once(source: Source, adapter: Any, hooks: str) -> bool:
    """Whether the source's hook or webhook leads to this intake; else a sweep finds its changes.

    Raises `Refused` or `Retry` where the source does not answer.
    """
    if source.kind != "bare":
        return bool(adapter.has_webhook(address(source, hooks)))
    folder = sources.folder(source)
    return folder is not None and hook_script.tells(folder, address(source, hooks))


def address(source: Source, hooks: str) -> str:
    """Where the source's deliveries are taken; `hooks` is the intake's address."""
    return f"{hooks.rstrip('/')}/hooks/{source.name}"


def one_address(kind: str, url: str) -> str:
    """The address that a source is known by. A repository at a Bitbucket Data Center has a page besides what
    git clones: under both it would be two sources, and the page's last part may be no name."""
    page = _PAGE.fullmatch(url) if kind == "bitbucket" else None
    if page is None:
        return url
    owner = f"~{page['owner']}" if page["of"] == "users" else page["owner"]
    return f"{page['server']}/scm/{owner}/{page['name']}.git"


def name_of(url: str) -> str:
    """A source's name where none is given: the last part of its address."""
    try:
        parts = urlsplit(url)
    except ValueError:  # it is no address, and who opens it says so
        return "source"
    last = parts.path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    name = last or parts.hostname or "source"
    return "".join(one if (one.isascii() and one.isalnum()) or one in "-_" else "-" for one in name.lower())


def secret_of(settings: Settings, source: Source) -> bytes:
    """What its deliveries are signed with; made where there is none. Raises `Refused` where it cannot be."""
    known = settings.live(f"hook-{source.name}")
    if known:
        return known[0]
    path = place_of(settings, source)
    if not os.access(path.parent, os.W_OK):
        raise Refused(
            f"{path.parent} can only be read here: put a random secret of 32 characters or more there as"
            f" {path.name}, then connect the source again"
        )
    path.touch(mode=0o600)
    signed = source.kind in WHSEC
    made = b"whsec_" + b64encode(secrets.token_bytes(32)) if signed else secrets.token_urlsafe(32).encode()
    path.write_bytes(made + b"\n")
    return made


def place_of(settings: Settings, source: Source) -> Path:
    """The file of that secret."""
    return settings.home / "secrets" / f"hook-{source.name}"


def _hook(source: Source, adapter: Any, address: str, secret: bytes, place: Path) -> str:
    """Set the sender's hook where we can; say what was done, or to do with the secret in `place`."""
    if source.kind in sources.HOOK_KINDS:
        return f"let it send to {address} with the secret in {place}; {HOW[source.kind]}"
    if source.kind == "bare":
        return _bare_hook(source, address, secret)
    if source.kind in sources.IMAGE_KINDS:
        return f"its sweep finds tags; {_told_by_images(source, address, place)}"
    return _webhook(source, adapter, address, secret, place)


def _told_by_images(source: Source, address: str, place: Path) -> str:
    key = f"Bearer <the secret in {place}>"
    if source.kind == "harbor":
        return f"a webhook of a project may tell {address} with the auth header `{key}`"
    return f"a registry that sends notifications may tell {address} with `Authorization: {key}`"


def _bare_hook(source: Source, address: str, secret: bytes) -> str:
    folder = sources.folder(source)
    if folder is None or not (folder / "objects").is_dir():
        return f"no hook: the repository is not on this machine; its sweep finds pushes ({address})"
    try:
        return f"hook: {hook_script.install(folder, address, secret)}"
    except OSError as reason:
        return f"no hook: {reason}; its sweep finds pushes"


def _webhook(source: Source, adapter: Any, address: str, secret: bytes, place: Path) -> str:
    """At a Git host or a model registry, which may refuse to set it."""
    by_hand = ""
    if source.kind in sources.HOST_KINDS | sources.ORGANISATION_KINDS.keys():
        by_hand = (
            f". By hand: a webhook to {address}, as JSON, with the secret in {place}, for {adapter.HOOK}"
        )
        if leads_here(address) and not leads_here(source.url):
            return (
                f"no webhook: nobody else reaches {address}; set SEGUE_INTAKE_URL, or leave it to its sweep"
            )
    try:
        adapter.register_webhook(address, secret.decode())
    except PortError as reason:
        return f"no webhook: {reason}; its sweep finds changes{by_hand}"
    return f"webhook: {address}"


def deployments(source: Source, adapter: Any) -> list[str]:
    """Whether the host's list of deployments is told of releases; nothing where it has none."""
    if source.kind not in sources.DEPLOYING_KINDS:
        return []
    try:
        why = adapter.no_deployments()
    except PortError as reason:
        why = str(reason)
    return [f"no deployments are told: {why}" if why else "deployments: told of"]
