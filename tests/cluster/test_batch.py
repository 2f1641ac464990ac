"""A batch model from its training to the alias: it is trained and scored by Jobs of the cluster, and serves nobody.

Training is a Job of the team's own, which registers a version and moves the alias. Segue then scores as the
evaluation, a Job that reads the version, asks for a claim to read, one to write, a secret and a node, and has
a gate; a person says yes, and `champion` follows.
"""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.cluster.aliases import alias, declared, follows
from tests.cluster.objects import RESTRICTED, secret
from tests.cluster.whole import Control, eventually
from tests.registering import Publisher, new_name

FILE = """\
name: ltv
model: models:/{model}@challenger
serve: none
evaluate:
  run: [python, /opt/segue/model/score.py]
  resources: {{cpu: 0.2, memory: 64Mi, time: 2m}}
  pod:
    secrets: pseudonyms
    volumes: {{customers: /data, scores: {{path: /scores, write: true}}}}
    node_selector: {{kubernetes.io/hostname: {node}}}
  gates: {{mape: "<= 12%"}}
approvals: {{count: 1, from: [operator]}}
"""
CUSTOMERS = "id,visits,spent\nann,1,10\nbob,4,40\n"
# What a training Job does, with nothing but Python: `RATE` is what it learns.
TRAIN = """\
import csv, json, os, urllib.request

def ask(method, path, told):
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    kind = {"Content-Type": "application/octet-stream" if isinstance(told, bytes) else "application/json"}
    asked = urllib.request.Request(os.environ["MLFLOW"] + "/api/2.0/" + path, body, kind, method=method)
    return json.loads(urllib.request.urlopen(asked, timeout=30).read() or "{}")

rows = list(csv.DictReader(open("/data/customers.csv")))
rate = sum(int(row["spent"]) for row in rows) / sum(int(row["visits"]) for row in rows)
learnt = {"rate": rate * float(os.environ["SLOPPY"]), "seconds": int(os.environ["SECONDS"])}
name, run = os.environ["MODEL"], ask("POST", "mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]
folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/model"
files = {"MLmodel": b"flavors: {}", "requirements.lock": b"", "model.json": json.dumps(learnt).encode()}
for file, text in {**files, "score.py": open("/app/score.py", "rb").read()}.items():
    ask("PUT", f"mlflow-artifacts/artifacts/{folder}/{file}", text)
source = {"source": run["artifact_uri"] + "/model", "run_id": run["run_id"]}
version = ask("POST", "mlflow/model-versions/create", {"name": name, **source})["model_version"]["version"]
moved = {"name": name, "alias": "challenger", "version": version}
ask("POST", "mlflow/registered-models/alias", moved)
"""
SCORE = """\
import csv, hashlib, json, os, time

model = json.load(open(os.environ["SEGUE_MODEL_PATH"] + "/model.json"))
time.sleep(model["seconds"])
rows = list(csv.DictReader(open("/data/customers.csv")))
scores = {row["id"]: model["rate"] * int(row["visits"]) for row in rows}
with open("/scores/ltv.csv", "w") as written:
    for who, score in scores.items():
        print(hashlib.sha256((os.environ["KEY"] + who).encode()).hexdigest(), score, sep=",", file=written)
off = [abs(scores[row["id"]] - int(row["spent"])) / int(row["spent"]) for row in rows]
json.dump({"mape": sum(off) / len(off)}, open(os.environ["SEGUE_RESULT"], "w"))
"""


@pytest.fixture
def folders(kubectl, namespace):
    """Two claims of the namespace, `customers` and `scores`, and the folders of this machine, the only node, they are."""
    made = {}
    for name, mode in (("customers", 0o755), ("scores", 0o777)):
        made[name] = Path(tempfile.mkdtemp(prefix=f"segue-{name}-"))
        made[name].chmod(mode)
        kubectl.apply(*claim(namespace, name, made[name]))
    (made["customers"] / "customers.csv").write_text(CUSTOMERS)
    yield made
    for name, folder in made.items():
        kubectl.run("delete", "persistentvolume", f"{namespace}-{name}", "--wait=false")
        shutil.rmtree(folder)


def claim(namespace, name, folder):
    """A volume that is a folder of the node, and the claim that has it."""
    volume, spec = f"{namespace}-{name}", {"accessModes": ["ReadWriteMany"], "storageClassName": "none"}
    place = {"capacity": {"storage": "1Mi"}, "hostPath": {"path": str(folder), "type": "Directory"}}
    wanted = {**spec, "volumeName": volume, "resources": {"requests": {"storage": "1Mi"}}}
    return (
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {**spec, **place},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"namespace": namespace, "name": name},
            "spec": wanted,
        },
    )


def training(namespace, name, image, **env):
    """The team's own Job."""
    container = {
        "name": "train",
        "image": image,
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "volumeMounts": [{"name": "customers", "mountPath": "/data", "readOnly": True}],
        "securityContext": RESTRICTED,
    }
    volume = {"name": "customers", "persistentVolumeClaim": {"claimName": "customers"}}
    pod = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


@pytest.mark.timeout(300)
def test_a_batch_model_is_trained_and_scored_by_jobs_and_its_alias_follows_a_persons_yes(
    login, kubectl, images, gateway, namespace, folders, mlflow, tmp_path
):
    files = {"app/train.py": TRAIN.encode(), "app/score.py": SCORE.encode()}
    image, model = images.python(f"{namespace}/train", files, ["/app/train.py"]), new_name("ltv")
    Publisher(mlflow.url).post("registered-models/create", name=model)
    kubectl.apply(secret(namespace, "pseudonyms", KEY="hunter2"))
    node = kubectl.get("nodes")["items"][0]["metadata"]["labels"]["kubernetes.io/hostname"]

    def train(name, sloppy=1.0, seconds=0):
        env = {"MLFLOW": mlflow.url, "MODEL": model, "SLOPPY": str(sloppy), "SECONDS": str(seconds)}
        kubectl.apply(training(namespace, name, image, **env))
        kubectl.run("wait", f"job/{name}", "-n", namespace, "--for=condition=Complete", "--timeout=60s")

    def jobs():
        """Segue's, the oldest first."""
        found = kubectl.get("jobs", "-n", namespace, "-l", "segue.dev/owner")["items"]
        return sorted(found, key=lambda job: job["metadata"]["creationTimestamp"])

    with Control(tmp_path, login, namespace, images, gateway, SEGUE_SWEEP_SECONDS="1") as control:
        control.say("connect", "mlflow", mlflow.url)
        control.declare(FILE.format(model=model, node=node))
        declared(control, "ltv")

        train("good")
        good = control.next_release("ltv")
        asked = lambda: control.client.release(good)["release"]["phase"] == "approval"  # noqa: E731
        eventually(asked, "nobody is asked", 120)
        assert alias(mlflow.url, model, "champion") is None
        (job,) = jobs()
        assert job["spec"]["ttlSecondsAfterFinished"] == 86_400
        scores = (folders["scores"] / "ltv.csv").read_text()
        assert [line.partition(",")[2] for line in scores.splitlines()] == ["10.0", "40.0"]
        assert "ann" not in scores
        control.say("approve", good)
        ended = control.outcome(good)
        assert (ended["phase"], ended["metrics"]) == ("promoted", {"mape": 0.0}), control.say("show", good)
        follows(mlflow.url, model, "1")

        train("sloppy", sloppy=1.5)
        sloppy = control.outcome(control.next_release("ltv", after=[good]))
        assert (sloppy["phase"], sloppy["metrics"]) == ("refused", {"mape": 0.5})
        follows(mlflow.url, model, "1")
