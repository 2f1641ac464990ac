"""A notice as JSON, as receivers of webhooks get it. The form is a promise: docs/reference/webhooks.md.

`schema` grows when a field goes or means something else; new fields come without that. The same notice is
always the same document, so that what was sent twice can be compared.
"""

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from policies.notices import Notice
from service.ports.connections import Source

SCHEMA = 1
_OF_RELEASE = (
    "number", "model", "environment", "target", "phase", "version", "image", "cause", "author", "source",
    "commit", "wanted", "observed", "proven", "reason",
)  # fmt: skip


def document(notice: Notice, page: str) -> dict[str, Any]:
    """Type, time and data, as the Standard Webhooks specification 1.0 recommends; `page`: the web page's
    address."""
    about = _release(notice, page) if notice.target else None
    data = {"schema": SCHEMA, "title": notice.title, "text": notice.text, "release": about}
    return {"type": f"release.{notice.turn.value}", "timestamp": stamp(notice.at), "data": data}


def identity(source: Source, notice: Notice) -> str:
    """The id of this notice at that receiver: the same whenever it is sent, and no other's."""
    parts = (source.name, notice.about, repr(notice.began), notice.turn.value, repr(notice.at), notice.title)
    return f"msg_{digest(*parts)}"


def digest(*parts: str) -> str:
    """A name made of these."""
    return hashlib.sha256(chr(0).join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def link(notice: Notice, page: str) -> str:
    """Where the release is shown; of what is no release, the page's events."""
    return f"{page}/releases/{quote(notice.about, errors='replace')}" if notice.target else f"{page}/events"


def stamp(at: float) -> str:
    """A moment as RFC 3339 has it, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _release(notice: Notice, page: str) -> dict[str, Any]:
    known = asdict(notice)
    name, number = notice.registered or (None, None)
    return {
        "name": notice.about,
        **{key: known[key] for key in _OF_RELEASE},
        "registered": None if name is None else {"name": name, "version": number},
        "approvals": {"needed": notice.needed, "given": list(notice.approved), "plan": notice.plan},
        "url": link(notice, page),
    }
