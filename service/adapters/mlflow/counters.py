"""Counters that a monitoring job logs as metrics of MLflow runs, one sample each: the newest.

A selector must name the experiment: `lost_total{experiment="churn-monitoring"}`. Labels are `experiment`,
`run` (its name), and the run's own tags and parameters. A run is a process: another one begins anew.
Contract: https://mlflow.org/docs/latest/rest-api.html (`experiments/get-by-name`, `runs/search`).
"""

from collections.abc import Sequence
from typing import Any, Self

from policies.guards.readings import Series
from policies.spec.selector import Selector
from service.adapters.mlflow.rest import Missing, Rest
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings

MOST_RUNS = "200"  # the newest ones of an experiment


class MlflowCounters:
    """One MLflow server."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The server behind a source."""
        return cls(Rest(source.url, source.name, settings.secret(f"login-{source.keyring}")))

    def check(self) -> None:
        """Whether it answers."""
        self._rest.send("POST", "/experiments/search", {"max_results": 1})

    def read(self, selectors: Sequence[Selector], now: float) -> tuple[Series, ...]:
        """The newest sample of each run that changed lately."""
        del now
        found: dict[Any, Series] = {}
        for experiment in dict.fromkeys(map(_experiment, selectors)):
            for run in self._runs(experiment):
                for series in _counters(run, experiment):
                    if any(one.fits(series.name, dict(series.labels)) for one in selectors):
                        found[series.key] = series
        return tuple(found.values())

    def _runs(self, experiment: str) -> list[dict[str, Any]]:
        try:
            known = self._rest.get("/experiments/get-by-name", "experiment", experiment_name=experiment)
        except Missing as error:
            raise Refused(f"{self._rest.url} has no experiment {experiment!r}") from error
        asked = {
            "experiment_ids": [str(known["experiment_id"])],
            "filter": "attributes.status = 'RUNNING'",
            "max_results": int(MOST_RUNS),
            "order_by": ["attributes.start_time DESC"],
        }
        return list(self._rest.send("POST", "/runs/search", asked).get("runs", []))


def _experiment(one: Selector) -> str:
    named = [m.value for m in one.matchers if m.label == "experiment" and m.sign == "="]
    if len(named) != 1:
        raise Refused(f'{one} names no experiment; write {one.name}{{experiment="…"}}')
    return named[0]


def _counters(run: dict[str, Any], experiment: str) -> list[Series]:
    info, data = run.get("info", {}), run.get("data", {})
    said = {
        str(one["key"]): str(one["value"])
        for one in (*data.get("params", []), *data.get("tags", []))
        if not str(one["key"]).startswith("mlflow.")
    }
    own = {
        "experiment": experiment,
        "run": str(info.get("run_name", "")),
        "instance": str(info.get("run_id")),
    }
    labels = tuple(sorted((said | own).items()))
    return [
        Series(str(one["key"]), labels, ((float(one["timestamp"]) / 1000, float(one["value"])),))
        for one in data.get("metrics", [])
    ]
