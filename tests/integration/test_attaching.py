"""What an image is made of, and how, found beside it in a real registry."""

import json
import time

import pytest
import requests
from inline_snapshot import snapshot

from service.adapters.oci import bill
from service.adapters.oci.attaching import Document, attach
from service.adapters.oci.builder import OciBuilder
from service.adapters.oci.locks import Pin
from service.adapters.oci.remote import Remote
from service.ports.builds import CodeReference, Image, ModelReference, Recipe
from service.ports.outcomes import Working
from service.settings import Settings
from tests.imaging import INDEX, MANIFEST

IMAGE = "sha256:" + "1" * 64
PINS = (Pin("numpy==2.2.1 ; python_version >= '3.11'", "numpy", ("sha256:aa", "sha256:bb")),)
BELOW = "r.example/lib/python@sha256:" + "2" * 64
RECIPE = Recipe(
    "wine-1",
    CodeReference("repo", "c" * 40, "wine"),
    ModelReference("mlflow", "wine", "3"),
    "requirements.lock",
    ("python", "serve.py"),
    8080,
    (("segue.model", "wine"),),
)


def referrers(registry, repository, digest):
    """As the specification says: the API, or else the tag."""
    path = f"{registry.url}/v2/{repository}"
    found = requests.get(f"{path}/referrers/{digest}", timeout=10)
    if found.status_code == 404:
        headers = {"Accept": INDEX}
        found = requests.get(f"{path}/manifests/{digest.replace(':', '-')}", headers=headers, timeout=10)
    return found.json()["manifests"]


def document(registry, repository, digest):
    path = f"{registry.url}/v2/{repository}"
    manifest = requests.get(f"{path}/manifests/{digest}", headers={"Accept": MANIFEST}, timeout=10).json()
    layer = manifest["layers"][0]
    return manifest, requests.get(f"{path}/blobs/{layer['digest']}", timeout=10).json()


def built(home, registry):
    builder = OciBuilder.open(Settings(home=home, images=f"{registry.url}/attached"))
    builder.start(Recipe("wine-1", None, None, None, ("python", "-V"), 8080, (("segue.model", "wine"),)))
    until = time.monotonic() + 60
    while isinstance(state := builder.state("wine-1"), Working):
        assert time.monotonic() < until, builder.logs("wine-1")
        time.sleep(0.02)
    assert isinstance(state, Image), builder.logs("wine-1")
    return state.digest


def test_a_pushed_image_has_its_packages_and_its_provenance_beside_it_once(tmp_path, image_registry):
    first, second = (built(tmp_path / name, image_registry) for name in "ab")
    assert first == second
    listed = referrers(image_registry, "attached/wine", first)
    assert [one["artifactType"] for one in listed] == [bill.CYCLONEDX, bill.IN_TOTO]
    told = {}
    for one in listed:
        manifest, content = document(image_registry, "attached/wine", one["digest"])
        assert manifest["subject"]["digest"] == first
        assert manifest["artifactType"] == one["artifactType"]
        told[one["artifactType"]] = content
    assert told[bill.CYCLONEDX]["metadata"]["component"]["name"] == first
    assert told[bill.IN_TOTO]["subject"] == [
        {"name": f"{image_registry.host}/attached/wine", "digest": {"sha256": first.removeprefix("sha256:")}}
    ]
    assert listed[1]["annotations"] == {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"}


def test_other_documents_of_an_image_stay(image_registry):
    remote = Remote(image_registry.url, None, actions="pull,push", seconds=(5, 5), store="")
    subject = {"mediaType": MANIFEST, "digest": IMAGE, "size": 1}
    for number in (1, 2, 1):
        attach(remote, "several", subject, Document("application/x", {"number": number}))
    found = [
        document(image_registry, "several", one["digest"])[1]
        for one in referrers(image_registry, "several", IMAGE)
    ]
    assert found == [{"number": 1}, {"number": 2}]


def test_the_packages_of_an_image():
    assert bill.packages(IMAGE, PINS, BELOW) == snapshot(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": "urn:uuid:741fc397-5c5b-566c-bfc6-d491908833c6",
            "version": 1,
            "metadata": {
                "component": {
                    "type": "container",
                    "name": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
                    "bom-ref": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
                }
            },
            "components": [
                {
                    "type": "container",
                    "name": "r.example/lib/python",
                    "version": "sha256:2222222222222222222222222222222222222222222222222222222222222222",
                    "bom-ref": "pkg:oci/python@sha256%3A2222222222222222222222222222222222222222222222222222222222222222?repository_url=r.example%2Flib%2Fpython",
                    "purl": "pkg:oci/python@sha256%3A2222222222222222222222222222222222222222222222222222222222222222?repository_url=r.example%2Flib%2Fpython",
                },
                {
                    "type": "library",
                    "name": "numpy",
                    "version": "2.2.1",
                    "bom-ref": "pkg:pypi/numpy@2.2.1",
                    "purl": "pkg:pypi/numpy@2.2.1",
                    "properties": [
                        {"name": "segue:hash", "value": "sha256:aa"},
                        {"name": "segue:hash", "value": "sha256:bb"},
                        {"name": "segue:marker", "value": "python_version >= '3.11'"},
                    ],
                },
            ],
        }
    )
    assert json.dumps(bill.packages(IMAGE, PINS, None)) == json.dumps(bill.packages(IMAGE, PINS, None))


def test_how_an_image_was_made():
    assert bill.provenance(IMAGE, "r.example/wine", RECIPE, [BELOW], "segue@1") == snapshot(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {
                    "name": "r.example/wine",
                    "digest": {"sha256": "1111111111111111111111111111111111111111111111111111111111111111"},
                }
            ],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "https://segue.dev/build/v1",
                    "externalParameters": {
                        "run": ["python", "serve.py"],
                        "lock": "requirements.lock",
                        "folder": "wine",
                    },
                    "internalParameters": {"port": 8080, "labels": {"segue.model": "wine"}},
                    "resolvedDependencies": [
                        {"name": "repo", "digest": {"gitCommit": "cccccccccccccccccccccccccccccccccccccccc"}},
                        {"name": "mlflow", "uri": "models:/wine/3"},
                        {
                            "name": "r.example/lib/python",
                            "digest": {
                                "sha256": "2222222222222222222222222222222222222222222222222222222222222222"
                            },
                        },
                    ],
                },
                "runDetails": {"builder": {"id": "segue@1"}, "metadata": {"invocationId": "wine-1"}},
            },
        }
    )


@pytest.mark.parametrize("recipe", [Recipe("a", None, None, None, (), 1)])
def test_a_recipe_without_sources_rests_on_nothing(recipe):
    told = bill.provenance(IMAGE, "r.example/wine", recipe, [], "segue@1")
    assert told["predicate"]["buildDefinition"]["resolvedDependencies"] == []
