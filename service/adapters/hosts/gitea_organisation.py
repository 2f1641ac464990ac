"""An organisation at Gitea or Forgejo. Source: its own /swagger.v1.json; seen of Gitea 1.26."""

from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import quote

from service.adapters.hosts.address import parse
from service.adapters.hosts.gitea import rest_of
from service.adapters.hosts.gitea_hooks import GiteaHooks
from service.adapters.hosts.organisation import HostedOrganisation, is_declaration
from service.adapters.understood import understood
from service.ports.connections import Source
from service.settings import Settings

_PAGE = "50"


@understood
class GiteaOrganisation(GiteaHooks, HostedOrganisation):
    """All repositories of one organisation."""

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The organisation behind a source; its login is the secret `login-<source>`."""
        address = parse(source.url, below=True, least=1)
        return cls(address, rest_of(settings, source, address)[1])

    @property
    def _told_of(self) -> str:
        return f"/orgs/{self._address.path}"

    def _listed(self) -> Iterator[dict[str, Any]]:
        """Only the search sorts by time, and it knows organisations by their numbers."""
        number = str(self._rest.get(self._told_of)["id"])
        order = {"sort": "updated", "order": "desc", "archived": "false"}
        return self._rest.listed("data", "/repos/search", uid=number, exclusive="true", limit=_PAGE, **order)

    def _one(self, path: str) -> dict[str, Any]:
        return self._rest.get(f"/repos/{path}")

    def _told(self, told: dict[str, Any]) -> tuple[str, str | None]:
        return str(told["full_name"]), None if told.get("empty") else told["updated_at"]

    def _holds(self, path: str) -> bool:
        facts = self._one(path)
        if facts.get("empty"):
            return False
        branch = quote(str(facts.get("default_branch")), safe="")
        for page in range(1, _MOST_PAGES + 1):
            found = self._rest.get(f"/repos/{path}/git/trees/{branch}", recursive="1", page=str(page))
            if any(is_declaration(one.get("path")) for one in found.get("tree") or ()):
                return True
            if not found.get("truncated"):
                return False
        return True


_MOST_PAGES = 20  # of files; Gitea's have a thousand each
