"""Bitbucket Cloud: its API 2.0.

People are accounts without unique names there, known by `account_id`. Lists are objects that hold their
values. A status needs an address to lead to and has a key of at most 40 letters. Data Center has another
API: bitbucket_server.py. Source: developer.atlassian.com/cloud/bitbucket/rest.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from handlers.hints import CommentHint
from service.adapters.hosts import login as logins
from service.adapters.hosts import remarks
from service.adapters.hosts.address import Address, parse
from service.adapters.hosts.bitbucket_hooks import BitbucketHooks
from service.adapters.hosts.bitbucket_server import BitbucketServerHost, server_address
from service.adapters.hosts.comments import line
from service.adapters.hosts.host import Host, Said, connection, place
from service.adapters.hosts.login import Login
from service.adapters.hosts.rest import Rest
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.git import CommitState, CommitStatus, Permission
from service.ports.outcomes import Refused
from service.settings import Settings

ROOTS = {"https://bitbucket.org": "https://api.bitbucket.org/2.0"}
_STATES = {
    CommitState.PENDING: "INPROGRESS",
    CommitState.SUCCESS: "SUCCESSFUL",
    CommitState.FAILURE: "FAILED",
}
_PERMISSIONS = {"admin": Permission.ADMIN, "write": Permission.WRITE, "read": Permission.READ}
_PAGE = "100"
_MOST_KEY = 40
_MOST_TITLE = 255


@understood
class BitbucketHost(BitbucketHooks, Host):
    """One repository at Bitbucket Cloud."""

    ON_COMMITS = True
    fine_times = True

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Host:
        """The repository behind a source, at Cloud or at a Data Center, which its address tells apart; its
        login is the secret `login-<source>`."""
        if (server := server_address(source.url)) is not None:
            return BitbucketServerHost.at(settings, source, server)
        address = parse(source.url)
        if address.base not in ROOTS:
            raise Refused(
                f"{source.url} is neither at Bitbucket Cloud nor what a Data Center lets git clone; write an"
                " address such as https://bitbucket.org/acme/models or"
                " https://bitbucket.example/scm/acme/models.git"
            )
        login, rest = rest_of(settings, source, address)
        return cls(connection(settings, source, address, login, rest))

    @property
    def _repository(self) -> str:
        return f"/repositories/{self._address.path}"

    @property
    def _told_of(self) -> str:
        return self._repository

    def default_branch(self) -> str:
        return self._branch((self._facts(self._repository).get("mainbranch") or {}).get("name"))

    def may(self, login: str) -> Permission:
        """What the account may do, by whichever way; only the workspace's administrators are told."""
        workspace, _, name = self._address.path.partition("/")
        for one in self._rest.values(
            f"/workspaces/{workspace}/permissions/repositories/{name}", pagelen=_PAGE
        ):
            user = one.get("user") or {}
            if login and login in {user.get("account_id"), user.get("uuid")}:
                return _PERMISSIONS.get(str(one.get("permission")), Permission.NONE)
        return Permission.NONE

    def belongs(self, login: str, group: str) -> bool:
        """Its groups have no API of this version."""
        del login, group
        return False

    def _author(self, commit: str) -> str | None:
        """An account's id would tell people nothing: the commit's own name stands."""
        del commit
        return None

    def _status(self, status: CommitStatus) -> None:
        key = line(status.key, _MOST_TITLE)
        short = key if len(key) <= _MOST_KEY else hashlib.sha256(key.encode()).hexdigest()[:_MOST_KEY]
        told = {
            "key": short,
            "name": key,
            "state": _STATES[status.state],
            "description": line(status.title, _MOST_TITLE),
            "url": status.url or f"{self._address.page}/commits/{status.commit}",
        }
        self._rest.send("POST", f"{self._repository}/commit/{status.commit}/statuses/build", told)

    def _pull(self, commit: str) -> str | None:
        """Raises `Missing` where the workspace does not keep pull requests of commits."""
        for pull in self._rest.values(f"{self._repository}/commit/{commit}/pullrequests", pagelen=_PAGE):
            if pull.get("state", "MERGED") in {"MERGED", "OPEN"}:
                return f"pull/{pull['id']}"
        return None

    def _said(self, where: str) -> Iterator[Said]:
        path = self._talk(where)
        for one in self._rest.values(path, pagelen=_PAGE, sort="created_on"):
            if not one.get("deleted"):
                yield Said(f"{path}/{one['id']}", str((one.get("content") or {}).get("raw") or ""), told=one)

    def _remark(self, where: str, told: dict[str, Any]) -> CommentHint | None:
        return remarks.hint(told, where, remarks.of_bitbucket, "created_on", "updated_on")

    def _say(self, where: str, text: str) -> None:
        self._rest.send("POST", self._talk(where), {"content": {"raw": text}})

    def _change(self, found: Said, text: str) -> None:
        self._rest.send("PUT", found.path, {"content": {"raw": text}})

    def _talk(self, where: str) -> str:
        match place(where, ("pull", "issue", "commit")):
            case "commit", number:
                return f"{self._repository}/commit/{number}/comments"
            case "issue", number:
                return f"{self._repository}/issues/{number}/comments"
            case _, number:
                return f"{self._repository}/pullrequests/{number}/comments"


def rest_of(settings: Settings, source: Source, address: Address) -> tuple[Login, Rest]:
    """The source's login and the API. Raises `Refused`."""
    login = logins.token(settings, source, "x-token-auth", "Bitbucket")
    return login, Rest(ROOTS[address.base], source.keyring, login.rest)
