"""An organisation at GitHub.

Source: docs.github.com/en/rest, the pages "List organization repositories" and "Get a tree".
"""

from collections.abc import Iterator
from typing import Any, Self

from service.adapters.hosts.address import parse
from service.adapters.hosts.github import rest_of
from service.adapters.hosts.github_hooks import GitHubHooks
from service.adapters.hosts.organisation import HostedOrganisation, is_declaration
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings

_PAGE = "100"
_EMPTY = "answered 409"  # of a repository without a commit


@understood
class GitHubOrganisation(GitHubHooks, HostedOrganisation):
    """All repositories of one organisation."""

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The organisation behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url, least=1)
        _, rest, app = rest_of(settings, source, address, f"/orgs/{address.path}")
        organisation = cls(address, rest)
        organisation._app = app
        return organisation

    @property
    def _told_of(self) -> str:
        return f"/orgs/{self._address.path}"

    def _listed(self) -> Iterator[dict[str, Any]]:
        return self._rest.pages(f"{self._told_of}/repos", per_page=_PAGE, sort="pushed", direction="desc")

    def _one(self, path: str) -> dict[str, Any]:
        return self._rest.get(f"/repos/{path}")

    def _told(self, told: dict[str, Any]) -> tuple[str, str | None]:
        return str(told["full_name"]), told["pushed_at"]

    def _holds(self, path: str) -> bool:
        try:
            found = self._rest.get(f"/repos/{path}/git/trees/HEAD", recursive="1")
        except Refused as reason:
            if _EMPTY in str(reason):
                return False
            raise
        return found.get("truncated") is True or any(
            is_declaration(one.get("path")) for one in found.get("tree", ())
        )
