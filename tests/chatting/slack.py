"""Slack's Web API, as far as messages go: everything is answered 200, and `ok` says whether it was done."""

from tests.chatting.server import ChatServer

READ = {"conversations.history", "conversations.replies", "users.conversations"}  # these take no JSON


class Slack(ChatServer):
    """One workspace, T1, with our bot in the rooms of `rooms`."""

    kind, path = "slack", "/T1"

    def __init__(self):
        super().__init__()
        self.rooms = {"ml-release": "C1", "general": "C2"}
        self.messages = {}  # (room, ts) to what was posted
        self.url += self.path

    def stranger(self):
        return 200, {"ok": False, "error": "invalid_auth"}

    def answer(self, method, path, query, body):
        name = path.removeprefix("/api/")
        told = query if method == "GET" else body
        assert (method == "GET") == (name in READ), f"{name} does not take {method}"
        found = getattr(self, name.replace(".", "_").lower())(told)
        return 200, found if "ok" in found else {"ok": True, **found}

    def auth_test(self, told):
        return {"team_id": "T1", "user_id": "UBOT", "bot_id": "B1"}

    def users_conversations(self, told):
        """One on each page, so that whoever reads one page finds one room."""
        names = sorted(self.rooms)
        at = int(told.get("cursor") or 0)
        following = str(at + 1) if at + 1 < len(names) else ""
        page = [{"id": self.rooms[name], "name": name} for name in names[at : at + 1]]
        return {"channels": page, "response_metadata": {"next_cursor": following}}

    def chat_postmessage(self, told):
        if told["channel"] not in self.rooms.values():
            return {"ok": False, "error": "not_in_channel"}
        ts = f"{1700000000 + len(self.messages)}.000100"
        self.messages[told["channel"], ts] = {**told, "ts": ts, "bot_id": "B1"}
        return {"channel": told["channel"], "ts": ts}

    def chat_update(self, told):
        known = self.messages.get((told["channel"], told["ts"]))
        if known is None:
            return {"ok": False, "error": "message_not_found"}
        known.update(told)
        return {"ts": told["ts"]}

    def conversations_history(self, told):
        assert told["include_all_metadata"] == "true"
        found = [
            m for (room, _), m in self.messages.items() if room == told["channel"] and not m.get("thread_ts")
        ]
        return {"messages": found[::-1]}

    def conversations_replies(self, told):
        mine = {told["ts"]}
        found = [m for (room, ts), m in self.messages.items() if ts in mine or m.get("thread_ts") in mine]
        return {"messages": found} if found else {"ok": False, "error": "thread_not_found"}

    # --- what the suite asks of any chat ----------------------------------------------------------

    room, other, stranger_room = "#ml-release", "#general", "#secret"

    def shown(self, room):
        """(what people see, unformatted; buttons' words) of each message in a room, oldest first."""
        names = {f"#{name}": name_id for name, name_id in self.rooms.items()}
        return [_shown(m) for (where, _), m in self.messages.items() if where == names[room]]

    def remove(self, room, posted):
        del self.messages[room, posted]

    def under(self, room, posted):
        return self.messages[room, posted].get("thread_ts")


def _shown(message):
    texts, buttons = [], []
    for block in message["blocks"]:
        if block["type"] == "actions":
            buttons += [one["text"]["text"] for one in block["elements"]]
        else:
            assert block["text"]["type"] == "plain_text", "anything else is formatted"
            texts.append(block["text"]["text"])
    for text in (*texts, *buttons, message["text"]):
        assert "<" not in text, "Slack reads it as a mention or a link"
    plain = "\n".join(texts).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return plain, buttons
