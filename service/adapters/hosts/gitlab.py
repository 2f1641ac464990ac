"""GitLab: its API v4.

Source: docs.gitlab.com/api, the pages on commits, notes, discussions, project webhooks and members. A
project's path is one part of an address, with its slashes encoded. A comment on a commit can be changed
only as a note of its discussion; a status cannot be set to the state that it has.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Self
from urllib.parse import quote

from service.adapters.hosts import login as logins
from service.adapters.hosts import redelivery
from service.adapters.hosts.address import parse
from service.adapters.hosts.comments import line
from service.adapters.hosts.host import Host, Said, connection, place
from service.adapters.hosts.rest import Missing, Rest
from service.ports.connections import Source
from service.ports.git import CommitState, CommitStatus, Permission
from service.ports.outcomes import Refused
from service.settings import Settings

EVENTS = ("push_events", "tag_push_events", "note_events")
_STATES = {CommitState.PENDING: "pending", CommitState.SUCCESS: "success", CommitState.FAILURE: "failed"}
_UNCHANGED = "Cannot transition status"  # what it says to a state that it has already
_LEVELS = (
    (40, Permission.ADMIN),
    (30, Permission.WRITE),
    (10, Permission.READ),
)  # maintainer, developer, guest
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_PAGE = "100"
_MOST_TITLE = 255
_TRIGGERS = {"push_hooks", "tag_push_hooks", "note_hooks"}
_FEW = "20"
_MOST_EVENTS = 100  # deliveries that are looked at, the newest first
_MOST_AGAIN = 5  # sent again in one look


class GitLabHost(Host):
    """One project at a GitLab."""

    HOOK = "push events, tag push events, comments"
    ON_COMMITS = True

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The project behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url, groups=True)
        login = logins.read(lambda: settings.secret(f"login-{source.name}"), source.name, "oauth2")
        if isinstance(login, logins.App):
            raise Refused(f"login-{source.name} is a GitHub App's; GitLab takes a token")
        rest = Rest(f"{address.base}/api/v4", source.name, login.rest)
        return cls(connection(settings, source, address, login, rest))

    @property
    def _project(self) -> str:
        return f"/projects/{quote(self._address.path, safe='')}"

    def default_branch(self) -> str:
        name = self._facts(self._project).get("default_branch")
        if not name:
            raise Refused(f"{self._address.page} has no default branch; its HEAD names none")
        return f"refs/heads/{name}"

    def may(self, login: str) -> Permission:
        """What a member may do, of the project itself or by way of a group; others are nobody."""
        level = self._level(self._project, login)
        return next((permission for least, permission in _LEVELS if level >= least), Permission.NONE)

    def belongs(self, login: str, group: str) -> bool:
        """Whether the person is a member of the group, directly or by way of one above it."""
        return (
            _GROUP.fullmatch(group) is not None and self._level(f"/groups/{quote(group, safe='')}", login) > 0
        )

    def _level(self, path: str, login: str) -> int:
        """The access level of an active member there; 0 for nobody."""
        if not _LOGIN.fullmatch(login):
            return 0
        known = self._rest.all("/users", username=login)
        users = [user["id"] for user in known if str(user.get("username", "")).lower() == login.lower()
                 and user.get("state") == "active"]  # fmt: skip
        try:
            member = self._rest.get(f"{path}/members/all/{int(users[0])}") if users else {}
        except Missing:
            return 0
        return int(member.get("access_level", 0)) if member.get("state", "active") == "active" else 0

    def register_webhook(self, address: str, secret: str) -> None:
        told = {
            "url": address,
            "token": secret,
            "enable_ssl_verification": True,
            **dict.fromkeys(EVENTS, True),
        }
        ours = [hook["id"] for hook in self._hooks() if hook.get("url") == address]
        if ours:
            self._rest.send("PUT", f"{self._project}/hooks/{ours[0]}", told)
        else:
            self._rest.send("POST", f"{self._project}/hooks", told)
        for surplus in ours[1:]:
            self._rest.send("DELETE", f"{self._project}/hooks/{surplus}")

    def has_webhook(self, address: str) -> bool:
        """A hook that failed too often is there still, and turned off."""
        return any(
            hook.get("url") == address
            and hook.get("push_events") is True
            and hook.get("alert_status", "executable") == "executable"
            for hook in self._hooks()
        )

    def _hooks(self) -> Iterator[dict[str, Any]]:
        return self._rest.pages(f"{self._project}/hooks", per_page=_PAGE)

    def redeliver(self, address: str, now: float) -> int:
        """Have GitLab (17.4 or newer) send again what nobody took at this address. It keeps deliveries for
        seven days, does not say when each was made, and sends five a minute."""
        asked = 0
        for hook in [hook for hook in self._hooks() if hook.get("url") == address]:
            path = f"{self._project}/hooks/{hook['id']}/events"
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

    def _author(self, commit: str) -> str | None:
        """GitLab tells nobody's login by their address."""
        del commit
        return None

    def _status(self, status: CommitStatus) -> None:
        told = {
            "state": _STATES[status.state],
            "name": line(status.key, _MOST_TITLE),
            "description": line(status.title, _MOST_TITLE),
        }
        try:
            self._rest.send("POST", f"{self._project}/statuses/{status.commit}", told)
        except Missing:
            raise
        except Refused as reason:
            if _UNCHANGED not in str(reason):
                raise

    def _pull(self, commit: str) -> str | None:
        path = f"{self._project}/repository/commits/{commit}/merge_requests"
        for found in self._rest.pages(path, per_page=_PAGE):
            if found.get("state") in {"merged", "opened"}:
                return f"pull/{found['iid']}"
        return None

    def _said(self, where: str) -> Iterator[Said]:
        path = self._talk(where)
        if not where.startswith("commit/"):
            for one in self._rest.pages(path, per_page=_PAGE, sort="asc", order_by="created_at"):
                yield Said(f"{path}/{one['id']}", str(one.get("body") or ""))
            return
        for thread in self._rest.pages(path, per_page=_PAGE):
            for one in thread.get("notes", ()):
                yield Said(f"{path}/{thread['id']}/notes/{one['id']}", str(one.get("body") or ""))

    def _say(self, where: str, text: str) -> None:
        self._rest.send("POST", self._talk(where), {"body": text})

    def _change(self, found: Said, text: str) -> None:
        self._rest.send("PUT", found.path, {"body": text})

    def _talk(self, where: str) -> str:
        match place(where, ("pull", "issue", "commit")):
            case "commit", number:
                return f"{self._project}/repository/commits/{number}/discussions"
            case "issue", number:
                return f"{self._project}/issues/{number}/notes"
            case _, number:
                return f"{self._project}/merge_requests/{number}/notes"
