"""OpenID Connect Back-Channel Logout 1.0: what a logout token whose signature held says, and what is none.

It decides by values alone; who signed it, for whom and when is checked before.
"""

from collections.abc import Mapping
from typing import Any

from service.ports.identity import Ended
from service.ports.outcomes import Refused

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPES = frozenset({"logout+jwt", "application/logout+jwt"})
MOST = 255  # characters of an id (Core 1.0, section 2)


def ended(header: Mapping[str, Any], claims: Mapping[str, Any]) -> Ended:
    """What it ends (section 2.6). Raises `Refused` for a token of another kind."""
    typ = header.get("typ")
    # Providers that know the document's drafts alone send the type of any token, or none.
    if typ is not None and str(typ).lower() not in TYPES | {"jwt"}:
        raise Refused("this is no logout token: its header names another type")
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        raise Refused("this is no logout token: it tells of no logout")
    if "nonce" in claims:  # with one it could be taken for an id token (section 2.4)
        raise Refused("a logout token must have no nonce")
    found = Ended(subject(claims), session(claims), float(claims["iat"]))
    if found.subject is None and found.session is None:
        raise Refused("the logout token says neither whose login ends nor which: `sub` or `sid`")
    return found


def subject(claims: Mapping[str, Any]) -> str | None:
    """The provider's id of somebody; None where it names none that could be used."""
    return _id(claims.get("sub"))


def session(claims: Mapping[str, Any]) -> str | None:
    """The provider's id of a session."""
    return _id(claims.get("sid"))


def _id(value: Any) -> str | None:
    usable = isinstance(value, str) and 0 < len(value) <= MOST and value.isprintable()
    return value if usable else None
