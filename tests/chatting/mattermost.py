"""Mattermost's REST API, as far as posts go."""

import re

from tests.chatting.server import ChatServer


def name(number):
    """An id as the server makes them: 26 letters and digits."""
    return f"{number:026d}"


class Mattermost(ChatServer):
    """One team, `ml`, with our bot in the channels of `rooms`."""

    kind, path = "mattermost", "/ml"
    room, other, stranger_room = "#ml-release", "#general", "#secret"

    def __init__(self):
        super().__init__()
        self.rooms = {"ml-release": name(1), "general": name(2)}
        self.posts = {}
        self.url += self.path

    def stranger(self):
        return 401, {"message": "Invalid or expired session"}

    def answer(self, method, path, query, body):
        path = path.removeprefix("/api/v4")
        match method, path.split("/")[1:]:
            case "GET", ["users", "me"]:
                return 200, {"id": name(9)}
            case "GET", ["teams", "name", "ml"]:
                return 200, {"id": name(8)}
            case "GET", ["teams", "name", "ml", "channels", "name", channel] if channel in self.rooms:
                return 200, {"id": self.rooms[channel]}
            case "GET", ["channels", channel, "posts"]:
                return 200, {"posts": {k: p for k, p in self.posts.items() if p["channel_id"] == channel}}
            case "GET", ["posts", post] if post in self.posts:
                return 200, self.posts[post]
            case "POST", ["posts"] if body["channel_id"] in self.rooms.values():
                new = name(100 + len(self.posts))
                self.posts[new] = {"id": new, "user_id": name(9), "root_id": "", "delete_at": 0, **body}
                return 201, self.posts[new]
            case "PUT", ["posts", post, "patch"] if post in self.posts:
                self.posts[post] |= body
                return 200, self.posts[post]
        return 404, {"message": f"nothing at {path}"}

    def shown(self, room):
        return [_shown(p) for p in self.posts.values() if p["channel_id"] == self.rooms[room[1:]]]

    def remove(self, room, posted):
        del self.posts[posted]

    def under(self, room, posted):
        return self.posts[posted]["root_id"] or None


def _shown(post):
    (attachment,) = post["props"]["attachments"]
    text = attachment["text"]
    fence = re.match(r"`{3,}", text)[0]
    assert text.endswith(f"\n{fence}")
    inside = text.removeprefix(f"{fence}\n").removesuffix(f"\n{fence}")
    assert fence not in inside, "the fence is ended early"
    assert not post["message"]
    return inside, [one["name"] for one in attachment.get("actions", ())]
