"""Numbers that a job logs to its run: MLflow's own client and a real server, and what stands in for both."""

import json
import math
import os
import subprocess
import uuid

import pytest

from service import plugins
from service.adapters.memory.runs import MemoryRuns
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.fuzz.answers import canned

JOB = "churn-0123456789-1"


class InMemory:
    def __init__(self):
        self.runs = MemoryRuns()

    def job(self, experiment, numbers, job=JOB):
        self.runs.logged[(experiment, job)] = numbers


class InMlflow:
    """A command that knows MLflow's client, and nothing of Segue but its environment."""

    def __init__(self, server, home):
        self.python = server.python
        self.runs = plugins.load("run_metrics", "mlflow").open(
            Settings(home=home), Source("mlflow", "mlflow", server.url)
        )

    def job(self, experiment, numbers, job=JOB):
        self.code(experiment, f"with mlflow.start_run():\n    mlflow.log_metrics({numbers!r})", job)

    def code(self, experiment, code, job=JOB):
        told = dict(self.runs.environment(experiment, job))
        environ = {**os.environ, **told, "MLFLOW_DISABLE_TELEMETRY": "true"}
        script = f"import mlflow\nnan, inf = float('nan'), float('inf')\n{code}"
        ended = subprocess.run([self.python, "-c", script], env=environ, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr.decode()


@pytest.fixture(params=["memory", "mlflow"])
def world(request, tmp_path):
    if request.param == "memory":
        return InMemory()
    return request.getfixturevalue("mlflow")


@pytest.fixture
def mlflow(mlflow_server, tmp_path):
    return InMlflow(mlflow_server, tmp_path)


@pytest.fixture
def experiment():
    return f"evaluation-{uuid.uuid4().hex[:8]}"


def test_the_numbers_of_a_job_are_those_that_it_logged(world, experiment):
    world.job(experiment, {"f1": 0.5, "accuracy": 0.93})
    world.job(experiment, {"accuracy": 0.1}, "churn-another-1")
    assert world.runs.metrics(experiment, JOB) == (("accuracy", 0.93), ("f1", 0.5))


def test_a_job_that_logged_nothing_is_refused_with_where_it_should_have(world, experiment):
    with pytest.raises(Refused, match=experiment):
        world.runs.metrics(experiment, JOB)


def test_the_last_value_of_the_newest_run_that_is_nobody_s_child_counts(mlflow, experiment):
    mlflow.job(experiment, {"accuracy": 0.1})
    mlflow.code(
        experiment,
        """
with mlflow.start_run():
    mlflow.log_metric("accuracy", 0.2, step=1)
    with mlflow.start_run(nested=True):
        mlflow.log_metric("accuracy", 0.3)
    mlflow.log_metric("accuracy", 0.4, step=2)
""",
    )
    assert mlflow.runs.metrics(experiment, JOB) == (("accuracy", 0.4),)


def test_what_is_not_finite_is_left_out_so_that_no_gate_passes_on_it(mlflow, experiment):
    mlflow.code(
        experiment,
        "with mlflow.start_run():\n    mlflow.log_metrics({'a': nan, 'b': inf, 'c': -inf, 'd': 1.5})",
    )
    found = mlflow.runs.metrics(experiment, JOB)
    assert found[-1] == ("d", 1.5)
    assert all(abs(value) < math.inf for _, value in found)
    assert "a" not in dict(found)


@pytest.mark.parametrize(("how", "status"), [("FAILED", "FAILED"), ("RUNNING", "RUNNING")])
def test_a_run_that_did_not_end_well_counts_for_nothing(mlflow, experiment, how, status):
    mlflow.code(
        experiment,
        "client = mlflow.MlflowClient()\n"
        "run = mlflow.start_run()\n"
        "mlflow.log_metric('accuracy', 0.99)\n"
        f"client.set_terminated(run.info.run_id, '{how}') if '{how}' != 'RUNNING' else None\n"
        "import os; os._exit(0)",
    )
    with pytest.raises(Refused, match=f"is {status}"):
        mlflow.runs.metrics(experiment, JOB)


@pytest.mark.parametrize("run", [
    {}, {"info": {}}, {"info": {"status": "FINISHED"}}, {"info": [], "data": {}}, "run", None,
    {"info": {"status": "FINISHED"}, "data": {"metrics": [{"key": "accuracy"}]}},
    {"info": {"status": "FINISHED"}, "data": {"metrics": [{"key": "accuracy", "value": "high"}]}},
    {"info": {"status": "FINISHED"}, "data": {"metrics": {"accuracy": 1}}},
])  # fmt: skip
def test_an_answer_that_is_not_as_documented_is_asked_for_again_and_no_number(tmp_path, run):
    source = Source("mlflow", "mlflow", "http://mlflow.example")
    runs = plugins.load("run_metrics", "mlflow").open(Settings(home=tmp_path), source)
    answers = {"experiments": {"experiment": {"experiment_id": "1"}}, "runs": {"runs": [run]}}
    server = canned(runs._rest._session)
    server.made = lambda path: (200, json.dumps(answers[path.split("/")[4]]).encode())
    with pytest.raises(Retry, match="in a form that nobody expects"):
        runs.metrics("churn", JOB)


def test_no_login_of_segue_s_is_told_to_the_job(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "login-mlflow").write_text("ann:a-secret-of-segue")
    source = Source("mlflow", "mlflow", "http://mlflow.example:5000")
    runs = plugins.load("run_metrics", "mlflow").open(Settings(home=tmp_path), source)
    told = dict(runs.environment("churn", JOB))
    assert told["MLFLOW_TRACKING_URI"] == "http://mlflow.example:5000"
    assert "a-secret-of-segue" not in str(told)
