"""Grafana: a region for each rollout, from its start to its end, on every dashboard that asks for its tags.

`/api/annotations` of organisation annotations, by a service account's token (`login-<source>`) that may read,
write, create and delete them. A region is found by a tag that is made of the release: we store nothing of it.
What it says is set, never added to. What shows it renders HTML, so all of ours is escaped.
Source: Grafana, "Annotations HTTP API".
"""

import html
from typing import Any, Self

from policies import notices
from policies.notices import Notice
from service.adapters.chat.answers import Missing, Server
from service.adapters.chat.words import cut, plain
from service.adapters.reach import Chosen
from service.adapters.receivers import payload, webhook
from service.adapters.understood import understood
from service.machine import installation
from service.ports.connections import Source
from service.settings import Settings

_PATH = "/api/annotations"
_GOES_ON = "outcome:running"
_MOST_VALUE = 40  # characters of a tag's value: all tags of an annotation may have 500 together
_MOST_TEXT = 500


@understood
class Grafana:
    """One organisation of a Grafana."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self._settings, self._source = settings, source
        self.url = webhook.address(source.url).rstrip("/")
        self._server = Server(settings, source, self.url, reach=Chosen())

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The organisation of the token, at that source's address."""
        return cls(settings, source)

    def check(self) -> str:
        self._server.answered("GET", _PATH, query={"limit": "1", "type": "annotation"})
        return self.url

    def tell(self, notice: Notice, _to: str = "") -> None:
        if not notice.target:
            return
        mark = f"segue:{payload.digest(self._source.name, notice.about, repr(notice.began))[:16]}"
        known = self._found(mark)
        for surplus in known[1:]:
            self._call("DELETE", f"{_PATH}/{int(surplus['id'])}")
        if known:
            self._move_end(known[0], notice, mark)
        elif notice.turn in notices.ROLLOUT:
            self._server.call("POST", _PATH, self._said(notice, mark) | {"time": _millis(notice)})

    def _found(self, mark: str) -> list[dict[str, Any]]:
        """Those of the release, the first that was made before all others."""
        query = {"tags": mark, "type": "annotation", "limit": "100"}
        found = self._server.answered("GET", _PATH, query=query)
        return sorted((one for one in found if mark in one["tags"]), key=lambda one: int(one["id"]))

    def _move_end(self, known: dict[str, Any], notice: Notice, mark: str) -> None:
        """What comes late, or again after the end, changes nothing."""
        over = _GOES_ON not in known["tags"] and notice.turn not in notices.FINAL
        if not over and _millis(notice) >= int(known.get("timeEnd") or known["time"]):
            self._call("PATCH", f"{_PATH}/{int(known['id'])}", self._said(notice, mark))

    def _call(self, method: str, path: str, body: Any = None) -> None:
        """One that somebody deleted meanwhile is wanted by nobody."""
        try:
            self._server.call(method, path, body)
        except Missing:
            return

    def _said(self, notice: Notice, mark: str) -> dict[str, Any]:
        link = html.escape(payload.link(notice, installation.place(self._settings).web))
        title = html.escape(cut(plain(notice.title), _MOST_TEXT))
        text = f'{title}\n<a href="{link}">{html.escape(plain(notice.about))}</a>'
        return {"timeEnd": _millis(notice), "tags": _tags(notice, mark), "text": text}


def _tags(notice: Notice, mark: str) -> list[str]:
    outcome = notice.turn.value if notice.turn in notices.FINAL else "running"
    version = notice.registered[1] if notice.registered else notice.version
    told = {
        "model": notice.model, "environment": notice.environment, "release": notice.about,
        "version": version, "outcome": outcome,
    }  # fmt: skip
    return ["segue", mark, *(f"{name}:{cut(plain(value), _MOST_VALUE)}" for name, value in told.items())]


def _millis(notice: Notice) -> int:
    return int(notice.at * 1000)
