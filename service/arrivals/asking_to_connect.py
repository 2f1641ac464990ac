"""What somebody asks to be connected: which kind that is, what does not fit it, and who connects it then.

The command line and the API ask by the same words. From elsewhere less may be asked than on the machine
itself, since who has the machine has its secrets anyway: nobody may have them sent to an address of theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from service import sources
from service.arrivals import chats, connecting, receivers
from service.arrivals.connecting import OPERATOR
from service.ports.connections import Source, Subscription
from service.ports.outcomes import Refused
from service.settings import Settings
from service.sources import CHAT_KINDS, HOOK_KINDS, ORGANISATION_KINDS, RECEIVER_KINDS
from service.store.store import Store

KINDS = {
    "git": "bare",
    "bitbucket": "bitbucket", "gitea": "gitea", "github": "github", "gitlab": "gitlab",
    "mlflow": "mlflow", "registry": "registry", "harbor": "harbor",
    "prometheus": "prometheus", "metrics": "metrics", "json": "json", "csv": "csv",
    "alertmanager": "alertmanager", "cloudevents": "cloudevents", "hook": "hook",
    "slack": "slack", "mattermost": "mattermost", "matrix": "matrix",
    "webhook": "webhook", "email": "email", "grafana": "grafana",
}  # fmt: skip
SLACK = "https://slack.com"
ORGANISATIONS = {kind: one for one, kind in ORGANISATION_KINDS.items()}
# Any file, and any answer of any server as far as it has a form: for who has the machine.
HERE_ALONE = frozenset({"csv", "json", "metrics"})
_FILES = ("hook", "login", "socket")  # what a source's secret files begin with


class Misfit(ValueError):
    """What was said does not fit the kind. `fields` are what is wrong; none: all of it."""

    def __init__(self, why: str, *fields: str) -> None:
        super().__init__(why)
        self.fields = fields

    def said(self, names: Mapping[str, str]) -> str:
        """The same, with the fields as whoever asked calls them."""
        about = " and ".join(names[field] for field in self.fields)
        return f"{about} {self}".strip()


@dataclass(frozen=True, slots=True)
class Asked:
    """A connection as somebody asks for it; what is empty was not said."""

    kind: str  # one of `KINDS`
    url: str | None = None
    name: str | None = None
    owns: tuple[str, ...] = ()  # globs over targets; a model's name alone means it in all environments
    people: tuple[str, ...] = ()  # ID=NAME
    turns: tuple[str, ...] = ()
    sender: str = ""
    to: tuple[str, ...] = ()  # ADDRESS or ADDRESS=GLOB
    organisation: bool = False


def connect(
    settings: Settings, store: Store, source: Source, hooks: str, by: str = OPERATOR
) -> tuple[Source, list[str]]:
    """Make or change the connection, by whoever connects such a kind. `hooks` is the intake's address, `by`
    stands in the record. The source as it is then, and what was done, a line each.

    Raises `Refused` or `Retry` where it does not answer as it should; nothing is stored then.
    """
    if source.kind in RECEIVER_KINDS:
        told = receivers.connect(settings, store, source, by)
    elif source.kind in CHAT_KINDS:
        told = chats.connect(settings, store, source, hooks, by)
    else:
        whole = source if source.owns else replace(source, owns=connecting.ALL)
        told = connecting.connect(settings, store, whole, hooks, by)
    return next((one for one in store.sources() if one.name == source.name), source), told


def check_from_elsewhere(settings: Settings, store: Store, asked: Asked, source: Source) -> None:
    """Raise `Refused`, with the command, for what only who has the machine may connect."""
    if asked.kind in HERE_ALONE:
        raise Refused(f"{asked.kind} is connected on the machine itself: segue connect {asked.kind} URL")
    before = next((one for one in store.sources() if one.name == source.name), None)
    if before is None:
        _check_secrets(settings, asked, source)
    elif before.kind != source.kind or (asked.url is not None and _plain(before.url) != _plain(source.url)):
        raise Refused(f"{source.name} is another connection; take it away first, or choose another name")


def _check_secrets(settings: Settings, asked: Asked, source: Source) -> None:
    """What lies there already under a new connection's name would go to its address."""
    files = [f"{kind}-{source.name}" for kind in _FILES]
    there = [name for name in files if settings.secret(name) is not None]
    if there and asked.url is not None:
        raise Refused(
            f"{' and '.join(there)} would be sent to an address that was named from elsewhere; connect it on"
            f" the machine itself: segue connect {asked.kind} URL --name {source.name}"
        )


def source_of(asked: Asked) -> Source:
    """The source that is meant. Raises `Misfit` for what does not fit its kind, and `Refused`."""
    kind = _kind(asked)
    owns = tuple(map(_targets, asked.owns))
    source = Source(*_placed(kind, asked), owns, _people(kind, asked.people))
    connecting.check_name(source.name)
    return replace(source, subscription=_subscription(kind, asked))


def _plain(url: str) -> str:
    return url.rstrip("/")


def _targets(one: str) -> str:
    return one if set(one) & set("/*?[") else f"{one}/*"


def _kind(asked: Asked) -> str:
    """An address of one part is an organisation's; whether a longer one is a group's nobody can see in it."""
    if asked.organisation and asked.kind not in ORGANISATIONS:
        known = ", ".join(sorted(ORGANISATIONS))
        why = f"is for {known}; connect each repository of {asked.kind} by itself"
        raise Misfit(why, "organisation")
    short = asked.kind in ORGANISATIONS and "/" not in _path(asked.url or "/").strip("/")
    return ORGANISATIONS[asked.kind] if asked.organisation or short else KINDS[asked.kind]


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        raise Misfit(f"{sources.without_login(url)} is no address") from None


def _placed(kind: str, asked: Asked) -> tuple[str, str, str]:
    """Name, kind and address."""
    url, name = asked.url, asked.name
    if kind in HOOK_KINDS:
        if url is not None:
            raise Misfit(f"{kind} cannot be asked, so it has no URL; leave out {url}")
        return kind if name is None else name, kind, ""
    if kind in CHAT_KINDS | {"email", "grafana"} and name is None:
        name = kind
    if kind == "slack" and url is None:
        url = SLACK
    if url is None:
        raise Misfit("write its URL, too; segue connect --help shows one of each")
    url = connecting.one_address(kind, url)
    _path(url)
    return connecting.name_of(url) if name is None else name, kind, url


def _people(kind: str, told: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if told and kind not in CHAT_KINDS:
        raise Misfit(f"is for chats; {kind} knows its people itself", "people")
    return tuple(chats.person(text) for text in told)


def _subscription(kind: str, asked: Asked) -> Subscription:
    if asked.turns and kind not in RECEIVER_KINDS:
        raise Misfit(f"is for receivers; {kind} is told nothing by turns", "turns")
    if kind == "grafana" and set(asked.turns) - {receivers.NOTHING}:
        raise Misfit("is not for grafana, which is told whole rollouts; leave it out, or write none", "turns")
    if (asked.sender or asked.to) and kind != "email":
        raise Misfit(f"are for email; {kind} goes on to nobody", "sender", "to")
    return Subscription(asked.turns, asked.sender, tuple(receivers.recipient(text) for text in asked.to))
