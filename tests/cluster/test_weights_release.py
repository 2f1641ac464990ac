"""A registered model whose files are no layer: an alias moves, and each version serves what was evaluated."""

import pytest

from tests.cluster.aliases import declared, follows, move
from tests.cluster.test_alias import packages, predicted
from tests.cluster.test_mounted_weights import OLD_RUNTIME
from tests.cluster.whole import Control
from tests.registering import Publisher, constant, new_name

FILE = """\
name: churn
model: models:/{model}@challenger
serve: mlflow
weights: {{image: built}}
resources: {{cpu: 0.5, memory: 512Mi}}
evaluate:
  run: [python, -c, "{measure}"]
  resources: {{cpu: 0.2, memory: 256Mi}}
  gates: {{answers: ">= 1"}}
risk: 2%
ladder: [50%, 100%]
dwell: 2s
warm_up: 0s
watch: 5s
when_undecided: finish
patience: 10s
"""
# What the model would answer, read from the file that it answers from.
MEASURE = (
    "import json, os; text = open(os.environ['SEGUE_MODEL_PATH'] + '/code/churn.py').read();"
    " number = int(text.partition('return [')[2].partition(' ')[0]);"
    " json.dump({'answers': number}, open(os.environ['SEGUE_RESULT'], 'w'))"
)

pytestmark = pytest.mark.whole


@pytest.mark.timeout(600)  # an environment is installed, pushed and pulled
def test_stable_and_candidate_each_mount_the_image_of_their_own_files(
    login, kubectl, images, gateway, namespace, mlflow_server, tmp_path, mounts_images
):
    if not mounts_images:
        pytest.skip(OLD_RUNTIME)
    publisher, model = Publisher(mlflow_server.url), new_name("churn")
    with Control(tmp_path, login, namespace, images, gateway, UV_CACHE_DIR=packages()) as control:
        control.say("connect", "mlflow", mlflow_server.url)
        control.declare(FILE.format(model=model, measure=MEASURE))
        declared(control, "churn")
        seen = []
        for number in (1, 2):
            version = publisher.register(model, constant(number))
            move(publisher, model, "challenger", version)
            release = control.outcome(control.next_release("churn", after=seen))
            assert release["phase"] == "promoted", control.say("show", release["name"])
            seen.append(release["name"])
            assert predicted(control.target("churn/production")["address"]) == [number, number]
            follows(mlflow_server.url, model, version)
        deployments = kubectl.get("deployments", "-n", namespace, "-l", "segue.dev/owner")["items"]
        volumes = [one["spec"]["template"]["spec"]["volumes"][-1]["image"] for one in deployments]
        assert len({volume["reference"] for volume in volumes}) == 2
        assert all("/churn@sha256:" in volume["reference"] for volume in volumes)
