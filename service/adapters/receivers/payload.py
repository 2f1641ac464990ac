"""A notice as JSON, as receivers of webhooks get it. The form is a promise: docs/how-to/receivers.md.

`schema` grows when a field goes or means something else; new fields come without that. The same notice is
always the same document, so that what was sent twice can be compared.
"""

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from policies.notices import Notice
from service.identity.access import PAGE
from service.ports.connections import Source

SCHEMA = 1
_OF_RELEASE = (
    "number", "model", "environment", "target", "phase", "version", "image", "cause", "author", "source",
    "commit", "wanted", "observed", "proven", "reason",
)  # fmt: skip


def document(notice: Notice, web: str) -> dict[str, Any]:
    """Type, time and data, as the Standard Webhooks specification 1.0 recommends; `web`: where people
    reach this installation."""
    about = _release(notice, web) if notice.target else None
    data = {"schema": SCHEMA, "title": notice.title, "text": notice.text, "release": about}
    return {"type": f"release.{notice.turn.value}", "timestamp": stamp(notice.at), "data": data}


def identity(source: Source, notice: Notice) -> str:
    """The id of this notice at that receiver: the same whenever it is sent, and no other's."""
    parts = (source.name, notice.about, repr(notice.began), notice.turn.value, repr(notice.at), notice.title)
    return f"msg_{digest(*parts)}"


def digest(*parts: str) -> str:
    """A name made of these."""
    return hashlib.sha256(chr(0).join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def link(notice: Notice, web: str) -> str:
    """Where the page shows the release; of what is no release, its events."""
    shown = f"releases/{quote(notice.about, errors='replace')}" if notice.target else "events"
    return f"{web}{PAGE}/{shown}"


def stamp(at: float) -> str:
    """A moment as RFC 3339 has it, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _release(notice: Notice, web: str) -> dict[str, Any]:
    known = asdict(notice)
    name, number = notice.registered or (None, None)
    return {
        "name": notice.about,
        **{key: known[key] for key in _OF_RELEASE},
        "registered": None if name is None else {"name": name, "version": number},
        "approvals": {"needed": notice.needed, "given": list(notice.approved), "plan": notice.plan},
        "url": link(notice, web),
    }
