"""Bitbucket's web hooks: Cloud and Data Center (or Server), which say the same in different words.

Both sign the body, `X-Hub-Signature: sha256=<hex HMAC-SHA256>`, if the hook has a secret. Cloud's
`X-Request-UUID` and Data Center's `X-Request-Id` name the delivery; `X-Hook-UUID` names the hook. One
push can change many references. Data Center's "Test connection" sends `diagnostics:ping`, unsigned
unless its secret is typed in there: unsigned it is refused like everything else. Cloud has no unique
user names any more, so its people are known by `account_id`. Source: Atlassian, "Event payloads" (Cloud)
and "Event payload" (Data Center).
"""

from handlers import hosted, reasons, signing, strict_json
from handlers.errors import Malformed, Unverified
from handlers.hints import CommentHint, Hint, RefHint
from handlers.signing import Headers, header

PREFIX = "sha256="
ZERO = "0" * 40
MOST_CHANGES = 5_000


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the body was signed with one of the secrets. No time is signed."""
    del now
    delivery_id(headers, body)
    claimed = header(headers, "X-Hub-Signature")
    if not claimed.startswith(PREFIX):
        raise Unverified
    signing.hex_hmac(secrets, body, claimed.removeprefix(PREFIX))


def delivery_id(headers: Headers, _body: bytes) -> str:
    """The sender's id of the request."""
    return signing.identity(headers, "X-Request-UUID", "X-Request-Id")


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """What the delivery hints at; () for what concerns nothing here."""
    told = hosted.load(body)
    match header(headers, "X-Event-Key"):
        case "repo:push":
            return _cloud_push(told)
        case "repo:refs_changed":
            return _server_push(told)
        case "pullrequest:comment_created":
            return _cloud_comment(told, f"pull/{_id(told, 'pullrequest')}", "pull-")
        case "issue:comment_created":
            return _cloud_comment(told, f"issue/{_id(told, 'issue')}", "issue-")
        case "repo:commit_comment_created":
            commit = strict_json.text(hosted.part(told, "commit"), "hash", 64)
            return _cloud_comment(told, f"commit/{commit}", "commit-")
        case "pr:comment:added":
            return _server_comment(told, f"pull/{_id(told, 'pullRequest')}", "pull-")
        case "repo:comment:added":
            return _server_comment(told, f"commit/{strict_json.text(told, 'commit', 64)}", "commit-")
        case _:
            return ()


def nothing(headers: Headers, body: bytes) -> str:
    """Why a delivery that hints at nothing does so."""
    return reasons.why(header(headers, "X-Event-Key"), hosted.load(body))


def _id(told: hosted.Object, key: str) -> str:
    return hosted.number(hosted.part(told, key), "id")


# --- Cloud -----------------------------------------------------------------------------------


def _cloud_push(told: hosted.Object) -> tuple[RefHint, ...]:
    actor = hosted.part(told, "actor")
    pusher = _account(actor) if actor.get("type") == "user" else ""
    repository = hosted.full_name(told, "repository", "full_name")
    changes = _changes(hosted.part(told, "push"))
    return tuple(_cloud_change(change, pusher, repository) for change in changes)


def _cloud_change(change: hosted.Object, pusher: str, repository: str) -> RefHint:
    """`old` is null for what is new, `new` for what was deleted."""
    sides = [change.get("old"), change.get("new")]
    there = [side for side in sides if isinstance(side, dict)]
    if not there:
        raise Malformed("an entry of `changes` has neither `old` nor `new`")
    kind = strict_json.text(there[-1], "type", 100)
    ref = hosted.REFS.get(kind, f"refs/{kind}/") + strict_json.text(there[-1], "name", 300)
    before, after = (_hash(side) if isinstance(side, dict) else ZERO for side in sides)
    return RefHint(ref, before, after, pusher, repository)


def _hash(side: hosted.Object) -> str:
    return strict_json.text(hosted.part(side, "target"), "hash", 64)


def _account(actor: hosted.Object) -> str:
    """Who it was, by what an account keeps for ever."""
    return strict_json.text(actor, "account_id" if "account_id" in actor else "uuid", 200)


def _cloud_comment(told: hosted.Object, where: str, kind: str) -> tuple[CommentHint, ...]:
    actor, written = hosted.part(told, "actor"), hosted.part(told, "comment")
    user = hosted.part(written, "user") if "user" in written else actor
    if user.get("type") != "user":
        return ()  # an app, or a team
    said = CommentHint(
        login=_account(user),
        author=strict_json.text(user, "uuid", 200),
        text=strict_json.text(hosted.part(written, "content"), "raw", hosted.MOST_TEXT),
        repository=strict_json.text(hosted.part(told, "repository"), "full_name", 300),
        where=where,
        comment=kind + hosted.number(written, "id"),
        written=hosted.time(written, "created_on"),
    )
    return hosted.comment(said, sender=strict_json.text(actor, "uuid", 200))


# --- Data Center -----------------------------------------------------------------------------


def _server_push(told: hosted.Object) -> tuple[RefHint, ...]:
    actor = hosted.part(told, "actor")
    pusher = strict_json.text(actor, "name", 200) if actor.get("type") == "NORMAL" else ""
    return tuple(_server_change(change, pusher) for change in _changes(told))


def _server_change(change: hosted.Object, pusher: str) -> RefHint:
    ref = strict_json.text(hosted.part(change, "ref"), "id", 300)
    before, after = (strict_json.text(change, key, 64) for key in ("fromHash", "toHash"))
    return RefHint(ref, before, after, pusher)


def _server_comment(told: hosted.Object, where: str, kind: str) -> tuple[CommentHint, ...]:
    actor, written = hosted.part(told, "actor"), hosted.part(told, "comment")
    user = hosted.part(written, "author")
    if user.get("type") != "NORMAL":
        return ()  # a service's
    said = CommentHint(
        login=strict_json.text(user, "name", 200),
        author=hosted.number(user, "id"),
        text=strict_json.text(written, "text", hosted.MOST_TEXT),
        repository=_repository(told),
        where=where,
        comment=kind + hosted.number(written, "id"),
        written=_written(written),
    )
    return hosted.comment(said, sender=hosted.number(actor, "id"))


def _written(comment: hosted.Object) -> float | None:
    """When, which is told in milliseconds."""
    found = comment.get("createdDate")
    return found / 1000 if isinstance(found, int) and not isinstance(found, bool) else None


def _repository(told: hosted.Object) -> str:
    """Where the comment stands: a pull request stands where it would be merged."""
    if "pullRequest" in told:
        told = hosted.part(hosted.part(told, "pullRequest"), "toRef")
    found = hosted.part(told, "repository")
    project = strict_json.text(hosted.part(found, "project"), "key", 200)
    return f"{project}/{strict_json.text(found, 'slug', 200)}"


def _changes(told: hosted.Object) -> list[hosted.Object]:
    found = told.get("changes")
    if not isinstance(found, list) or len(found) > MOST_CHANGES:
        raise Malformed(f"`changes` is missing or is not a list of at most {MOST_CHANGES}")
    if not all(isinstance(change, dict) for change in found):
        raise Malformed("an entry of `changes` is not an object")
    return found
