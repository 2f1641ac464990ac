"""What the deliveries of all Git hosts have in common: references, and comments that hold commands.

Of a comment only what its own author wrote, just now, counts: an editor's text would be a command in another
person's name.
"""

from datetime import UTC, datetime
from typing import Any

from handlers import commands, strict_json
from handlers.errors import Malformed
from handlers.hints import CommentHint, RefHint
from handlers.signing import Headers, header

MOST_NODES = 200_000  # a push can list thousands of files
MOST_TEXT = 1_000_000  # of a comment, which is what GitLab takes
MOST_NAME = 300
MARK = "<!-- segue"  # stands in every comment of ours: whatever it quotes is no command
REFS = {"branch": "refs/heads/", "tag": "refs/tags/"}
Object = dict[str, Any]


def load(body: bytes) -> Object:
    """The body's JSON object."""
    return strict_json.load(body, MOST_NODES)


def first(headers: Headers, *names: str) -> str:
    """The value of the first of these headers that has one; "" where none has."""
    return next((value for name in names if (value := header(headers, name))), "")


def part(told: Object, key: str) -> Object:
    """A key's object. Raises `Malformed` naming the key."""
    value = told.get(key)
    if not isinstance(value, dict):
        raise Malformed(f"`{key}` is missing or is not an object")
    return value


def number(told: Object, key: str) -> str:
    """A key's number, as text. Raises `Malformed` naming the key."""
    value = told.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(f"`{key}` is missing or is not a number")
    return str(value)


def time(told: Object, key: str) -> float | None:
    """A key's time, written as hosts do, as Unix seconds; None where none is told."""
    text = told.get(key)
    try:
        found = datetime.fromisoformat(str(text)[:40].replace(" UTC", "+00:00"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def full_name(told: Object, part: str, key: str) -> str:
    """The repository's full name as this part tells it; "" where it does not."""
    found = told.get(part)
    name = found.get(key) if isinstance(found, dict) else None
    return name if isinstance(name, str) and len(name) <= MOST_NAME else ""


def pushed(told: Object, pusher: str, repository: str) -> tuple[RefHint, ...]:
    """The reference of a push; () for one that changes nothing, as hosts send to try a hook."""
    ref, before, after = (strict_json.text(told, key, 300) for key in ("ref", "before", "after"))
    return () if before == after else (RefHint(ref, before, after, pusher, repository),)


def named(told: Object, pusher: str, repository: str) -> tuple[RefHint, ...]:
    """The reference that was made or removed, told by its short name and its type."""
    kind = strict_json.text(told, "ref_type", 300)
    if kind not in REFS:
        return ()  # a repository
    return (RefHint(REFS[kind] + strict_json.text(told, "ref", 300), "", "", pusher, repository),)


def comment(said: CommentHint, *, sender: str) -> tuple[CommentHint, ...]:
    """The new comment, where it holds commands and its author sent it; `sender` is who did, by id."""
    ours = MARK in said.text
    return (said,) if said.author == sender and not ours and commands.command_lines(said.text) else ()
