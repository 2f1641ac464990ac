"""Connections to receivers: what they are told of, to whom it goes, what is left to do by hand.

Nothing begins at a receiver: it is told, and never heard.
"""

from dataclasses import replace
from typing import Any

from policies.notices import Turn
from service import sources
from service.arrivals import connecting
from service.arrivals.connecting import OPERATOR
from service.ports.connections import Source, Subscription
from service.settings import Settings
from service.store.change import Change
from service.store.store import Store

NOTHING = "none"  # in place of a turn: told of nothing any more
TURNS = (*(turn.value for turn in Turn), NOTHING)
# What each kind is told of where nobody said.
UNSAID = {"webhook": "every turn", "email": "what people must do or know", "grafana": "whole rollouts"}
HELP = "see docs/how-to/receivers.md"


def connect(settings: Settings, store: Store, source: Source, by: str = OPERATOR) -> list[str]:
    """Make or change a connection; `by` stands in the record. Says what was done, a line each.

    What is not said stays as it was: targets, turns, addresses.

    Raises `Refused` or `Retry` where it cannot be told anything; nothing is stored then.
    """
    connecting.check_name(source.name)
    before = next(
        (one for one in store.sources() if (one.name, one.kind) == (source.name, source.kind)), None
    )
    source = _with_that_of_before(source, before)
    adapter: Any = sources.opened(settings, source)
    source = replace(source, url=adapter.check())
    connecting.refuse_twice(store, source)
    way = _way(settings, source)

    def save(change: Change) -> list[Source]:
        change.save_source(source)
        change.record(f"source-{source.name}", by, "connected", {"url": sources.shown(source)})
        return change.sources()

    sources.save(settings.home, tuple(store.decide(save)))
    wanted = ", ".join(source.subscription.turns) or UNSAID[source.kind]
    return [
        f"receiver {source.name} ({source.kind}) at {source.url}",
        f"it is told of {wanted}, at the targets {', '.join(source.owns)}",
        way,
    ]


def _with_that_of_before(source: Source, before: Source | None) -> Source:
    known = Subscription() if before is None else before.subscription
    said = source.subscription
    owns = source.owns or (connecting.ALL if before is None else before.owns)
    subscription = Subscription(said.turns or known.turns, said.sender or known.sender, said.to or known.to)
    return replace(source, owns=owns, subscription=subscription)


def recipient(text: str) -> tuple[str, str]:
    """`ADDRESS` or `ADDRESS=GLOB`: who is told, and of which targets. A `=` before the @ is the address's."""
    local, at, rest = text.strip().rpartition("@")
    domain, _, where = rest.partition("=")
    return f"{local}{at}{domain}", where or connecting.ALL[0]


def _way(settings: Settings, source: Source) -> str:
    """How it knows that it is us. Raises `Refused` where it could not."""
    if source.kind == "email":
        to = ", ".join(f"{address} ({where})" for address, where in source.subscription.to)
        return f"mail goes from {source.subscription.sender} to {to}; {HELP}"
    if source.kind == "grafana":
        return f"a dashboard shows its rollouts by an annotation query for the tag segue; {HELP}"
    connecting.secret_of(settings, source)
    place = connecting.place_of(settings, source)
    return f"let it verify by Standard Webhooks with the secret in {place}; {HELP}"
