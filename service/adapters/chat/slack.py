"""Slack, through the Web API by a bot token (`xoxb-…`, the secret file `login-<source>`).

A message carries its key as metadata, by which it is found again among the newest of its room or thread. Its
text stands in `plain_text`, which Slack formats nothing in; the three characters that it escapes are escaped.
Needs the scopes chat:write, channels:read and channels:history, for private rooms groups:read and
groups:history. Source: Slack, "Web API", "chat.postMessage", "Message metadata", "Rate limits".
"""

import threading
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Self
from urllib.parse import urlsplit

from handlers import pressing
from service.adapters.chat import socket
from service.adapters.chat.answers import Server
from service.adapters.chat.words import cut, plain
from service.ports.chat import Button, Message, Take
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

EVENT = "segue_message"
_MOST_TITLE, _MOST_TEXT, _MOST_WORDS = 2_900, 2_900, 70  # characters of a block's text and of a button
_NEWEST = 100  # messages among which one of ours is looked for
_PAGES = 50  # of rooms
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_AGAIN = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_LOGIN = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})


class SlackChat:
    """One workspace."""

    def __init__(self, settings: Settings, source: Source) -> None:
        parts = urlsplit(source.url)
        self._settings, self._source = settings, source
        self._team = parts.path.strip("/")
        self._address = f"{parts.scheme}://{parts.netloc}"
        self._server = Server(settings, source, f"{self._address}/api/")
        self._socket = Server(settings, source, f"{self._address}/api/", login="socket")
        self._rooms: dict[str, str] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The workspace of that source, whose address is `https://slack.com/<team>`."""
        return cls(settings, source)

    def check(self) -> str:
        team = str(self._call("auth.test", {}).get("team_id", ""))
        if not team.isalnum() or self._team not in {"", team}:
            raise Refused(f"the login is one of the workspace {plain(team)}, not of {self._team}")
        return f"{self._address}/{team}"

    def room(self, name: str) -> str:
        if not name.startswith("#"):
            return name  # an id
        if name not in self._rooms:
            self._rooms |= {f"#{one['name']}": one["id"] for one in self._channels()}
        if name not in self._rooms:
            raise Refused(
                f"we are in no channel {name} of {self._source.name}; invite the app: /invite @Segue"
            )
        return self._rooms[name]

    def put(self, room: str, key: str, message: Message, posted: str = "", under: str = "") -> str:
        told = {"channel": room, **_told(message)}
        known = posted or self._found(room, key, under)
        if known:
            answer = self._call("chat.update", told | {"ts": known}, may_fail=_GONE)
            if answer["ok"]:
                return known
        thread = {"thread_ts": under} if under else {}
        metadata = {"event_type": EVENT, "event_payload": {"key": key}}
        return str(self._call("chat.postMessage", told | thread | {"metadata": metadata})["ts"])

    def listens(self) -> bool:
        return bool(self._settings.secret(f"socket-{self._source.name}"))

    def listen(self, since: str | None, take: Take, stop: threading.Event) -> None:
        del since  # what nobody acknowledged Slack sends again by itself
        socket.listen(self._socket, take, stop)

    def _found(self, room: str, key: str, under: str) -> str:
        """The message of that key, "" where there is none among the newest."""
        asked = {"channel": room, "limit": str(_NEWEST), "include_all_metadata": "true"}
        method = "conversations.replies" if under else "conversations.history"
        found = self._ask(method, asked | ({"ts": under} if under else {}), may_fail={"thread_not_found"})
        for one in found.get("messages", ()):
            metadata = one.get("metadata") or {}
            ours = metadata.get("event_type") == EVENT and one.get("bot_id")
            if ours and (metadata.get("event_payload") or {}).get("key") == key:
                return str(one["ts"])
        return ""

    def _channels(self) -> Iterator[dict[str, Any]]:
        """All rooms that we are in, some at a time."""
        asked = {"limit": "1000", "exclude_archived": "true", "types": "public_channel,private_channel"}
        for _ in range(_PAGES):
            found = self._ask("users.conversations", asked)
            yield from found.get("channels", ())
            cursor = (found.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            asked["cursor"] = cursor

    def _call(
        self, method: str, told: dict[str, Any], may_fail: AbstractSet[str] = frozenset()
    ) -> dict[str, Any]:
        """Do something: these methods take JSON."""
        return self._judged(method, self._server.call("POST", method, told), may_fail)

    def _ask(
        self, method: str, asked: dict[str, str], may_fail: AbstractSet[str] = frozenset()
    ) -> dict[str, Any]:
        """Read something: these methods take no JSON."""
        return self._judged(method, self._server.call("GET", method, query=asked), may_fail)

    def _judged(self, method: str, answer: dict[str, Any], may_fail: AbstractSet[str]) -> dict[str, Any]:
        """Slack answers 200 whatever happens; `ok` says whether it was done."""
        word = str(answer.get("error", ""))
        if answer.get("ok") is True or word in may_fail:
            return {**answer, "ok": answer.get("ok") is True}
        if word in _AGAIN:
            raise Retry(f"Slack's {method} answered {plain(word)}", after=30)
        if word in _LOGIN:
            raise Refused(
                f"Slack does not know the login ({plain(word)}); write the app's bot token into the secret"
                f" file login-{self._source.name}"
            )
        needed = f"; it needs the scope {plain(str(answer['needed']))}" if "needed" in answer else ""
        raise Refused(f"Slack's {method} answered {plain(word)[:200]}{needed}")


def _told(message: Message) -> dict[str, Any]:
    """The message in blocks; `text` is what a notification shows."""
    blocks: list[dict[str, Any]] = []
    if message.title:
        blocks.append(_section(message.title, _MOST_TITLE))
    if message.text:
        blocks.append(_section(message.text, _MOST_TEXT))
    if message.buttons:
        buttons = [_button(number, one) for number, one in enumerate(message.buttons)]
        blocks.append({"type": "actions", "elements": buttons})
    return {
        "text": _escaped(message.title or message.text, _MOST_TEXT),
        "blocks": blocks,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _section(text: str, most: int) -> dict[str, Any]:
    return {"type": "section", "text": _plain_text(text, most)}


def _button(number: int, button: Button) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "button",
        "action_id": f"segue-{number}",
        "text": _plain_text(button.words, _MOST_WORDS),
        "value": pressing.value(button.line, button.seen),
    }
    if button.harsh:
        told["style"] = "danger"
    if button.asked:
        told["confirm"] = {
            "title": _plain_text(f"{button.words}?", 90),
            "text": _plain_text(button.asked, 290),
            "confirm": _plain_text(button.words, 29),
            "deny": _plain_text("Leave it", 29),
        }
    return told


def _plain_text(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _escaped(text, most), "emoji": False}


def _escaped(text: str, most: int) -> str:
    """Shown as it is; counted before it is escaped, as Slack counts."""
    return cut(plain(text), most).translate(_ESCAPED) or " "
