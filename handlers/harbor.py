"""Harbor's own webhook: an artifact was pushed or removed.

Nothing is signed: the policy's auth header is sent as it was written, so the secret may stand there alone or
after `Bearer`. There is no id in the default format; tries after a failure have the same body. In the format
CloudEvents the same data comes under another name. Each delivery is a hint. Source: Harbor 2.11, webhook
notifications (docs/working-with-projects/project-configuration/configure-webhooks) and `pkg/notifier`.
"""

import hashlib
from typing import Any

from handlers import signing, strict_json
from handlers.errors import Malformed
from handlers.hints import Hint, TagHint
from handlers.signing import Headers, header

MOST_RESOURCES = 1_000
MOVED = frozenset(
    {"PUSH_ARTIFACT", "DELETE_ARTIFACT", "REPLICATION", "TAG_RETENTION",
     "harbor.artifact.pushed", "harbor.artifact.deleted", "harbor.replication.status.changed",
     "harbor.tag_retention.finished"}
)  # fmt: skip


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the delivery carries one of the secrets. There is no time to check."""
    del body, now
    signing.shared(secrets, header(headers, "Authorization"))


def delivery_id(headers: Headers, body: bytes) -> str:
    """There is none in every format; a retry has the same body."""
    del headers
    return hashlib.sha256(body).hexdigest()


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """A hint for each tag that was pushed or removed; pulls, scans and quotas are nobody's news."""
    del headers
    told = strict_json.load(body)
    if strict_json.text(told, "type", 100) not in MOVED:
        return ()
    data = told.get("data", told.get("event_data"))
    if not isinstance(data, dict):
        raise Malformed("`event_data` is missing or is not an object")
    repository = data.get("repository")
    if not isinstance(repository, dict):
        return (
            TagHint("", ""),
        )  # a replication or a retention names none: whatever is declared is looked at
    name, resources = strict_json.text(repository, "repo_full_name"), data.get("resources")
    if not isinstance(resources, list) or len(resources) > MOST_RESOURCES:
        raise Malformed(f"`resources` is missing or is not a list of at most {MOST_RESOURCES}")
    return tuple(TagHint(name, _tag(one)) for one in resources)


def nothing(_headers: Headers, body: bytes) -> str:
    """Why a delivery that hints at nothing does so."""
    kind = strict_json.text(strict_json.load(body), "type", 100)
    return f"{kind} starts nothing: a tag that is pushed or removed does"


def _tag(resource: Any) -> str:
    """Its tag; "" for an artifact that has none, such as one that was removed by its digest."""
    tag = resource.get("tag", "") if isinstance(resource, dict) else None
    if not isinstance(tag, str):
        raise Malformed("an entry of `resources` has no `tag`")
    return tag
