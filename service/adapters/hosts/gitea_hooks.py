"""Gitea's and Forgejo's webhooks, of one repository or of an organisation, in the same words.

Seen of Gitea 1.26: a hook's secret is never shown, and changing a hook leaves the secret as it is. Source:
its own /swagger.v1.json.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from service.adapters.hosts.rest import Rest

EVENTS = ("push", "create", "delete", "issue_comment", "pull_request_comment")
_PAGE = "50"


class GiteaHooks(ABC):
    """The hooks of whatever lies at the path `_told_of`."""

    HOOK: ClassVar[str] = (
        "pushes, branches and tags made and deleted, comments on issues and on pull requests"
    )
    _rest: Rest

    @property
    @abstractmethod
    def _told_of(self) -> str:
        """The path of the repository, or of what holds many, in the host's API."""

    def register_webhook(self, address: str, secret: str) -> None:
        """A hook's secret cannot be changed: the new hook is made first, and then those before it removed."""
        before = [hook["id"] for hook in self._hooks() if _url(hook) == address]
        config = {"url": address, "content_type": "json", "secret": secret}
        wanted = {"type": "gitea", "config": config, "events": EVENTS, "active": True}
        self._rest.send("POST", f"{self._told_of}/hooks", wanted)
        for number in before:
            self._rest.send("DELETE", f"{self._told_of}/hooks/{number}")

    def has_webhook(self, address: str) -> bool:
        return any(
            _url(hook) == address and hook.get("active") is True and "push" in hook.get("events", ())
            for hook in self._hooks()
        )

    def _hooks(self) -> Iterator[dict[str, Any]]:
        return self._rest.pages(f"{self._told_of}/hooks", limit=_PAGE)


def _url(hook: dict[str, Any]) -> Any:
    return (hook.get("config") or {}).get("url")
