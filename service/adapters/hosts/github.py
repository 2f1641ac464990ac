"""GitHub and GitHub Enterprise Server: the REST API of 2022-11-28.

Source: docs.github.com/en/rest, the pages on commit statuses, comments, webhooks, collaborators. What a
login may not see is 404, what it may not do 403 or 404.
"""

import re
from collections.abc import Iterator
from typing import Any, Self

from handlers.hints import CommentHint
from service.adapters.hosts import login as logins
from service.adapters.hosts import remarks
from service.adapters.hosts.address import Address, parse
from service.adapters.hosts.collaborators import permission
from service.adapters.hosts.comments import line
from service.adapters.hosts.github_app import Installation
from service.adapters.hosts.github_checks import GitHubChecks
from service.adapters.hosts.github_deployments import GitHubDeployments
from service.adapters.hosts.github_hooks import GitHubHooks
from service.adapters.hosts.host import Said, connection, place, team
from service.adapters.hosts.login import Login
from service.adapters.hosts.rest import Missing, Rest
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.git import CommitStatus, Permission
from service.settings import Settings

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_PUBLIC = {"https://github.com": "https://api.github.com", "https://www.github.com": "https://api.github.com"}
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?")
_PAGE = "100"
_MOST_TITLE = 140
_MOST_CONTEXT = 255


@understood
class GitHubHost(GitHubHooks, GitHubChecks, GitHubDeployments):
    """One repository at GitHub."""

    ON_COMMITS = True

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The repository behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url)
        login, rest, app = rest_of(settings, source, address, f"/repos/{address.path}")
        host = cls(connection(settings, source, address, login, rest))
        host._app = app
        return host

    @property
    def _repository(self) -> str:
        return f"/repos/{self._address.path}"

    @property
    def _told_of(self) -> str:
        return self._repository

    def default_branch(self) -> str:
        return self._branch(self._facts(self._repository).get("default_branch"))

    def may(self, login: str) -> Permission:
        known = _LOGIN.fullmatch(login) is not None
        return permission(self._rest, self._repository, login) if known else Permission.NONE

    def belongs(self, login: str, group: str) -> bool:
        """Whether the person is in the team, or in one below it, by its slug. Takes *Members* read of the
        organisation."""
        named = team(group)
        if named is None or not _LOGIN.fullmatch(login):
            return False
        try:
            found = self._rest.get(f"/orgs/{named[0]}/teams/{named[1]}/memberships/{login}")
        except Missing:
            return False
        return found.get("state") == "active"

    def _author(self, commit: str) -> str | None:
        user = self._facts(f"{self._repository}/commits/{commit}").get("author")
        return str(user["login"]) if user else None

    def _status(self, status: CommitStatus) -> None:
        """A check where an App may write them, else a status of the same name."""
        if self._app is not None and self._checked(status):
            return
        told = {
            "state": status.state.value,
            "context": line(status.key, _MOST_CONTEXT),
            "description": line(status.title, _MOST_TITLE),
            **({"target_url": status.url} if status.url else {}),
        }
        self._rest.send("POST", f"{self._repository}/statuses/{status.commit}", told)

    def _pull(self, commit: str) -> str | None:
        for pull in self._rest.pages(f"{self._repository}/commits/{commit}/pulls", per_page=_PAGE):
            if pull.get("merged_at") or pull.get("state") == "open":
                return f"pull/{pull['number']}"
        return None

    def _said(self, where: str) -> Iterator[Said]:
        path, changed = self._talk(where)
        for one in self._rest.pages(path, per_page=_PAGE):
            yield Said(f"{changed}/{one['id']}", str(one.get("body") or ""), told=one)

    def _remark(self, where: str, told: dict[str, Any]) -> CommentHint | None:
        return remarks.hint(told, where, remarks.of_github, "created_at", "updated_at")

    def _say(self, where: str, text: str) -> None:
        self._rest.send("POST", self._talk(where)[0], {"body": text})

    def _change(self, found: Said, text: str) -> None:
        self._rest.send("PATCH", found.path, {"body": text})

    def _talk(self, where: str) -> tuple[str, str]:
        """Where comments are listed and made, and where one is changed."""
        kind, number = place(where, ("pull", "issue", "commit"))
        if kind == "commit":
            return f"{self._repository}/commits/{number}/comments", f"{self._repository}/comments"
        return f"{self._repository}/issues/{number}/comments", f"{self._repository}/issues/comments"


def rest_of(
    settings: Settings, source: Source, address: Address, installed: str
) -> tuple[Login, Rest, Installation | None]:
    """The source's login and the API, and the App whose login it is, asked for where it is `installed`."""
    root = _PUBLIC.get(address.base, f"{address.base}/api/v3")
    name = source.keyring
    login = logins.read(lambda: settings.secret(f"login-{name}"), name, "x-access-token")
    app = None
    if isinstance(login, logins.App):
        app = Installation(login, Rest(root, name, lambda: "", **_HEADERS), installed)
        login = app.login()
    return login, Rest(root, name, login.rest, **_HEADERS), app
