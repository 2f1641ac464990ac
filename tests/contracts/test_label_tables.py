"""What every source of label tables must do: MLflow as a real server, and the one in memory."""

import json
import math
import time
import uuid

import pytest
import requests

from handlers.errors import Malformed
from handlers.labels import Logged, counted, rows_of_table
from service import plugins
from service.adapters.memory.tables import MemoryTables
from service.ports.connections import Source
from service.ports.label_tables import Left
from service.ports.outcomes import Refused
from service.settings import Settings

ROWS = {
    "columns": ["request", "at", "wrong"],
    "data": [["r-1", 1700000000, True], ["r-2", 1700000001, False]],
}


class InMemory:
    def __init__(self):
        self.tables = MemoryTables()

    def leave(self, table, content, status="FINISHED"):
        key = uuid.uuid4().hex
        if status == "FINISHED":
            self.tables.leave(table, Left(key, time.time()), content)
        return key

    def count(self, table, version, counts):
        logged = {
            name: [Logged(float(value), at, step) for value, at, step in rows]
            for name, rows in counts.items()
        }
        key = uuid.uuid4().hex
        self.tables.leave(
            table, Left(key, time.time()), counted(key, version, logged["wrong"], logged["labels"])
        )
        return key


class InMlflow:
    """Jobs that log to a real server, over its REST API."""

    def __init__(self, url, home):
        self.url = url
        self.tables = plugins.load("label_tables", "mlflow").open(
            Settings(home=home), Source("m", "mlflow", url)
        )

    def ask(self, path, body):
        answer = requests.post(f"{self.url}/api/2.0/mlflow/{path}", json=body, timeout=30)
        return answer.json() if answer.ok else {}

    def leave(self, table, content, status="FINISHED"):
        run = self.begun(table)
        if content is not None:
            folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            address = f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{folder}/labels.json"
            assert requests.put(address, data=content, timeout=30).ok
        return self.ended(run, status)

    def count(self, table, version, counts):
        """As `mlflow.log_metric(name, value, step=..., timestamp=...)` does in a run with that tag."""
        run = self.begun(table)
        if version is not None:
            self.ask("runs/set-tag", {"run_id": run["run_id"], "key": "segue.version", "value": version})
        for name, rows in counts.items():
            for value, at, step in rows:
                told = {"run_id": run["run_id"], "key": name, "value": value, "step": step}
                self.ask("runs/log-metric", told | {"timestamp": int(at * 1000)})
        return self.ended(run)

    def begun(self, table):
        made = self.ask("experiments/create", {"name": table}).get("experiment_id")
        if made is None:
            found = requests.get(
                f"{self.url}/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": table}, timeout=30
            )
            made = found.json()["experiment"]["experiment_id"]
        started = {"experiment_id": made, "start_time": int(time.time() * 1000)}
        return self.ask("runs/create", started)["run"]["info"]

    def ended(self, run, status="FINISHED"):
        ended = {"run_id": run["run_id"], "status": status, "end_time": int(time.time() * 1000)}
        self.ask("runs/update", ended)
        return run["run_id"]


@pytest.fixture(params=["memory", "mlflow"])
def jobs(request, tmp_path):
    if request.param == "memory":
        return InMemory()
    return InMlflow(request.getfixturevalue("mlflow_server").url, tmp_path)


@pytest.fixture
def table():
    return f"outcomes-{uuid.uuid4().hex[:8]}"


def test_a_table_that_nobody_left_is_empty(jobs, table):
    assert jobs.tables.left(table, 0.0) == []


def test_what_ended_jobs_left_is_found_in_order_and_read_whole(jobs, table):
    before = time.time() - 1
    keys = [jobs.leave(table, json.dumps(ROWS).encode()) for _ in range(2)]
    jobs.leave(table, json.dumps(ROWS).encode(), status="FAILED")
    found = jobs.tables.left(table, before)
    assert [one.key for one in found] == keys
    assert [label.request for _, label in rows_of_table(jobs.tables.read(keys[0]))] == ["r-1", "r-2"]
    assert jobs.tables.left(table, found[-1].ended + 1) == []


def test_a_job_that_left_no_table_has_none(jobs, table):
    key = jobs.leave(table, None)
    assert jobs.tables.read(key) is None


def test_what_a_job_only_counted_is_a_table_of_as_many_rows(jobs, table):
    counts = {
        "labels": [(3, 1700000000.0, 0), (2, 1700003600.0, 1)],
        "wrong": [(1, 1700000000.0, 0), (0, 1700003600.0, 1)],
    }
    key = jobs.count(table, "1f0c", counts)
    rows = [label for _, label in rows_of_table(jobs.tables.read(key))]
    assert [(one.at, one.version, one.wrong) for one in rows] == [
        (1700000000.0, "1f0c", True),
        (1700000000.0, "1f0c", False),
        (1700000000.0, "1f0c", False),
        (1700003600.0, "1f0c", False),
        (1700003600.0, "1f0c", False),
    ]
    assert len({one.request for one in rows}) == 5
    again = [label for _, label in rows_of_table(jobs.tables.read(jobs.count(table, "1f0c", counts)))]
    assert not {one.request for one in rows} & {one.request for one in again}, "each run counts its own"


def test_counts_of_nobody_are_refused(mlflow_server, tmp_path, table):
    jobs = InMlflow(mlflow_server.url, tmp_path)
    key = jobs.count(table, None, {"labels": [(3, 1700000000.0, 0)]})
    with pytest.raises(Refused, match=r"segue\.version"):
        jobs.tables.read(key)
    key = jobs.count(table, "1f0c", {"labels": [(3, 1700000000.0, 0)]})
    with pytest.raises(Malformed, match="has no `wrong` beside it"):
        jobs.tables.read(key)


@pytest.mark.parametrize(
    ("wrong", "labels", "says"),
    [
        ([(4, 5.0, 0)], [(3, 5.0, 0)], "4 wrong of 3"),
        ([(0.5, 5.0, 0)], [(3, 5.0, 0)], "0.5 wrong of 3"),
        ([(-1, 5.0, 0)], [(3, 5.0, 0)], "-1 wrong of 3"),
        ([(math.nan, 5.0, 0)], [(3, 5.0, 0)], "nan wrong of 3"),
        ([(0, 5.0, 0)], [(math.inf, 5.0, 0)], "0 wrong of inf"),
        ([(1, 5.0, 0)], [(200_001, 5.0, 0)], "beyond 200,000"),
        ([(1, 5.0, 1)], [(3, 5.0, 0)], "`labels` of step 0 at 5 has no `wrong`"),
        ([(1, 5.0, 0), (1, 6.0, 0)], [(3, 5.0, 0)], "`wrong` of step 0 at 6 has no `labels`"),
    ],
)
def test_counts_that_are_none_are_told(wrong, labels, says):
    with pytest.raises(Malformed, match=says):
        counted(
            "run",
            "1f0c",
            *([Logged(float(value), *when) for value, *when in rows] for rows in (wrong, labels)),
        )
