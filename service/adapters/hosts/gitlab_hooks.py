"""GitLab's webhooks, of one project or of a group, which are asked for in the same words.

Source: docs.gitlab.com/api, the pages on project webhooks and group webhooks; those of groups are for the
paid editions.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

from service.adapters.hosts import redelivery
from service.adapters.hosts.rest import Rest

EVENTS = ("push_events", "tag_push_events", "note_events")
_TRIGGERS = {"push_hooks", "tag_push_hooks", "note_hooks"}
_PAGE = "100"
_FEW = "20"
_MOST_EVENTS = 100  # deliveries that are looked at, the newest first
_MOST_AGAIN = 5  # sent again in one look


class GitLabHooks(ABC):
    """The hooks of whatever lies at the path `_told_of`."""

    HOOK: ClassVar[str] = "push events, tag push events, comments"
    _rest: Rest

    @property
    @abstractmethod
    def _told_of(self) -> str:
        """The path of the repository, or of what holds many, in the host's API."""

    def register_webhook(self, address: str, secret: str) -> None:
        told = {
            "url": address,
            "token": secret,
            "enable_ssl_verification": True,
            **dict.fromkeys(EVENTS, True),
        }
        ours = [hook["id"] for hook in self._hooks() if hook.get("url") == address]
        if ours:
            self._rest.send("PUT", f"{self._told_of}/hooks/{ours[0]}", told)
        else:
            self._rest.send("POST", f"{self._told_of}/hooks", told)
        for surplus in ours[1:]:
            self._rest.send("DELETE", f"{self._told_of}/hooks/{surplus}")

    def has_webhook(self, address: str) -> bool:
        """A hook that failed too often is there still, and turned off."""
        return any(
            hook.get("url") == address
            and hook.get("push_events") is True
            and hook.get("alert_status", "executable") == "executable"
            for hook in self._hooks()
        )

    def _hooks(self) -> Iterator[dict[str, Any]]:
        return self._rest.pages(f"{self._told_of}/hooks", per_page=_PAGE)

    def redeliver(self, address: str, now: float) -> int:
        """Have GitLab (17.4 or newer) send again what nobody took at this address. It keeps deliveries for
        seven days, does not say when each was made, and sends five a minute."""
        asked = 0
        for hook in [hook for hook in self._hooks() if hook.get("url") == address]:
            path = f"{self._told_of}/hooks/{hook['id']}/events"
            for number in redelivery.due(self._attempts(path), now, _MOST_AGAIN):
                self._rest.send("POST", f"{path}/{number}/resend")
                asked += 1
        return asked

    def _attempts(self, path: str) -> Iterator[redelivery.Attempt]:
        """Newest first; each holds the whole body that was sent, so few of them at a time."""
        made = self._rest.pages(path, per_page=_FEW)
        for one in islice((one for one in made if one.get("trigger") in _TRIGGERS), _MOST_EVENTS):
            delivery = (one.get("request_headers") or {}).get("Idempotency-Key")
            if delivery and isinstance(one.get("id"), int):
                taken = str(one.get("response_status", "")).startswith("2")
                yield redelivery.Attempt(one["id"], str(delivery), taken, None)
