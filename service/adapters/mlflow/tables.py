"""True labels that a job logs with its run: `mlflow.log_table(rows, "labels.json")` in an experiment.

A job that only counts logs two metrics, `labels` and `wrong`, with the time of the answers as their
timestamp, in a run that is tagged with the version. A run counts once it has ended well, so that what it says
is whole.
Contract: `experiments/get-by-name`, `runs/search`, `runs/get` and `metrics/get-history` of
https://mlflow.org/docs/latest/rest-api.html; the file comes by the server's own `/get-artifact`, as its page
gets it.
"""

from typing import Any, Self

from handlers import labels
from handlers.labels import Logged
from service.adapters.mlflow.rest import Missing, Rest
from service.ports.connections import Source
from service.ports.label_tables import Left
from service.ports.outcomes import Refused
from service.settings import Settings

FILE = "labels.json"
LABELS, WRONG = "labels", "wrong"  # metrics
VERSION = "segue.version"  # the tag: the version, as the header X-Segue-Served-By of its answers says it
MOST_RUNS = 100  # in one look
LARGEST = 64 << 20  # bytes of one table


class MlflowTables:
    """One MLflow server; a table is an experiment's name."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The server behind a source."""
        return cls(Rest(source.url, source.name, settings.secret(f"login-{source.keyring}")))

    def left(self, table: str, since: float) -> list[Left]:
        runs = (run["info"] for run in self._runs(table, since))
        return [Left(str(run["run_id"]), float(run["end_time"]) / 1000) for run in runs]

    def read(self, key: str) -> bytes | None:
        entries = self._rest.get("/artifacts/list", run_id=key).get("files", [])
        found = next((one for one in entries if one.get("path") == FILE), None)
        if found is None:
            return self._counted(key)
        if int(found.get("file_size", 0)) > LARGEST:
            raise Refused(f"{FILE} of run {key} has {found['file_size']} bytes; at most {LARGEST} are read")
        return b"".join(self._rest.stream("/get-artifact", {"run_uuid": key, "path": FILE}))

    def _counted(self, run: str) -> bytes | None:
        """The table of what its metrics count; None where it logged none of them."""
        data = self._rest.get("/runs/get", "run", run_id=run).get("data", {})
        if not {str(one["key"]) for one in data.get("metrics", [])} & {LABELS, WRONG}:
            return None
        tags = {str(one["key"]): str(one["value"]) for one in data.get("tags", [])}
        if not tags.get(VERSION):
            raise Refused(f"run {run} counts labels, and no tag {VERSION} says whose answers they are about")
        return labels.counted(run, tags[VERSION], self._history(run, WRONG), self._history(run, LABELS))

    def _history(self, run: str, metric: str) -> list[Logged]:
        found = self._rest.get("/metrics/get-history", run_id=run, metric_key=metric).get("metrics", [])
        return [
            Logged(float(one["value"]), float(one["timestamp"]) / 1000, int(one.get("step", 0)))
            for one in found
        ]

    def _runs(self, experiment: str, moment: float) -> list[dict[str, Any]]:
        try:
            known = self._rest.get("/experiments/get-by-name", "experiment", experiment_name=experiment)
        except Missing:
            return []
        asked = {
            "experiment_ids": [str(known["experiment_id"])],
            "filter": f"attributes.status = 'FINISHED' AND attributes.end_time > {int(moment * 1000)}",
            "max_results": MOST_RUNS,
            "order_by": ["attributes.end_time ASC"],
        }
        return list(self._rest.send("POST", "/runs/search", asked).get("runs", []))
