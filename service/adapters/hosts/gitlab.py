"""GitLab: its API v4.

Source: docs.gitlab.com/api, the pages on commits, notes, discussions, project webhooks and members. A
project's path is one part of an address, with its slashes encoded. A comment on a commit can be changed
only as a note of its discussion; a status cannot be set to the state that it has.
"""

import re
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import quote

from handlers.hints import CommentHint
from service.adapters.hosts import login as logins
from service.adapters.hosts import remarks
from service.adapters.hosts.address import Address, parse
from service.adapters.hosts.comments import line
from service.adapters.hosts.gitlab_deployments import GitLabDeployments
from service.adapters.hosts.gitlab_hooks import GitLabHooks
from service.adapters.hosts.host import Said, connection, place
from service.adapters.hosts.login import Login
from service.adapters.hosts.rest import Missing, Rest
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.git import CommitState, CommitStatus, Permission
from service.ports.outcomes import Refused
from service.settings import Settings

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


@understood
class GitLabHost(GitLabHooks, GitLabDeployments):
    """One project at a GitLab."""

    ON_COMMITS = True
    fine_times = True

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The project behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url, groups=True)
        login, rest = rest_of(settings, source, address)
        return cls(connection(settings, source, address, login, rest))

    @property
    def _project(self) -> str:
        return f"/projects/{quote(self._address.path, safe='')}"

    @property
    def _told_of(self) -> str:
        return self._project

    def default_branch(self) -> str:
        return self._branch(self._facts(self._project).get("default_branch"))

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

    def _author(self, commit: str) -> str | None:
        """GitLab tells nobody's login by their address."""
        del commit
        return None

    def _status(self, status: CommitStatus) -> None:
        told = {
            "state": _STATES[status.state],
            "name": line(status.key, _MOST_TITLE),
            "description": line(status.title, _MOST_TITLE),
            **({"target_url": status.url} if status.url else {}),
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
                yield Said(f"{path}/{one['id']}", str(one.get("body") or ""), told=one)
            return
        for thread in self._rest.pages(path, per_page=_PAGE):
            for one in thread.get("notes", ()):
                yield Said(f"{path}/{thread['id']}/notes/{one['id']}", str(one.get("body") or ""), told=one)

    def _remark(self, where: str, told: dict[str, Any]) -> CommentHint | None:
        return remarks.hint(told, where, remarks.of_gitlab, "created_at", "updated_at")

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


def rest_of(settings: Settings, source: Source, address: Address) -> tuple[Login, Rest]:
    """The source's login and the API. Raises `Refused`."""
    login = logins.token(settings, source, "oauth2", "GitLab")
    return login, Rest(f"{address.base}/api/v4", source.keyring, login.rest)
