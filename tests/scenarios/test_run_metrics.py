"""An evaluation whose numbers are those of its MLflow run."""

from policies.release import Phase
from tests.scenarios.conftest import WINE

GATED = WINE + "evaluate: {run: python evaluate.py, results: mlflow.wine, gates: {accuracy: '>= 0.9'}}\n"


def pushed(world, text=GATED):
    world.push({"segue.yaml": text, "requirements.lock": "", "serve.py": "1"})
    world.settle()
    return world.release("rel-1")


def test_the_gates_are_held_against_what_was_logged(world):
    world.runs.logged[("wine", "")] = {"accuracy": 0.95}
    world.jobs.results[""] = {"accuracy": 0.1}
    assert pushed(world).phase is not Phase.REFUSED
    (job,) = world.jobs.started
    assert dict(job.env) == {"EXPERIMENT": "wine", "JOB": job.name}
    assert job.writes is False


def test_a_number_that_was_not_logged_passes_no_gate(world):
    world.runs.logged[("wine", "")] = {"f1": 0.95}
    assert pushed(world).phase is Phase.REFUSED


def test_a_job_that_logged_nothing_fails_the_version(world):
    release = pushed(world)
    assert release.phase is Phase.FAILED
    assert "logged no numbers" in release.reason


def test_a_source_that_is_no_mlflow_server_is_refused_before_anything_runs(world):
    release = pushed(world, GATED.replace("mlflow.wine", "git.wine"))
    assert release.phase is Phase.FAILED
    assert "jobs log their numbers to MLflow alone" in release.reason
    assert world.jobs.started == []
