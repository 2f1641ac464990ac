"""A real alias that moves on a real MLflow server ends in traffic that shifts between pods."""

import subprocess

import pytest
import requests
from uv import find_uv_bin

from tests.cluster.aliases import declared, follows, move
from tests.cluster.load import Load
from tests.cluster.whole import SETTLED, Control, eventually
from tests.registering import Publisher, constant, new_name

FILE = """\
name: churn
model: models:/{model}@challenger
serve: mlflow
resources: {{cpu: 0.5, memory: 512Mi}}
risk: 2%
ladder: [10%, 30%, 60%, 100%]
dwell: 2s
warm_up: 0s
watch: 5s
"""


def predicted(address):
    """What the model that serves says about two rows."""
    rows = {"dataframe_split": {"columns": ["age"], "data": [[31], [64]]}}
    answer = requests.post(f"{address}/invocations", json=rows, timeout=10)
    assert answer.ok, answer.text
    return answer.json()["predictions"]


@pytest.mark.whole
@pytest.mark.timeout(600)  # an environment is installed, pushed and pulled
def test_an_alias_that_moves_is_built_and_shifted_in_the_cluster_and_champion_follows(
    login, images, gateway, namespace, mlflow_server, tmp_path
):
    publisher, model = Publisher(mlflow_server.url), new_name("churn")
    first_version = publisher.register(model, constant(1))
    with Control(tmp_path, login, namespace, images, gateway, UV_CACHE_DIR=packages()) as control:
        control.say("connect", "mlflow", mlflow_server.url)
        control.declare(FILE.format(model=model))
        declared(control, "churn")
        move(publisher, model, "challenger", first_version)
        first = control.outcome(control.next_release("churn"))
        assert first["phase"] == "promoted", control.say("show", first["name"])
        follows(mlflow_server.url, model, first_version)
        address = control.target("churn/production")["address"]
        with Load(address, path="/ping", version_header="X-Model-Version") as load:
            eventually(lambda: load.counts()[first["backend"], 200] > 50, "the first version does not answer")
            begun = load.now()
            assert predicted(address) == [1, 1]
            second_version = publisher.register(model, constant(2))
            move(publisher, model, "challenger", second_version)
            second = control.outcome(control.next_release("churn", after=[first["name"]]))
            assert second["phase"] == "promoted", control.say("show", second["name"])
            assert second["proven"]
            after = load.now()
            eventually(lambda: load.now() > after + 2 * SETTLED, "time stands still")
            assert predicted(address) == [2, 2]
        follows(mlflow_server.url, model, second_version)
        assert load.story(begun) == ""
        assert set(load.counts(begun)) == {(first["backend"], 200), (second["backend"], 200)}
        assert set(load.counts(after + SETTLED)) == {(second["backend"], 200)}


def packages():
    """Where the packages lie that `make` downloaded."""
    return subprocess.run(
        [find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True
    ).stdout.strip()
