"""GitHub and GitHub Enterprise Server: the REST API of 2022-11-28.

Source: docs.github.com/en/rest, the pages on commit statuses, comments, webhooks, collaborators. What a
login may not see is 404, what it may not do 403 or 404.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Self

from service.adapters.hosts import login as logins
from service.adapters.hosts import redelivery
from service.adapters.hosts.address import parse
from service.adapters.hosts.comments import line
from service.adapters.hosts.github_app import Installation
from service.adapters.hosts.host import Host, Said, connection, place, team
from service.adapters.hosts.rest import Missing, Rest
from service.ports.connections import Source
from service.ports.git import CommitStatus, Permission
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

EVENTS = ["push", "create", "delete", "issue_comment", "commit_comment"]
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_PUBLIC = {"https://github.com": "https://api.github.com", "https://www.github.com": "https://api.github.com"}
_PERMISSIONS = {"admin": Permission.ADMIN, "write": Permission.WRITE, "read": Permission.READ}
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?")
_PAGE = "100"
_MOST_TITLE = 140
_MOST_CONTEXT = 255
_MOST_PAGES = 5  # of deliveries, the newest first
_MOST_AGAIN = 50  # asked for in one look


class GitHubHost(Host):
    """One repository at GitHub."""

    HOOK = "pushes, branch or tag creation and deletion, issue comments, commit comments"
    ON_COMMITS = True

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The repository behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url)
        root = _PUBLIC.get(address.base, f"{address.base}/api/v3")
        login = logins.read(lambda: settings.secret(f"login-{source.name}"), source.name, "x-access-token")
        if isinstance(login, logins.App):
            asked = Rest(root, source.name, lambda: "", **_HEADERS)
            login = Installation(login, asked, address.path).login()
        rest = Rest(root, source.name, login.rest, **_HEADERS)
        return cls(connection(settings, source, address, login, rest))

    @property
    def _repository(self) -> str:
        return f"/repos/{self._address.path}"

    def default_branch(self) -> str:
        name = self._facts(self._repository).get("default_branch")
        if not name:
            raise Refused(f"{self._address.page} has no default branch; its HEAD names none")
        return f"refs/heads/{name}"

    def may(self, login: str) -> Permission:
        if not _LOGIN.fullmatch(login):
            return Permission.NONE
        try:
            found = self._rest.get(f"{self._repository}/collaborators/{login}/permission")
        except Missing:
            return Permission.NONE
        return _PERMISSIONS.get(str(found.get("permission")), Permission.NONE)

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

    def register_webhook(self, address: str, secret: str) -> None:
        config = {"url": address, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
        wanted = {"config": config, "events": EVENTS, "active": True}
        ours = [hook["id"] for hook in self._hooks() if _url(hook) == address]
        if ours:
            self._rest.send("PATCH", f"{self._repository}/hooks/{ours[0]}", wanted)
        else:
            self._rest.send("POST", f"{self._repository}/hooks", {"name": "web", **wanted})
        for surplus in ours[1:]:
            self._rest.send("DELETE", f"{self._repository}/hooks/{surplus}")

    def has_webhook(self, address: str) -> bool:
        return any(
            _url(hook) == address
            and hook.get("active") is True
            and {"push", "*"} & set(hook.get("events", ()))
            for hook in self._hooks()
        )

    def _hooks(self) -> Iterator[dict[str, Any]]:
        return self._rest.pages(f"{self._repository}/hooks", per_page=_PAGE)

    def redeliver(self, address: str, now: float) -> int:
        """Have GitHub send again what nobody took at this address; it keeps deliveries for three days."""
        asked = 0
        for hook in [hook for hook in self._hooks() if _url(hook) == address]:
            path = f"{self._repository}/hooks/{hook['id']}/deliveries"
            made = self._rest.following(path, _MOST_PAGES, per_page=_PAGE)
            attempts = (_attempt(one) for one in made if one.get("event") in EVENTS)
            for number in redelivery.due(attempts, now, _MOST_AGAIN):
                self._rest.send("POST", f"{path}/{number}/attempts")
                asked += 1
        return asked

    def _author(self, commit: str) -> str | None:
        user = self._facts(f"{self._repository}/commits/{commit}").get("author")
        return str(user["login"]) if user else None

    def _status(self, status: CommitStatus) -> None:
        told = {
            "state": status.state.value,
            "context": line(status.key, _MOST_CONTEXT),
            "description": line(status.title, _MOST_TITLE),
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
            yield Said(f"{changed}/{one['id']}", str(one.get("body") or ""))

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
