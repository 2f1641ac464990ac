"""Model versions made of any files, on a real MLflow server and in memory: what contract tests publish."""

import itertools
import uuid
from pathlib import Path
from urllib.parse import quote

import requests

_NUMBERS = itertools.count(1)
# As small as a model that MLflow loads can be: a module of its own, and what `mlflow.pyfunc` itself needs.
_MLMODEL = b"flavors: {python_function: {loader_module: churn, code: code}}\n"
_REQUIREMENTS = b"mlflow-skinny==3.17.2\npandas==3.1.1\n"
_MODEL = """\
class Churn:
    def predict(self, rows, params=None):
        return [NUMBER for _ in range(len(rows))]

def _load_pyfunc(path):
    return Churn()
"""


def new_name(word="model"):
    """A name that no other test uses; the server is shared by the whole run."""
    return f"{word}-{next(_NUMBERS)}-{uuid.uuid4().hex[:6]}"


def constant(number):
    """The files of a model that answers every row with that number."""
    code = _MODEL.replace("NUMBER", str(number)).encode()
    return {"MLmodel": _MLMODEL, "requirements.txt": _REQUIREMENTS, "code/churn.py": code}


class Publisher:
    """Registers files as versions on an MLflow server, over REST, as a training job would."""

    def __init__(self, url, location=None):
        """`location`: a folder where the server keeps artifacts itself, without its proxy."""
        self.url = url
        self._known = set()
        self._experiment = "0"
        if location is not None:
            told = self.post(
                "experiments/create", name=new_name("experiment"), artifact_location=str(location)
            )
            self._experiment = told["experiment_id"]

    def register(self, name, files):
        """A version with these files, of a logged model of its own; its number."""
        model = self._logged(files)
        return self.version(name, source=f"models:/{model}", model_id=model)

    def register_from_run(self, name, files):
        """The same, with the files among a run's artifacts; its number and the run's id."""
        run = self.post("runs/create", experiment_id=self._experiment)["run"]["info"]
        self._put(f"{run['artifact_uri']}/model", files)
        return self.version(name, source=f"{run['artifact_uri']}/model", run_id=run["run_id"]), run["run_id"]

    def version(self, name, **told):
        """A version of whatever is told; its number."""
        if name not in self._known:
            self.post("registered-models/create", name=name)
            self._known.add(name)
        return self.post("model-versions/create", name=name, **told)["model_version"]["version"]

    def describe(self, name, version, text):
        """People write a description."""
        told = {"name": name, "version": version, "description": text}
        answer = requests.patch(f"{self.url}/api/2.0/mlflow/model-versions/update", json=told, timeout=30)
        assert answer.ok, answer.text

    def described(self, name, version):
        """The description."""
        asked = {"name": name, "version": version}
        answer = requests.get(f"{self.url}/api/2.0/mlflow/model-versions/get", params=asked, timeout=30)
        return answer.json()["model_version"].get("description", "")

    def _logged(self, files):
        told = self.post("logged-models", experiment_id=self._experiment, name="model")["model"]["info"]
        self._put(told["artifact_uri"], files)
        return told["model_id"]

    def _put(self, uri, files):
        if not uri.startswith("mlflow-artifacts:/"):
            for path, data in files.items():
                place = Path(uri.removeprefix("file://")) / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
            return
        folder = uri.removeprefix("mlflow-artifacts:/")
        for path, data in files.items():
            address = f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{folder}/{quote(path)}"
            answer = requests.put(address, data=data, timeout=30)
            assert answer.ok, answer.text

    def post(self, path, **told):
        answer = requests.post(f"{self.url}/api/2.0/mlflow/{path}", json=told, timeout=30)
        assert answer.ok, answer.text
        return answer.json()
