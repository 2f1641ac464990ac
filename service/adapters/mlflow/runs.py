"""Numbers that an evaluation logs to a run of MLflow: `mlflow.log_metric("accuracy", 0.93)`.

MLflow's client takes server, experiment and tags from the job's environment, so that its code names none
of them; the tag finds the run again. Of several runs the newest counts that is nobody's child.
Contract: `experiments/get-by-name` and `runs/search` of https://mlflow.org/docs/latest/rest-api.html;
MLFLOW_RUN_CONTEXT is a JSON object of tags for every run that is begun (`mlflow.tracking.context`).
"""

import json
import math
from typing import Any, Self

from service.adapters.mlflow.rest import Missing, Rest
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings

TAG = "segue.evaluation"
_CHILD = "mlflow.parentRunId"
MOST_RUNS = 100  # of one job


@understood
class MlflowRuns:
    """One MLflow server."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The server behind a source."""
        return cls(Rest(source.url, source.name, settings.secret(f"login-{source.keyring}")))

    def environment(self, experiment: str, job: str) -> tuple[tuple[str, str], ...]:
        """The server without its login: that is the job's own, in a secret of its own."""
        return (
            ("MLFLOW_TRACKING_URI", self._rest.url),
            ("MLFLOW_EXPERIMENT_NAME", experiment),
            ("MLFLOW_RUN_CONTEXT", json.dumps({TAG: job})),
        )

    def metrics(self, experiment: str, job: str) -> tuple[tuple[str, float], ...]:
        """The finite ones among the last values that its run has of each metric."""
        runs = [run for run in self._runs(experiment, job) if _CHILD not in _tags(run)]
        if not runs:
            raise Refused(
                f"the job ended well, but no run of it is in the experiment {experiment!r} of"
                f" {self._rest.url}; begin one with mlflow.start_run(), and leave MLFLOW_RUN_CONTEXT as it is"
            )
        status = str(runs[0]["info"].get("status"))
        if status != "FINISHED":
            raise Refused(f"the job ended well, but its run {runs[0]['info']['run_id']} is {status}")
        logged = ((str(one["key"]), float(one["value"])) for one in runs[0]["data"].get("metrics", []))
        return tuple(sorted((name, value) for name, value in logged if math.isfinite(value)))

    def _runs(self, experiment: str, job: str) -> list[dict[str, Any]]:
        try:
            known = self._rest.get("/experiments/get-by-name", "experiment", experiment_name=experiment)
        except Missing:
            return []
        asked = {
            "experiment_ids": [str(known["experiment_id"])],
            "filter": f"tags.`{TAG}` = '{job}'",
            "max_results": MOST_RUNS,
            "order_by": ["attributes.start_time DESC"],
        }
        return list(self._rest.send("POST", "/runs/search", asked).get("runs", []))


def _tags(run: dict[str, Any]) -> set[str]:
    return {str(one["key"]) for one in run["data"].get("tags", [])}
