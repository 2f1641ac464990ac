"""Why a Git host's delivery hints at nothing, in words for people."""

import re

from handlers.hosted import Object

_PLAIN = re.compile(r"[A-Za-z0-9_.: -]{1,60}")
_TRIES = frozenset({"ping", "diagnostics:ping"})
_PUSHES = frozenset({"push", "tag_push", "repo:push", "repo:refs_changed"})


def why(kind: str, told: Object) -> str:
    """`kind` is what the sender calls it, which nobody signed; `told` its body."""
    if kind in _TRIES or told.get("test") is True:
        return "a ping: the webhook works"
    if kind in _PUSHES:
        return "a push that changes no branch and no tag"
    if kind in {"create", "delete"}:
        return "a repository was made or removed"
    if kind in {"deployment", "deployment_status"}:
        return "a deployment, such as Segue's own, starts nothing"
    if kind == "note" or "comment" in kind:
        return _of_comment(told)
    named = kind if _PLAIN.fullmatch(kind) else "it"
    return f"{named} starts nothing: pushes, tags and new comments do"


def _of_comment(told: Object) -> str:
    written = told.get("object_attributes")
    action = written.get("action") if isinstance(written, dict) else told.get("action")
    if action not in {None, "created", "create"}:
        return "a comment that was changed or removed: only a new one counts"
    return "a comment without a command of its author's own, or a program's"
