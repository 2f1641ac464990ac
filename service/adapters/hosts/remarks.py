"""What a host's API tells of a comment, as its webhook would: the same id, person and place; no edited one.

Who may write in a repository may edit other people's comments there, at most hosts. A time of the last
change that is missing, or is not the time of writing to the letter, is an edit.
"""

from collections.abc import Callable
from typing import Any

from handlers import gitea, gitlab, hosted
from handlers.errors import Malformed
from handlers.hints import CommentHint

Told = dict[str, Any]
Remark = Callable[[Told, str], CommentHint]


def hint(told: Told, where: str, remark: Remark, written: str, changed: str) -> CommentHint | None:
    """The comment with its commands; None for one without, an edited one, a program's, and ours."""
    if not told.get(written) or told.get(written) != told.get(changed):
        return None
    try:
        said = remark(told, where)
    except (Malformed, KeyError, TypeError):
        return None
    people = said.login and said.author and said.written is not None
    return next(iter(hosted.comment(said, sender=said.author)), None) if people else None


def of_github(told: Told, where: str) -> CommentHint:
    """GitHub's; the ids of comments on commits are numbers of their own."""
    user = hosted.part(told, "user")
    login = user["login"] if user.get("type") == "User" else ""
    kind = "commit-" if where.startswith("commit/") else ""
    return _hint(told, where, (login, hosted.number(user, "id")), told["body"], kind)


def of_gitea(told: Told, where: str) -> CommentHint:
    """Gitea's and Forgejo's."""
    user = hosted.part(told, "user")
    author = hosted.number(user, "id")
    login = "" if author == gitea.ACTIONS_USER else user["login"]
    return _hint(told, where, (login, author), told["body"], "")


def of_gitlab(told: Told, where: str) -> CommentHint:
    """GitLab's notes; a `system` one is GitLab's own."""
    user = hosted.part(told, "author")
    person = told.get("system") is False and not gitlab.BOT.match(user["username"])
    login = user["username"] if person else ""
    return _hint(told, where, (login, hosted.number(user, "id")), told["body"], "")


def of_bitbucket(told: Told, where: str) -> CommentHint:
    """Bitbucket Cloud's."""
    user = hosted.part(told, "user")
    login = user.get("account_id") or user["uuid"]
    person = (login if user.get("type") == "user" else "", user["uuid"])
    kind = f"{where.partition('/')[0]}-"
    return _hint(told, where, person, hosted.part(told, "content")["raw"], kind)


def _hint(told: Told, where: str, person: tuple[Any, str], text: Any, kind: str) -> CommentHint:
    login, author = person
    if not (isinstance(login, str) and isinstance(text, str)) or len(text) > hosted.MOST_TEXT:
        raise Malformed("a comment holds something else than texts")
    comment = kind + hosted.number(told, "id")
    return CommentHint(
        login,
        str(author),
        text,
        "",
        where,
        comment,
        hosted.time(told, "created_at" if "created_at" in told else "created_on"),
    )
