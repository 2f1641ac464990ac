"""What deliveries say. A delivery is a hint: the source is asked again before anything follows.

So nothing that a delivery claims is believed, a replay starts nothing, and reordered deliveries end
in the same state.
"""

from dataclasses import dataclass
from typing import Literal

OrderVerb = Literal["start", "pause", "rollback", "abort"]  # approvals, and more traffic, are for people


@dataclass(frozen=True, slots=True)
class RefHint:
    """A branch or tag may name another commit now. `pusher` "": a program did it, for somebody unknown.
    `repository` is its full name at the host; "" where the sender tells none."""

    ref: str
    before: str
    after: str
    pusher: str
    repository: str = ""


@dataclass(frozen=True, slots=True)
class AliasHint:
    """A registered model's alias may name another version now."""

    model: str
    alias: str


@dataclass(frozen=True, slots=True)
class VersionHint:
    """A registered model may have a new version."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class TagHint:
    """A tag of an image registry's repository may name another image now, or none."""

    repository: str
    tag: str


@dataclass(frozen=True, slots=True)
class CommentHint:
    """Somebody wrote a new comment with commands in it. The one hint whose text is taken as it was sent: the
    host signed it, and asked again it may have been edited since.

    `login` and `author` (the host's own id, which outlives a login) are who wrote it; `repository` is its
    full name at the host; `where` is `pull/<number>`, `issue/<number>` or `commit/<id>`, the place to
    answer; `comment` is the comment's id, unique in its repository. `written` (Unix seconds) is when, by the
    host's clock; None where it does not say.
    """

    login: str
    author: str
    text: str
    repository: str
    where: str
    comment: str
    written: float | None = None


@dataclass(frozen=True, slots=True)
class OrderHint:
    """A sender that cannot be asked wants something done: an alert, another system's event.

    `subject` is a target (`wine/production`), of `start` a model. `key` is the sender's own name for it:
    the same one twice is one. `since` (Unix seconds) is when what it complains of began, None: just now.
    """

    verb: OrderVerb
    subject: str
    reason: str
    key: str
    since: float | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    alert: str = ""  # the sender's mark of what goes on until it says that it is over; "": a single order


@dataclass(frozen=True, slots=True)
class ResolvedHint:
    """What an order was about is over: the alert of that mark, which began at `since` (Unix seconds)."""

    subject: str
    alert: str
    since: float


@dataclass(frozen=True, slots=True)
class SaidHint:
    """Somebody said something in a chat, or pressed a button there. Taken as it was sent: edited, it would be
    a command that nobody saw.

    `user` is the chat's own id of the person, never a name; `team` of the workspace, "" where there is one
    only. `room` and `thread` are where it is answered ("" for no thread); `message` is what the chat knows it
    by, the same on each retry. `seen` is what a button's message showed. `written` (Unix seconds) is when, by
    the chat's clock; None where it does not say, or it was just now.
    """

    user: str
    text: str
    team: str
    room: str
    thread: str
    message: str
    seen: str = ""
    written: float | None = None


Hint = RefHint | AliasHint | VersionHint | TagHint | CommentHint | OrderHint | ResolvedHint | SaidHint
