"""Bitbucket Data Center (and Server) from 7.14 on: its REST API 1.0, which has little in common with Cloud's.

People are known by their names. Lists say where their next page starts. A comment is changed only by who
names its present version. All comments of a commit cannot be listed, so a commit without a pull request has
its status alone. Who may not do something is answered 401. Source: developer.atlassian.com/server/bitbucket
/rest, of `/users` the older pages that explain its permission filters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from service.adapters.hosts import login as logins
from service.adapters.hosts.address import Address, parse
from service.adapters.hosts.comments import line
from service.adapters.hosts.host import Host, Said, connection, place
from service.adapters.hosts.login import Login
from service.adapters.hosts.rest import Forbidden, Outdated, Rest
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.git import CommitState, CommitStatus, Permission
from service.ports.outcomes import Retry
from service.settings import Settings

EVENTS = ["repo:refs_changed", "pr:comment:added"]
_CLONED = re.compile(r"(?:(?P<folder>.+)/)?scm/(?P<project>[^/]+)/(?P<name>[^/]+)")
_STATES = {
    CommitState.PENDING: "INPROGRESS",
    CommitState.SUCCESS: "SUCCESSFUL",
    CommitState.FAILURE: "FAILED",
}
_PERMISSIONS = {
    "REPO_ADMIN": Permission.ADMIN,
    "REPO_WRITE": Permission.WRITE,
    "REPO_READ": Permission.READ,
}
_PAGE = "100"
_MOST_LINE = 255


@dataclass(frozen=True, slots=True)
class ServerAddress(Address):
    """`base` is the server, with the folder that it may live in; `path` is project and repository."""

    @property
    def git(self) -> str:
        return f"{self.base}/scm/{self.path}.git"

    @property
    def page(self) -> str:
        """A person's own project, such as ~ann, is shown here as well."""
        project, _, name = self.path.partition("/")
        return f"{self.base}/projects/{project}/repos/{name}"


def server_address(url: str) -> ServerAddress | None:
    """Where the repository lies, of the address that git clones; None where it has not the form of one.
    Raises `Refused` for what is no address."""
    found = parse(url, groups=True)
    cloned = _CLONED.fullmatch(found.path)
    if cloned is None:
        return None
    base = f"{found.base}/{cloned['folder']}" if cloned["folder"] else found.base
    return ServerAddress(base, f"{cloned['project']}/{cloned['name']}")


@understood
class BitbucketServerHost(Host):
    """One repository at a Bitbucket Data Center."""

    HOOK = "repository push, pull request comment added"
    ON_COMMITS = False
    MOST_COMMENT = 32_000  # it takes 32,768

    @classmethod
    def at(cls, settings: Settings, source: Source, address: ServerAddress) -> Self:
        """The repository there; its login is the secret `login-<source>`, which git sends as the API does."""
        rest = logins.token(settings, source, "x-token-auth", "Bitbucket").rest
        api = Rest(f"{address.base}/rest/api/1.0", source.keyring, rest)
        return cls(connection(settings, source, address, Login(rest, rest), api))

    @property
    def _repository(self) -> str:
        project, _, name = self._address.path.partition("/")
        return f"/projects/{project}/repos/{name}"

    def default_branch(self) -> str:
        """Also of an empty repository. A login that may not see a repository is answered as one that may not
        do something."""
        try:
            found = self._facts(f"{self._repository}/default-branch")
        except Forbidden as error:
            raise self._gone() from error
        return self._branch(found.get("displayId"))

    def may(self, login: str) -> Permission:
        """What an active person may do by whichever way: grants of the project, of groups and of the whole
        server count. Filters are numbered from 1, or they are ignored; `filter` finds parts of names."""
        project, _, name = self._address.path.partition("/")
        for word, permission in _PERMISSIONS.items():
            filters = {
                "permission.1": word,
                "permission.1.projectKey": project,
                "permission.1.repositorySlug": name,
                "permission.2": "LICENSED_USER",
            }
            if login and any(
                user.get("name") == login and user.get("active") is True and user.get("type") == "NORMAL"
                for user in self._rest.starting("/users", filter=login, limit=_PAGE, **filters)
            ):
                return permission
        return Permission.NONE

    def belongs(self, login: str, group: str) -> bool:
        """Groups are the server's, not a team's of one project, so they are not asked for."""
        del login, group
        return False

    def register_webhook(self, address: str, secret: str) -> None:
        wanted = {
            "name": "Segue",
            "url": address,
            "active": True,
            "events": EVENTS,
            "configuration": {"secret": secret},
        }
        ours = [hook["id"] for hook in self._hooks() if hook.get("url") == address]
        if ours:
            self._rest.send("PUT", f"{self._repository}/webhooks/{ours[0]}", wanted)
        else:
            self._rest.send("POST", f"{self._repository}/webhooks", wanted)
        for surplus in ours[1:]:
            self._rest.send("DELETE", f"{self._repository}/webhooks/{surplus}")

    def has_webhook(self, address: str) -> bool:
        return any(
            hook.get("url") == address
            and hook.get("active") is True
            and "repo:refs_changed" in hook.get("events", ())
            for hook in self._hooks()
        )

    def _hooks(self) -> Iterator[dict[str, Any]]:
        return self._rest.starting(f"{self._repository}/webhooks", limit=_PAGE)

    def _author(self, commit: str) -> str | None:
        """An author whose address it knows is told as a person; all others by the commit's words alone."""
        author = self._facts(f"{self._repository}/commits/{commit}").get("author") or {}
        return str(author["name"]) if author.get("slug") else None

    def _status(self, status: CommitStatus) -> None:
        key = line(status.key, _MOST_LINE)
        told = {
            "key": key,
            "name": key,
            "state": _STATES[status.state],
            "description": line(status.title, _MOST_LINE),
            "url": status.url or f"{self._address.page}/commits/{status.commit}",
        }
        self._rest.send("POST", f"{self._repository}/commits/{status.commit}/builds", told)

    def _pull(self, commit: str) -> str | None:
        path = f"{self._repository}/commits/{commit}/pull-requests"
        for pull in self._rest.starting(path, limit=_PAGE):
            if pull.get("state") in {"MERGED", "OPEN"}:
                return f"pull/{pull['id']}"
        return None

    def _said(self, where: str) -> list[Said]:
        """Comments are listed among all that happened to a pull request, newest first."""
        found = []
        for one in self._rest.starting(f"{self._talk(where)}/activities", limit=_PAGE):
            if one.get("action") == "COMMENTED" and one.get("commentAction") == "ADDED":
                said = one["comment"]
                path = f"{self._talk(where)}/comments/{said['id']}"
                found.append(Said(path, str(said.get("text") or ""), int(said["version"])))
        return found[::-1]

    def _say(self, where: str, text: str) -> None:
        self._rest.send("POST", f"{self._talk(where)}/comments", {"text": text})

    def _change(self, found: Said, text: str) -> None:
        try:
            self._rest.send("PUT", found.path, {"text": text, "version": found.version})
        except Outdated as reason:
            raise Retry(str(reason), after=1) from reason

    def _talk(self, where: str) -> str:
        _, number = place(where, ("pull",))
        return f"{self._repository}/pull-requests/{number}"
