"""GitLab's list of deployments, of which a project's newest success in an environment is what serves there.

Source: docs.gitlab.com/api/deployments and environments. A deployment carries nothing of ours, so ours is
the environment's newest that no job of GitLab made, while its commit is the same. None waits: it is listed
once it goes on. What succeeded before needs no word: the newest success alone is shown as deployed.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from service.adapters.hosts.host import Host
from service.adapters.hosts.rest import Forbidden, Missing
from service.ports.git import Deployment, DeploymentState

_STATES = {
    DeploymentState.IN_PROGRESS: "running",
    DeploymentState.SUCCESS: "success",
    DeploymentState.FAILURE: "failed",
    DeploymentState.INACTIVE: "canceled",
}
_BEGINS = frozenset({"running", "success"})
_PAGE = "20"
_DEVELOPER = 30


class GitLabDeployments(Host):
    """The deployments of the project at the path `_project`."""

    @property
    @abstractmethod
    def _project(self) -> str: ...

    def deploy(self, deployment: Deployment) -> None:
        state = _STATES.get(deployment.state)
        if state is None:
            return
        with self._mirror.alone("telling deployments of"):
            try:
                self._tell(deployment, state)
            except Missing as error:
                raise self._gone() from error
            except Forbidden:  # told of where it is connected: `no_deployments`
                return

    def no_deployments(self) -> str:
        levels = (self._facts(self._project).get("permissions") or {}).values()
        if any(one and int(one.get("access_level") or 0) >= _DEVELOPER for one in levels):
            return ""
        return "the login is no Developer of the project, which telling of deployments takes"

    def _tell(self, told: Deployment, state: str) -> None:
        newest: dict[str, Any] = next(self._others(told.environment), {})
        same, before = newest.get("sha") == told.commit, newest.get("status")
        if same and before == "running" and state != before:
            self._rest.send("PUT", f"{self._project}/deployments/{int(newest['id'])}", {"status": state})
        elif state in _BEGINS and not (same and before == state):
            newest = self._made(told, state)
        if state == "success":
            self._lead(newest, told.environment_url)

    def _others(self, environment: str) -> Iterator[dict[str, Any]]:
        """The environment's deployments that are no jobs of GitLab, newest first."""
        found = self._rest.pages(
            f"{self._project}/deployments",
            environment=environment,
            order_by="id",
            sort="desc",
            per_page=_PAGE,
        )
        return (one for one in found if not one.get("deployable"))

    def _made(self, told: Deployment, state: str) -> dict[str, Any]:
        made = self._rest.send("POST", f"{self._project}/deployments", {
            "environment": told.environment,
            "sha": told.commit,
            "ref": self.default_branch().removeprefix("refs/heads/"),
            "tag": False,
            "status": state,
        })  # fmt: skip
        return dict(made)

    def _lead(self, deployment: dict[str, Any], url: str) -> None:
        """Have the environment lead to where it serves, unless people wrote where it leads."""
        environment = deployment.get("environment") or {}
        if url and environment and not environment.get("external_url"):
            path = f"{self._project}/environments/{int(environment['id'])}"
            self._rest.send("PUT", path, {"external_url": url})
