"""A group at GitLab, with the groups below it. Source: docs.gitlab.com/api, "List projects" of a group,
"List repository tree"."""

from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import quote

from service.adapters.hosts.address import parse
from service.adapters.hosts.gitlab import rest_of
from service.adapters.hosts.gitlab_hooks import GitLabHooks
from service.adapters.hosts.organisation import HostedOrganisation, is_declaration
from service.adapters.understood import understood
from service.ports.connections import Source
from service.settings import Settings

_PAGE = "100"


@understood
class GitLabGroup(GitLabHooks, HostedOrganisation):
    """All projects of one group. What was pushed last is known to the hour only: GitLab writes it down no
    oftener."""

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The group behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url, groups=True, least=1)
        return cls(address, rest_of(settings, source, address)[1])

    @property
    def _told_of(self) -> str:
        return f"/groups/{quote(self._address.path, safe='')}"

    def _listed(self) -> Iterator[dict[str, Any]]:
        order = {"order_by": "last_activity_at", "sort": "desc", "archived": "false"}
        return self._rest.pages(
            f"{self._told_of}/projects", per_page=_PAGE, include_subgroups="true", **order
        )

    def _one(self, path: str) -> dict[str, Any]:
        return self._rest.get(f"/projects/{quote(path, safe='')}")

    def _told(self, told: dict[str, Any]) -> tuple[str, str | None]:
        return str(told["path_with_namespace"]), told["last_activity_at"]

    def _holds(self, path: str) -> bool:
        files = f"/projects/{quote(path, safe='')}/repository/tree"
        listed = self._rest.pages(files, per_page=_PAGE, recursive="true")
        return any(is_declaration(one.get("path")) for one in listed)
