"""Chats: where people are told how a release goes, and answer."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Button:
    """What a person can press below a message: `line` is the command that it means, `seen` what the message
    showed, which the command is bound to ("": to nothing). `asked` is what is asked before."""

    words: str
    line: str
    seen: str = ""
    asked: str = ""
    harsh: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What is said: one line, and a text below it. Both are shown as they are, whatever they hold.

    Where a chat has no buttons their lines are shown instead.
    """

    title: str
    text: str = ""
    buttons: tuple[Button, ...] = ()


class Chat(Protocol):
    """A connected chat, in the name of Segue's own account there."""

    def check(self) -> str:
        """The address that the workspace or server is known by, once it has let us in. Raises `Refused` with
        what to mend."""
        ...

    def room(self, name: str) -> str:
        """The id of the room that people call so, such as #ml-release. Raises `Refused` where there is none
        that we are in."""
        ...

    def put(self, room: str, key: str, message: Message, posted: str = "", under: str = "") -> str:
        """Have the message of that key in the room (its id) say this, and nothing else; the message's id.

        `posted` is the id that was told before; without one the message is looked for among the newest, so
        that one is never said twice. `under`: in the thread of that message.
        """
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that came over a connection that we opened: the name under which it is one, and its body as
    the chat's handler reads it."""

    name: str
    body: bytes


# Stores all of these for good, and then the place to go on from; raises where it could not.
Take = Callable[[Sequence[Told], str], None]


class Listening(Protocol):
    """A chat that can be listened to by a connection that we open, for those who open no port."""

    def listens(self) -> bool:
        """Whether that is set up here."""
        ...

    def listen(self, since: str | None, take: Take, stop: threading.Event) -> None:
        """Hand everything that is said to `take` until told to stop, or until the connection ends.

        `since` is the place that `take` was told last; None: from now on. Raises `Retry` or `Refused`.
        """
        ...
