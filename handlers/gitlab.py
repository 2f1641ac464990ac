"""GitLab's web hooks, of a project, a group or the whole server (a system hook, which tells of no comments).

A hook made since GitLab 19 signs in the Standard Webhooks way: `webhook-id`, `webhook-timestamp`,
`webhook-signature: v1,<base64>`, with the decoded text behind `whsec_` as key. An older one carries its
secret as it is, in `X-Gitlab-Token`. Where a signature is there it must be right: the token is then not
looked at. Four failures in a row turn a hook off, so whatever is authentic is taken. A push of more than
three references sends nothing but a system hook's `repository_update`: else only the sweep sees it. Comments
count since GitLab 16.11, which says whether they are new. Source: GitLab, "Webhooks", "Webhook events" and
"System hooks";
lib/gitlab/data_builder/note.rb.
"""

import hashlib
import hmac
import re

from handlers import hosted, reasons, signing, strict_json
from handlers.errors import Malformed, Unverified
from handlers.hints import CommentHint, Hint, RefHint
from handlers.signing import Headers, header

WINDOW = 300.0
MOST_CHANGES = 5_000
BOT = re.compile(r"(?:project|group)_[0-9]+_bot")  # whom an access token of a project or group acts as


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the body was signed with one of the secrets, or carries one."""
    if header(headers, "webhook-signature"):
        signing.standard(secrets, headers, body, now, WINDOW)
    else:
        _carried(header(headers, "X-Gitlab-Token"), secrets)


def delivery_id(headers: Headers, body: bytes) -> str:
    """The sender's id: the same on each retry and when it is sent again by hand. Before GitLab 17.4 there is
    none, and the content is the id; `X-Gitlab-Event-UUID` is shared by several deliveries."""
    found = hosted.first(headers, "webhook-id", "Idempotency-Key")
    return found if signing.is_plain(found) else hashlib.sha256(body).hexdigest()


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """What the delivery hints at; () for what concerns nothing here, such as a pipeline."""
    del headers
    told = hosted.load(body)
    match _kind(told):
        case "push" | "tag_push":
            return hosted.pushed(told, _pusher(told), _project(told))
        case "repository_update":
            return tuple(_change(change, _project(told)) for change in _changes(told))
        case "note":
            return _comment(told)
        case _:
            return ()


def nothing(headers: Headers, body: bytes) -> str:
    """Why a delivery that hints at nothing does so."""
    del headers
    told = hosted.load(body)
    return reasons.why(_kind(told), told)


def _kind(told: hosted.Object) -> str:
    """What happened. A system hook has another word for it, and says much else."""
    return strict_json.text(told, "object_kind" if "object_kind" in told else "event_name", 100)


def _pusher(told: hosted.Object) -> str:
    """The person's user name; "" for a program's. A system hook is documented to tell names only."""
    if "object_kind" not in told and "user_username" not in told:
        return ""
    pusher = strict_json.text(told, "user_username", 200)
    return "" if BOT.match(pusher) else pusher


def _project(told: hosted.Object) -> str:
    return hosted.full_name(told, "project", "path_with_namespace")


def _changes(told: hosted.Object) -> list[hosted.Object]:
    """What a system hook tells of a push of any number of references, once."""
    found = told.get("changes")
    if not isinstance(found, list) or len(found) > MOST_CHANGES:
        raise Malformed(f"`changes` is missing or is not a list of at most {MOST_CHANGES}")
    if not all(isinstance(change, dict) for change in found):
        raise Malformed("an entry of `changes` is not an object")
    return found


def _change(change: hosted.Object, project: str) -> RefHint:
    ref, before, after = (strict_json.text(change, key, 300) for key in ("ref", "before", "after"))
    return RefHint(ref, before, after, "", project)


def _carried(token: str, secrets: tuple[bytes, ...]) -> None:
    offered = token.encode("utf-8", "replace")
    good = False
    for secret in secrets:
        good |= bool(secret) and hmac.compare_digest(secret, offered)
    if not good:
        raise Unverified


def _comment(told: hosted.Object) -> tuple[CommentHint, ...]:
    written, user = hosted.part(told, "object_attributes"), hosted.part(told, "user")
    login = strict_json.text(user, "username", 200)
    if written.get("action") != "create" or written.get("system") is not False or BOT.match(login):
        return ()  # edited, GitLab's own, or a program's
    where = _where(told, strict_json.text(written, "noteable_type", 100))
    if where is None:
        return ()
    said = CommentHint(
        login=login,
        author=hosted.number(written, "author_id"),
        text=strict_json.text(written, "note", hosted.MOST_TEXT),
        repository=strict_json.text(hosted.part(told, "project"), "path_with_namespace", 300),
        where=where,
        comment=hosted.number(written, "id"),
        written=hosted.time(written, "created_at"),
    )
    return hosted.comment(said, sender=hosted.number(user, "id"))


def _where(told: hosted.Object, kind: str) -> str | None:
    """Where the note stands; None for what nobody answers at, such as a snippet."""
    match kind:
        case "MergeRequest":
            return f"pull/{hosted.number(hosted.part(told, 'merge_request'), 'iid')}"
        case "Issue":
            return f"issue/{hosted.number(hosted.part(told, 'issue'), 'iid')}"
        case "Commit":
            return f"commit/{strict_json.text(hosted.part(told, 'commit'), 'id', 64)}"
        case _:
            return None
