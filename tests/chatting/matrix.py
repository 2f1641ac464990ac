"""Matrix's client-server API, as far as messages and `/sync` go; a real server is run by tests/hosts."""

import re

from tests.chatting.server import ChatServer

API = "/_matrix/client/v3"


class Matrix(ChatServer):
    """A home server with two rooms that our account may join."""

    kind = "matrix"
    room, other, stranger_room = "#ml-release:chat.test", "#general:chat.test", "#secret:chat.test"

    def __init__(self):
        super().__init__()
        self.rooms = {self.room: "!one:chat.test", self.other: "!two:chat.test"}
        self.events = {}  # id to event, in order
        self.sent = {}  # transaction id to event id

    def stranger(self):
        return 401, {"errcode": "M_UNKNOWN_TOKEN", "error": "Unrecognised access token"}

    def answer(self, method, path, query, body):
        path = path.removeprefix(API)
        match method, path.split("/")[1:]:
            case "GET", ["account", "whoami"]:
                return 200, {"user_id": "@segue:chat.test"}
            case "POST", ["join", room] if room in self.rooms or room in self.rooms.values():
                return 200, {"room_id": self.rooms.get(room, room)}
            case "PUT", ["rooms", room, "send", "m.room.message", txn] if room in self.rooms.values():
                if txn not in self.sent:
                    self.sent[txn] = self.said(room, "@segue:chat.test", body)
                return 200, {"event_id": self.sent[txn]}
            case "GET", ["rooms", _, "event", event] if event in self.events:
                return 200, self.events[event] | {"content": self._content(event)}
            case "GET", ["sync"]:
                return 200, self._sync(query)
        return 403, {"errcode": "M_FORBIDDEN", "error": f"nothing at {path}"}

    def said(self, room, sender, content):
        """Somebody sends a message; its id."""
        new = f"$e{len(self.events)}"
        event = {
            "type": "m.room.message",
            "event_id": new,
            "sender": sender,
            "room_id": room,
            "content": content,
        }
        self.events[new] = event | {"origin_server_ts": 1700000000000}
        return new

    def _sync(self, query):
        """At once, whatever there is: a test waits for nothing."""
        since = int(query.get("since", len(self.events)))
        found = {}
        for event in list(self.events.values())[since:]:
            found.setdefault(event["room_id"], []).append({k: v for k, v in event.items() if k != "room_id"})
        rooms = {room: {"timeline": {"events": events}} for room, events in found.items()}
        return {"next_batch": str(len(self.events)), "rooms": {"join": rooms}}

    def _content(self, event):
        """As a server tells it: with its newest replacement applied."""
        content = self.events[event]["content"]
        for one in self.events.values():
            relation = one["content"].get("m.relates_to", {})
            if relation.get("rel_type") == "m.replace" and relation["event_id"] == event:
                content = one["content"]["m.new_content"]
        return content

    def shown(self, room):
        found = []
        for name, event in self.events.items():
            relation = event["content"].get("m.relates_to", {})
            if event["room_id"] == self.rooms[room] and relation.get("rel_type") != "m.replace":
                content = self._content(name)
                assert content["msgtype"] == "m.notice"
                assert "formatted_body" not in content
                text, _, lines = content["body"].partition("\nto do:\n")
                found.append((text, re.findall(r"\(([^()]*)\)$", lines, re.MULTILINE)))
        return found

    def under(self, room, posted):
        return self.events[posted]["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")
