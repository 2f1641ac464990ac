"""GitHub's checks of a commit, which only Apps may write: a state, and a table that people open beside it.

Source: docs.github.com/en/rest/checks/runs. A check has the status's name, so a rule of a branch that
requires it holds for both. What is completed is not opened again: the next one of its name takes its place.
"""

from abc import abstractmethod
from typing import Any

from service.adapters.hosts.comments import fenced, line
from service.adapters.hosts.host import Host
from service.adapters.hosts.rest import Forbidden
from service.adapters.markdown import escaped
from service.ports.git import CommitState, CommitStatus

_STATES: dict[CommitState, dict[str, str]] = {
    CommitState.PENDING: {"status": "in_progress"},
    CommitState.SUCCESS: {"status": "completed", "conclusion": "success"},
    CommitState.FAILURE: {"status": "completed", "conclusion": "failure"},
}
_MOST_NAME = 255
_MOST_CELL = 300
_MOST_SUMMARY = 60_000  # GitHub takes 65,535


class GitHubChecks(Host):
    """The checks of the repository at the path `_repository`."""

    @property
    @abstractmethod
    def _repository(self) -> str: ...

    def _checked(self, status: CommitStatus) -> bool:
        """Say it as a check; False where the App may not write any."""
        told = _told(status)
        with self._mirror.alone("checking"):
            try:
                found = self._known(status.commit, told["name"])
                goes_on = found is not None and not (found["status"] == "completed" != told["status"])
                if found is not None and goes_on:
                    self._rest.send("PATCH", f"{self._repository}/check-runs/{int(found['id'])}", told)
                else:
                    new = {**told, "head_sha": status.commit}
                    self._rest.send("POST", f"{self._repository}/check-runs", new)
            except Forbidden:
                return False
        return True

    def _known(self, commit: str, name: str) -> dict[str, Any] | None:
        """The newest check of ours by that name: another App may use it, too."""
        path = f"{self._repository}/commits/{commit}/check-runs"
        found = self._rest.get(path, check_name=name, filter="latest", per_page="100")["check_runs"]
        ours = [one for one in found if one.get("external_id") == f"segue:{name}"]
        return dict(max(ours, key=lambda one: int(one["id"]))) if ours else None


def _told(status: CommitStatus) -> dict[str, Any]:
    name = line(status.key, _MOST_NAME)
    output = {"title": line(status.title, _MOST_NAME), "summary": table(status), "text": fenced(status.text)}
    more = {"details_url": status.url} if status.url else {}
    return {"name": name, "external_id": f"segue:{name}", **_STATES[status.state], **more, "output": output}


def table(status: CommitStatus) -> str:
    """The title and the rows in Markdown. What rows say stands as code: it links nothing, mentions nobody."""
    told = f"**{escaped(status.title, _MOST_CELL)}**\n\n| part | name | what |\n| --- | --- | --- |"
    for row in status.rows:
        added = f"{told}\n| {' | '.join(map(_cell, row))} |"
        if len(added) > _MOST_SUMMARY:
            return told
        told = added
    return told


def _cell(text: str) -> str:
    return f"<code>{escaped(text, _MOST_CELL)}</code>" if text else ""
