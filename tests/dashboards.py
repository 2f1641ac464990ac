"""Grafana's annotations for tests, by their documented contract: it keeps state, and refuses as Grafana does."""

import re
import time

from tests.chatting.server import ChatServer

PATH = "/api/annotations"
MOST_TAGS = 500  # characters of all tags of one
_CHANGED = {"text", "tags", "time", "timeEnd"}


class Grafana(ChatServer):
    """One organisation. `kept` are its annotations by id, `history` what was new each time: id, text, tags."""

    def __init__(self):
        super().__init__()
        self.kept, self.history = {}, []

    def stranger(self):
        return 401, {"message": "Invalid API key"}

    def answer(self, method, path, query, body):
        found = re.fullmatch(rf"{PATH}(?:/(\d+))?", path)
        if found is None:
            return 404, {"message": "Not found"}
        match method, found[1]:
            case "GET", None:
                return 200, self._find(query)
            case "POST", None:
                return self._add(body)
            case "PATCH" | "DELETE", str(number) if int(number) not in self.kept:
                return 404, {"message": "Could not find annotation to update"}
            case "PATCH", str(number):
                return self._patch(int(number), body)
            case "DELETE", str(number):
                del self.kept[int(number)]
                return 200, {"message": "Annotation deleted"}
        return 405, {"message": "Method not allowed"}

    def _find(self, query):
        wanted = [query["tags"]] if "tags" in query else []
        newest = sorted(self.kept.values(), key=lambda one: (-one["timeEnd"], -one["time"]))
        found = [one for one in newest if set(wanted) <= set(one["tags"])]
        return found[: int(query.get("limit", "100"))]

    def _add(self, body):
        if not body.get("text"):
            return 400, {"message": "Failed to save annotation"}
        if (refused := self._wrong(body)) is not None:
            return refused
        began = body.get("time") or int(time.time() * 1000)
        number = len(self.kept) + 1
        self.kept[number] = {
            "id": number, "alertId": 0, "dashboardId": 0, "panelId": 0, "userId": 1, "newState": "",
            "prevState": "", "time": began, "timeEnd": body.get("timeEnd") or began, "text": body["text"],
            "tags": body.get("tags", []), "data": {},
        }  # fmt: skip
        self._note(number)
        return 200, {"message": "Annotation added", "id": number}

    def _patch(self, number, body):
        if (refused := self._wrong(body)) is not None:
            return refused
        before = dict(self.kept[number])
        self.kept[number] |= {name: value for name, value in body.items() if name in _CHANGED and value}
        if self.kept[number] != before:
            self._note(number)
        return 200, {"message": "Annotation patched"}

    def _wrong(self, body):
        if len(str(body.get("tags", []))) > MOST_TAGS:
            return 400, {"message": "the tags are too long"}
        return None

    def _note(self, number):
        one = self.kept[number]
        self.history.append((number, one["text"], tuple(one["tags"])))
