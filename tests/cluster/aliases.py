"""A registered model whose alias moves on a real MLflow server, and what people read there afterwards."""

import requests

from tests.cluster.whole import eventually


def move(publisher, model, alias, version):
    """What a person does in MLflow's page."""
    publisher.post("registered-models/alias", name=model, alias=alias, version=version)


def alias(url, model, name):
    """The version that the alias names; None where there is no such alias."""
    asked = {"name": model, "alias": name}
    told = requests.get(f"{url}/api/2.0/mlflow/registered-models/alias", params=asked, timeout=10)
    return told.json().get("model_version", {}).get("version")


def follows(url, model, version):
    """Wait until the alias champion names the version."""
    eventually(lambda: alias(url, model, "champion") == version, f"champion does not name {version}")


def declared(control, name):
    """Wait until the model is known; from then on a move of its alias is a release."""
    eventually(
        lambda: any(model["name"] == name for model in control.client.models().page().rows),
        "the declaration is not read",
    )
