"""A workspace at Bitbucket Cloud.

Source: developer.atlassian.com/cloud/bitbucket/rest, the pages "Repositories", "Refs" and "Source".
"""

from collections.abc import Iterator
from typing import Any, Self

from service.adapters.hosts.address import parse
from service.adapters.hosts.bitbucket import ROOTS, rest_of
from service.adapters.hosts.bitbucket_hooks import BitbucketHooks
from service.adapters.hosts.organisation import HostedOrganisation, is_declaration
from service.adapters.hosts.rest import Costly, TooLong
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings

_PAGE = "100"
_DEEPEST = "10"  # folders within folders that are listed


@understood
class BitbucketWorkspace(BitbucketHooks, HostedOrganisation):
    """All repositories of one workspace. It archives none, and tells of a change of settings as of a push."""

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The workspace behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url, least=1)
        if address.base not in ROOTS:
            raise Refused(
                f"{source.url} is no workspace at Bitbucket Cloud, such as https://bitbucket.org/acme;"
                " connect each repository of a Data Center by itself"
            )
        return cls(address, rest_of(settings, source, address)[1])

    @property
    def _told_of(self) -> str:
        return f"/workspaces/{self._address.path}"

    def _listed(self) -> Iterator[dict[str, Any]]:
        return self._rest.values(f"/repositories/{self._address.path}", pagelen=_PAGE, sort="-updated_on")

    def _one(self, path: str) -> dict[str, Any]:
        return self._rest.get(f"/repositories/{path}")

    def _told(self, told: dict[str, Any]) -> tuple[str, str | None]:
        return str(told["full_name"]), told["updated_on"] if told.get("mainbranch") else None

    def _holds(self, path: str) -> bool:
        """Files are listed at a commit: a branch's name with a slash is no part of such an address."""
        branch = str((self._one(path).get("mainbranch") or {}).get("name") or "")
        if not branch or set(branch) & {'"', "\\"}:
            return bool(branch)  # it cannot be asked for by such a name
        named = self._rest.values(f"/repositories/{path}/refs/branches", q=f'name="{branch}"')
        tip = next((str(one["target"]["hash"]) for one in named if one["name"] == branch), None)
        if tip is None:
            return False  # nothing was pushed yet
        listed = self._rest.values(f"/repositories/{path}/src/{tip}/", pagelen=_PAGE, max_depth=_DEEPEST)
        try:
            return any(one.get("type") == "commit_file" and is_declaration(one.get("path")) for one in listed)
        except (Costly, TooLong):
            return True
