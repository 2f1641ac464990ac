"""What every source of label tables must do: MLflow as a real server, and the one in memory."""

import json
import time
import uuid

import pytest
import requests

from handlers.labels import rows_of_table
from service import plugins
from service.adapters.memory.tables import MemoryTables
from service.ports.connections import Source
from service.ports.label_tables import Left
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
        made = self.ask("experiments/create", {"name": table}).get("experiment_id")
        if made is None:
            found = requests.get(
                f"{self.url}/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": table}, timeout=30
            )
            made = found.json()["experiment"]["experiment_id"]
        run = self.ask("runs/create", {"experiment_id": made, "start_time": int(time.time() * 1000)})["run"][
            "info"
        ]
        if content is not None:
            folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            address = f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{folder}/labels.json"
            assert requests.put(address, data=content, timeout=30).ok
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
