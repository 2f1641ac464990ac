"""Bitbucket Cloud's webhooks, of one repository or of a workspace, which are asked for in the same words.

Source: developer.atlassian.com/cloud/bitbucket/rest, the pages "Webhooks" and "Workspaces".
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote

from service.adapters.hosts.rest import Rest

EVENTS = ["repo:push", "pullrequest:comment_created", "repo:commit_comment_created"]
_PAGE = "100"


class BitbucketHooks(ABC):
    """The hooks of whatever lies at the path `_told_of`."""

    HOOK: ClassVar[str] = "repository push, commit comment created, pull request comment created"
    _rest: Rest

    @property
    @abstractmethod
    def _told_of(self) -> str:
        """The path of the repository, or of what holds many, in the host's API."""

    def register_webhook(self, address: str, secret: str) -> None:
        wanted = {"description": "Segue", "url": address, "active": True, "secret": secret, "events": EVENTS}
        ours = [str(hook["uuid"]) for hook in self._hooks() if hook.get("url") == address]
        if ours:
            self._rest.send("PUT", f"{self._told_of}/hooks/{quote(ours[0])}", wanted)
        else:
            self._rest.send("POST", f"{self._told_of}/hooks", wanted)
        for surplus in ours[1:]:
            self._rest.send("DELETE", f"{self._told_of}/hooks/{quote(surplus)}")

    def has_webhook(self, address: str) -> bool:
        return any(
            hook.get("url") == address
            and hook.get("active") is True
            and "repo:push" in hook.get("events", ())
            for hook in self._hooks()
        )

    def _hooks(self) -> Iterator[dict[str, Any]]:
        return self._rest.values(f"{self._told_of}/hooks", pagelen=_PAGE)
