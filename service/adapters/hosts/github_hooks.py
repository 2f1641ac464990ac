"""GitHub's webhooks, of one repository or of an organisation, which are asked for in the same words.

Source: docs.github.com/en/rest/webhooks, the pages on repository and organisation webhooks;
docs.github.com/en/rest/apps/webhooks on an App's own.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from service.adapters.hosts import redelivery
from service.adapters.hosts.github_app import Installation
from service.adapters.hosts.rest import Rest
from service.ports.outcomes import Retry

EVENTS = ["push", "create", "delete", "issue_comment", "commit_comment"]
_PAGE = "100"
_MOST_PAGES = 5  # of deliveries, the newest first
_MOST_AGAIN = 50  # asked for in one look


class GitHubHooks(ABC):
    """The hooks of whatever lies at the path `_told_of`."""

    HOOK: ClassVar[str] = "pushes, branch or tag creation and deletion, issue comments, commit comments"
    _rest: Rest
    _app: Installation | None = None  # whose login it is; its own webhook counts, too

    @property
    @abstractmethod
    def _told_of(self) -> str:
        """The path of the repository, or of what holds many, in the host's API."""

    def register_webhook(self, address: str, secret: str) -> None:
        config = {"url": address, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
        wanted = {"config": config, "events": EVENTS, "active": True}
        ours = [hook["id"] for hook in self._hooks() if _url(hook) == address]
        if ours:
            self._rest.send("PATCH", f"{self._told_of}/hooks/{ours[0]}", wanted)
        else:
            self._rest.send("POST", f"{self._told_of}/hooks", {"name": "web", **wanted})
        for surplus in ours[1:]:
            self._rest.send("DELETE", f"{self._told_of}/hooks/{surplus}")

    def has_webhook(self, address: str) -> bool:
        return (self._app is not None and self._app.has_hook(address)) or any(
            _url(hook) == address
            and hook.get("active") is True
            and {"push", "*"} & set(hook.get("events", ()))
            for hook in self._hooks()
        )

    def _hooks(self) -> Iterator[dict[str, Any]]:
        return self._rest.pages(f"{self._told_of}/hooks", per_page=_PAGE)

    def redeliver(self, address: str, now: float) -> int:
        """Have GitHub send again what nobody took at this address; it keeps deliveries for three days."""
        if self._app is not None and self._app.has_hook(address):
            return self._again("/app/hook/deliveries", now, self._app.proof())
        hooks = [hook for hook in self._hooks() if _url(hook) == address]
        return sum(self._again(f"{self._told_of}/hooks/{hook['id']}/deliveries", now) for hook in hooks)

    def _again(self, path: str, now: float, login: str | None = None) -> int:
        made = self._rest.following(path, _MOST_PAGES, login, per_page=_PAGE)
        attempts = (_attempt(one) for one in made if one.get("event") in EVENTS)
        numbers = redelivery.due(attempts, now, _MOST_AGAIN)
        for number in numbers:
            self._rest.send("POST", f"{path}/{number}/attempts", login=login)
        return len(numbers)


def _url(hook: dict[str, Any]) -> Any:
    return (hook.get("config") or {}).get("url")


def _attempt(told: dict[str, Any]) -> redelivery.Attempt:
    """An attempt as the list of deliveries has it; one that reached nobody has the status code 0."""
    try:
        at = datetime.fromisoformat(told["delivered_at"]).timestamp()
        taken = 200 <= int(told["status_code"]) < 300
        return redelivery.Attempt(int(told["id"]), str(told["guid"]), taken, at)
    except (KeyError, TypeError, ValueError):
        raise Retry("GitHub told of a delivery in a form that nobody expects", after=60) from None
