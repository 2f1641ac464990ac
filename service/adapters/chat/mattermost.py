"""Mattermost, through its REST API (version 4) by a bot's token (the secret file `login-<source>`).

A post carries its key among its properties, by which it is found again among the newest of its channel. Its
text stands in a fence, in which nothing is markup and nobody is mentioned. Its buttons lead to our own
address and carry a context that the server shows to nobody. Source: Mattermost, "API reference",
"Interactive messages", "Message attachments".
"""

import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import quote, urlsplit

from handlers import pressing
from service.adapters.chat.answers import Missing, Server
from service.adapters.chat.words import cut, fenced, plain
from service.machine import installation
from service.ports.chat import Button, Message
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings

KEY = "segue_key"
_NEWEST = 100  # posts among which one of ours is looked for
_MOST_TEXT = 12_000  # characters; a post takes 16,383


class MattermostChat:
    """One team of a server. `now` gives Unix seconds."""

    def __init__(self, settings: Settings, source: Source, now: Callable[[], float] = time.time) -> None:
        parts = urlsplit(source.url)
        folder, _, self._team = parts.path.rstrip("/").rpartition("/")
        self._address = f"{parts.scheme}://{parts.netloc}{folder}"
        self._settings, self._source, self._now = settings, source, now
        self._server = Server(settings, source, f"{self._address}/api/v4")
        self._me = ""

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The team of that source, whose address is `https://chat.example/<team>`."""
        return cls(settings, source)

    def check(self) -> str:
        if not self._team:
            raise Refused("write the team, too, as in its address: https://chat.example/team")
        self._server.call("GET", "/users/me")
        self._server.call("GET", f"/teams/name/{quote(self._team, safe='')}")
        return f"{self._address}/{self._team}"

    def room(self, name: str) -> str:
        if not name.startswith(("#", "~")):
            return name  # an id
        path = f"/teams/name/{quote(self._team, safe='')}/channels/name/{quote(name[1:], safe='')}"
        try:
            return str(self._server.call("GET", path)["id"])
        except Missing:
            raise Refused(
                f"there is no channel {name} in the team {self._team}, or the bot is not in it; invite it"
            ) from None

    def put(self, room: str, key: str, message: Message, posted: str = "", under: str = "") -> str:
        told = {"message": "", "props": self._props(room, key, message)}
        known = posted or self._found(room, key)
        if known:
            try:
                return str(self._server.call("PUT", f"/posts/{known}/patch", told)["id"])
            except Missing:
                pass  # somebody deleted it
        root = {"root_id": self._root(under)} if under else {}
        return str(self._server.call("POST", "/posts", told | {"channel_id": room} | root)["id"])

    def _found(self, room: str, key: str) -> str:
        """Our own post of that key, "" where none of the newest is: others may write any property."""
        me = self._me = self._me or str(self._server.call("GET", "/users/me")["id"])
        found = (
            self._server.call(
                "GET", f"/channels/{quote(room, safe='')}/posts", query={"per_page": str(_NEWEST)}
            ).get("posts")
            or {}
        )
        for name, post in found.items():
            ours = post.get("user_id") == me and not post.get("delete_at")
            if ours and (post.get("props") or {}).get(KEY) == key:
                return str(name)
        return ""

    def _root(self, under: str) -> str:
        """The post that a thread begins with: an answer in a thread can begin none."""
        post = self._server.call("GET", f"/posts/{under}")
        return str(post.get("root_id") or under)

    def _props(self, room: str, key: str, message: Message) -> dict[str, Any]:
        text = "\n".join(part for part in (message.title, message.text) if part)
        shown = fenced(cut(plain(text), _MOST_TEXT))
        actions = [self._action(room, number, one) for number, one in enumerate(message.buttons)]
        attachment = {"fallback": cut(plain(message.title), 200), "text": shown}
        return {KEY: key, "attachments": [attachment | ({"actions": actions} if actions else {})]}

    def _action(self, room: str, number: int, button: Button) -> dict[str, Any]:
        live = self._settings.live(f"hook-{self._source.name}")
        if not live:
            raise Refused(f"write the slash command's token into the secret file hook-{self._source.name}")
        where = installation.place(self._settings).intake.rstrip("/")
        context = pressing.signed(live[0], room, button.line, button.seen, self._now())
        return {
            "id": f"segue{number}",  # letters and digits only
            "name": cut(plain(button.words), 60),
            "type": "button",
            "style": "danger" if button.harsh else "default",
            "integration": {"url": f"{where}/hooks/{self._source.name}", "context": context},
        }
