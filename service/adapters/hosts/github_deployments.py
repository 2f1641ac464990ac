"""GitHub's list of deployments. Ours have the task `segue`, and the release's key as payload.

Source: docs.github.com/en/rest/deployments, the pages on deployments and on their statuses. A state that is
set is added to those before, so it is looked at first. What succeeded before becomes inactive by us: GitHub
does so by itself only outside of production, and then to others' deployments, too.
"""

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from service.adapters.hosts.comments import line
from service.adapters.hosts.host import Host
from service.adapters.hosts.rest import Forbidden, Missing
from service.ports.git import Deployment, DeploymentState
from service.ports.outcomes import Refused, Retry

_TASK = "segue"
_PAGE = "100"
_ASKED = 100  # earlier deployments of one environment whose state is asked for, the newest first
_MOST_TEXT = 140
_BEGINS = frozenset({DeploymentState.QUEUED, DeploymentState.IN_PROGRESS, DeploymentState.SUCCESS})
_WANTED = (
    "give it Deployments: write (a classic token: repo_deployment); statuses and comments are told without"
)


class GitHubDeployments(Host):
    """The deployments of the repository at the path `_repository`."""

    @property
    @abstractmethod
    def _repository(self) -> str: ...

    def deploy(self, deployment: Deployment) -> None:
        with self._mirror.alone("telling deployments of"):
            try:
                self._tell(deployment)
            except Missing as error:
                raise self._gone() from error
            except Forbidden:  # told of where it is connected: `no_deployments`
                return

    def no_deployments(self) -> str:
        """Asked by one that is none: who may make one is told what is missing in it, and nobody else."""
        try:
            self._rest.send("POST", f"{self._repository}/deployments", {})
        except (Forbidden, Missing) as reason:
            return f"{reason}; {_WANTED}"
        except Refused:
            return ""
        raise Retry(f"{self._rest.root} made a deployment of nothing", after=30)

    def _tell(self, told: Deployment) -> None:
        commit = self._listed(told, sha=told.commit)
        ours = next((one for one in commit if _key(one) == told.key), None)
        if ours is None and told.state not in _BEGINS:
            return
        number = int((ours or self._made(told))["id"])
        if self._state(number) != told.state:
            self._set(number, _status(told))
        if told.state is DeploymentState.SUCCESS:
            self._retire(int(one["id"]) for one in self._listed(told) if int(one["id"]) != number)

    def _listed(self, told: Deployment, **more: str) -> Iterator[dict[str, Any]]:
        """Ours of its environment, the newest first; `sha`: of that commit alone."""
        path = f"{self._repository}/deployments"
        return self._rest.pages(path, environment=told.environment, task=_TASK, per_page=_PAGE, **more)

    def _made(self, told: Deployment) -> dict[str, Any]:
        """Of the commit as it is: nothing is merged, and what other checks say of it is no condition."""
        made = self._rest.send("POST", f"{self._repository}/deployments", {
            "ref": told.commit,
            "task": _TASK,
            "auto_merge": False,
            "required_contexts": [],
            "payload": {"segue": told.key},
            "environment": told.environment,
            "description": line(told.title, _MOST_TEXT),
            "production_environment": told.environment.rpartition("/")[2] == "production",
        })  # fmt: skip
        return dict(made)

    def _state(self, number: int) -> str:
        """The state that was set last; "" for none."""
        path = f"{self._repository}/deployments/{number}/statuses"
        newest = max(self._rest.pages(path, per_page=_PAGE), key=lambda one: int(one["id"]), default={})
        return str(newest.get("state", ""))

    def _retire(self, others: Iterable[int]) -> None:
        """The newest that succeeded before, which retired those before it. One that is inactive tells nothing
        of older ones: it may only have given way while it waited."""
        for number in islice(others, _ASKED):
            if self._state(number) == DeploymentState.SUCCESS:
                self._set(number, {"state": DeploymentState.INACTIVE.value})
                return

    def _set(self, number: int, status: dict[str, Any]) -> None:
        path = f"{self._repository}/deployments/{number}/statuses"
        self._rest.send("POST", path, {**status, "auto_inactive": False})


def _status(told: Deployment) -> dict[str, Any]:
    urls = {"log_url": told.log_url, "environment_url": told.environment_url}
    status = {"state": told.state.value, "description": line(told.title, _MOST_TEXT)}
    return status | {name: url for name, url in urls.items() if url}


def _key(deployment: dict[str, Any]) -> str:
    """The key of one of ours: a payload comes as it was given, or as its text."""
    payload = deployment.get("payload")
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError):
            return ""
    return str(payload.get("segue", "")) if isinstance(payload, dict) else ""
