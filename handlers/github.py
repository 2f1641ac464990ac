"""GitHub's web hooks, of a repository, an organisation or an App, on github.com and GitHub Enterprise
Server.

Signed over the raw body, `X-Hub-Signature-256: sha256=<hex HMAC-SHA256>`; the older SHA-1 is never
looked at. The body is JSON, or a form whose field `payload` is that JSON. Nothing is sent again by
itself, and what is redelivered by hand keeps its `X-GitHub-Delivery`. A push of more than three tags
sends nothing at all: only the sweep sees it. Source: GitHub, "Webhook events and payloads" and
"Validating webhook deliveries".
"""

from handlers import forms, hosted, reasons, signing, strict_json
from handlers.errors import Malformed, Unverified
from handlers.hints import CommentHint, Hint
from handlers.signing import Headers, header

PREFIX = "sha256="
MOST_FIELDS = 10


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the body was signed with one of the secrets. No time is signed."""
    del now
    delivery_id(headers, body)
    claimed = header(headers, "X-Hub-Signature-256")
    if not claimed.startswith(PREFIX):
        raise Unverified
    signing.hex_hmac(secrets, body, claimed.removeprefix(PREFIX))


def delivery_id(headers: Headers, _body: bytes) -> str:
    """The sender's id: the same when it is redelivered."""
    return signing.identity(headers, "X-GitHub-Delivery")


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """What the delivery hints at; () for what concerns nothing here, such as a `ping` or a `check_run`."""
    told = hosted.load(_json(headers, body))
    match header(headers, "X-GitHub-Event"):
        case "push":
            return hosted.pushed(told, _sender(told), _repository(told))
        case "create" | "delete":
            return hosted.named(told, _sender(told), _repository(told))
        case "issue_comment":
            issue = hosted.part(told, "issue")
            place = "pull" if isinstance(issue.get("pull_request"), dict) else "issue"
            return _comment(told, f"{place}/{hosted.number(issue, 'number')}", "")
        case "pull_request_review_comment":
            where = f"pull/{hosted.number(hosted.part(told, 'pull_request'), 'number')}"
            return _comment(told, where, "review-")
        case "commit_comment":
            commit = strict_json.text(hosted.part(told, "comment"), "commit_id", 64)
            return _comment(told, f"commit/{commit}", "commit-")
        case _:
            return ()


def nothing(headers: Headers, body: bytes) -> str:
    """Why a delivery that hints at nothing does so."""
    return reasons.why(header(headers, "X-GitHub-Event"), hosted.load(_json(headers, body)))


def _json(headers: Headers, body: bytes) -> bytes:
    """The JSON of the body. Raises `Malformed` for a form without it."""
    if not forms.is_form(headers):
        return body
    fields = forms.fields(body, MOST_FIELDS)
    if "payload" not in fields:
        raise Malformed("the form has no field `payload`")
    return fields["payload"].encode()


def _sender(told: hosted.Object) -> str:
    """The person who did it; "" for an App, such as a merge queue, which acts for somebody unknown."""
    sender = hosted.part(told, "sender")
    login = strict_json.text(sender, "login", 200)
    return login if sender.get("type") == "User" else ""


def _repository(told: hosted.Object) -> str:
    return hosted.full_name(told, "repository", "full_name")


def _comment(told: hosted.Object, where: str, kind: str) -> tuple[CommentHint, ...]:
    """`kind` tells the ids of three kinds of comments from each other."""
    written, sender = hosted.part(told, "comment"), hosted.part(told, "sender")
    user = hosted.part(written, "user")
    if told.get("action") != "created" or user.get("type") != "User":
        return ()  # edited, deleted, or of an App
    said = CommentHint(
        login=strict_json.text(user, "login", 200),
        author=hosted.number(user, "id"),
        text=strict_json.text(written, "body", hosted.MOST_TEXT),
        repository=strict_json.text(hosted.part(told, "repository"), "full_name", 300),
        where=where,
        comment=kind + hosted.number(written, "id"),
        written=hosted.time(written, "created_at"),
    )
    return hosted.comment(said, sender=hosted.number(sender, "id"))
