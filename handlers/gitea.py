"""Gitea's and Forgejo's web hooks.

Signed over the body: `X-Gitea-Signature` in bare hexadecimal, and under GitHub's name as
`X-Hub-Signature-256: sha256=…`; Forgejo adds `X-Forgejo-Signature`. All that are there must be right.
Without a secret the headers come empty. There are no retries; the page's replay sends the same bytes
under a new id. Seen of Gitea 1.26: a branch that is deleted sends `delete` and no push; a test delivery
is a push that changes nothing; whoever edits a comment is `sender`, and `comment.user` stays its author.
Source: Gitea, services/webhook/deliver.go and modules/structs/hook.go.
"""

from handlers import hosted, reasons, signing, strict_json
from handlers.errors import Unverified
from handlers.hints import CommentHint, Hint
from handlers.signing import Headers, header

SIGNATURES = (("X-Forgejo-Signature", ""), ("X-Gitea-Signature", ""), ("X-Hub-Signature-256", "sha256="))
ACTIONS_USER = "-2"  # who Gitea's own workflows are


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless every signature was made with one of the secrets. No time is signed."""
    del now
    delivery_id(headers, body)
    claimed = [(prefix, found) for name, prefix in SIGNATURES if (found := header(headers, name))]
    for prefix, found in claimed or [("", "")]:
        if not found.startswith(prefix):
            raise Unverified
        signing.hex_hmac(secrets, body, found.removeprefix(prefix))


def delivery_id(headers: Headers, _body: bytes) -> str:
    """The sender's id of this attempt."""
    return signing.identity(headers, "X-Forgejo-Delivery", "X-Gitea-Delivery")


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """What the delivery hints at; () for what concerns nothing here."""
    told = hosted.load(body)
    match hosted.first(headers, "X-Forgejo-Event", "X-Gitea-Event"):
        case "push":
            return hosted.pushed(told, _login(told), _repository(told))
        case "create" | "delete":
            return hosted.named(told, _login(told), _repository(told))
        case "issue_comment":
            return _comment(told)
        case _:
            return ()


def nothing(headers: Headers, body: bytes) -> str:
    """Why a delivery that hints at nothing does so."""
    return reasons.why(hosted.first(headers, "X-Forgejo-Event", "X-Gitea-Event"), hosted.load(body))


def _login(told: hosted.Object) -> str:
    """The person who did it; "" for a workflow, which acts for somebody unknown."""
    sender = hosted.part(told, "sender")
    login = strict_json.text(sender, "login", 200)
    return "" if str(sender.get("id")) == ACTIONS_USER else login


def _repository(told: hosted.Object) -> str:
    return hosted.full_name(told, "repository", "full_name")


def _comment(told: hosted.Object) -> tuple[CommentHint, ...]:
    if told.get("action") != "created":
        return ()
    written = hosted.part(told, "comment")
    user = hosted.part(written, "user")
    author = hosted.number(user, "id")
    if author == ACTIONS_USER:
        return ()
    place = "pull" if told.get("is_pull") is True else "issue"
    said = CommentHint(
        login=strict_json.text(user, "login", 200),
        author=author,
        text=strict_json.text(written, "body", hosted.MOST_TEXT),
        repository=strict_json.text(hosted.part(told, "repository"), "full_name", 300),
        where=f"{place}/{hosted.number(hosted.part(told, 'issue'), 'number')}",
        comment=hosted.number(written, "id"),
        written=hosted.time(written, "created_at"),
    )
    return hosted.comment(said, sender=hosted.number(hosted.part(told, "sender"), "id"))
