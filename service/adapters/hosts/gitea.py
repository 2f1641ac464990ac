"""Gitea and Forgejo: their API v1.

Seen of Gitea 1.26: a status for a commit that it does not know is answered 500; there are no comments on
commits. Source: its own /swagger.v1.json.
"""

import re
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import quote

from handlers.hints import CommentHint
from service.adapters.hosts import login as logins
from service.adapters.hosts import remarks
from service.adapters.hosts.address import Address, parse
from service.adapters.hosts.collaborators import permission
from service.adapters.hosts.comments import line
from service.adapters.hosts.gitea_hooks import GiteaHooks
from service.adapters.hosts.host import Host, Said, connection, place, team
from service.adapters.hosts.login import Login
from service.adapters.hosts.rest import Missing, Rest
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.git import CommitStatus, Permission
from service.settings import Settings

_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PAGE = "50"
_MOST_TITLE = 255
_MOST_PULLS = 200  # open ones that are looked at for a commit, those changed last first


@understood
class GiteaHost(GiteaHooks, Host):
    """One repository at a Gitea or Forgejo."""

    ON_COMMITS = False

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The repository behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url, below=True)
        login, rest = rest_of(settings, source, address)
        return cls(connection(settings, source, address, login, rest))

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
        """Whether the person is in the team of the organisation. Takes the scope `read:organization`."""
        named = team(group)
        if named is None or not _LOGIN.fullmatch(login):
            return False
        try:
            found = self._rest.get(f"/orgs/{named[0]}/teams/search", q=named[1], limit=_PAGE).get("data")
            numbers = [one["id"] for one in found or () if str(one["name"]).lower() == named[1].lower()]
            return bool(numbers) and bool(self._rest.get(f"/teams/{numbers[0]}/members/{login}"))
        except Missing:
            return False

    def _author(self, commit: str) -> str | None:
        user = self._facts(f"{self._repository}/git/commits/{commit}").get("author")
        return str(user["login"]) if user else None

    def _status(self, status: CommitStatus) -> None:
        told = {
            "state": status.state.value,
            "context": line(status.key, _MOST_TITLE),
            "description": line(status.title, _MOST_TITLE),
            **({"target_url": status.url} if status.url else {}),
        }
        self._rest.send("POST", f"{self._repository}/statuses/{status.commit}", told)

    def _pull(self, commit: str) -> str | None:
        """The one that it was merged by, or of which it is the newest commit."""
        try:
            return f"pull/{self._rest.get(f'{self._repository}/commits/{commit}/pull')['number']}"
        except Missing:
            pass
        query = {"state": "open", "sort": "recentupdate", "limit": _PAGE}
        for seen, pull in enumerate(self._rest.pages(f"{self._repository}/pulls", **query)):
            if pull.get("head", {}).get("sha") == commit:
                return f"pull/{pull['number']}"
            if seen == _MOST_PULLS:
                break
        return None

    def _said(self, where: str) -> Iterator[Said]:
        # One list without pages, oldest first.
        for one in self._rest.all(self._talk(where)):
            yield Said(
                f"{self._repository}/issues/comments/{one['id']}", str(one.get("body") or ""), told=one
            )

    def _remark(self, where: str, told: dict[str, Any]) -> CommentHint | None:
        return remarks.hint(told, where, remarks.of_gitea, "created_at", "updated_at")

    def _say(self, where: str, text: str) -> None:
        self._rest.send("POST", self._talk(where), {"body": text})

    def _change(self, found: Said, text: str) -> None:
        self._rest.send("PATCH", found.path, {"body": text})

    def _talk(self, where: str) -> str:
        _, number = place(where, ("pull", "issue"))
        return f"{self._repository}/issues/{quote(number)}/comments"


def rest_of(settings: Settings, source: Source, address: Address) -> tuple[Login, Rest]:
    """The source's login and the API. Raises `Refused`."""
    login = logins.token(settings, source, "segue", "Gitea")
    return login, Rest(f"{address.base}/api/v1", source.keyring, login.rest)
