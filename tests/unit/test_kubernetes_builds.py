"""A build's manifest as literal values, and what its pod may tell."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from service.adapters.kubernetes.build_manifest import LIMITS, environment, manifest
from service.adapters.kubernetes.builds import FORM
from service.adapters.kubernetes.labels import SPEC
from service.adapters.oci.build_away import Order, read_order, write_order
from service.ports.builds import CodeReference, Image, ModelReference, Recipe
from service.ports.connections import Source
from service.ports.outcomes import Failed, Refused
from service.settings import Settings

RECIPE = Recipe(
    "wine-12ab-1",
    CodeReference("repo", "1" * 40, "wine"),
    ModelReference("mlflow", "wine", "3"),
    "requirements.lock",
    ("python", "serve.py", "$HOME"),
    8080,
    (("segue.model", "wine"),),
)
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": "sha256:1", "size": 9}
ORDER = Order(RECIPE, LAYER, (Source("mlflow", "mlflow", "https://mlflow.example", ("*",)),))
SETTINGS = Settings(
    home=Path("/srv/segue"),
    images="https://registry.example/models",
    base="https://registry.example/python@sha256:0",
    builder="here",
    builder_image="registry.example/segue@sha256:2",
    builder_secret="segue-files",
    keep_days=2,
)


def made(settings=SETTINGS, order=ORDER, **installer):
    return manifest(settings, order, installer, "1234abcd", LIMITS)


def test_a_build_is_a_job_of_its_own_name_that_stays_as_long_as_everything_else():
    job = made()
    assert job["metadata"]["name"] == "build-wine-12ab-1"
    assert job["metadata"]["labels"]["segue.dev/owner"] == "1234abcd"
    assert job["spec"]["ttlSecondsAfterFinished"] == 2 * 86_400


def test_its_pod_has_a_home_that_can_be_written_and_sees_the_logins_it_needs_and_no_others():
    pod = made()["spec"]["template"]["spec"]
    assert pod["volumes"] == snapshot(
        [
            {"name": "tmp", "emptyDir": {}},
            {"name": "home", "emptyDir": {}},
            {
                "name": "secrets",
                "secret": {
                    "secretName": "segue-files",
                    "items": [
                        {"key": "login-images", "path": "login-images"},
                        {"key": "netrc", "path": "netrc"},
                        {"key": "authorities.pem", "path": "authorities.pem"},
                        {"key": "login-mlflow", "path": "login-mlflow"},
                    ],
                    "optional": True,
                    "defaultMode": 0o440,
                },
            },
        ]
    )
    assert pod["containers"][0]["volumeMounts"] == snapshot(
        [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "home", "mountPath": "/var/lib/segue"},
            {"name": "secrets", "mountPath": "/var/lib/segue/secrets"},
        ]
    )
    assert pod["automountServiceAccountToken"] is False


def test_its_image_is_pulled_with_the_secrets_that_the_installation_names():
    assert "imagePullSecrets" not in made()["spec"]["template"]["spec"]
    pod = made(replace(SETTINGS, builder_pull_secrets=("registry", "mirror")))["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]


def test_logins_of_indexes_are_a_file_of_the_secret():
    def named(settings):
        container = made(settings, NETRC="/root/.netrc")["spec"]["template"]["spec"]["containers"][0]
        return {one["name"]: one["value"] for one in container["env"]}.get("NETRC")

    assert named(SETTINGS) == "/var/lib/segue/secrets/netrc"
    assert named(replace(SETTINGS, builder_secret=None)) is None


def test_the_order_is_read_in_the_pod_as_it_was_given():
    env = {one["name"]: one["value"] for one in made()["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert read_order(env["SEGUE_BUILD"].replace("$$", "$")) == ORDER
    assert read_order(write_order(Order(RECIPE, None, ()))) == Order(RECIPE, None, ())
    assert env["SEGUE_HOME"] == "/var/lib/segue"


def test_the_same_recipe_is_the_same_build_whichever_segue_builds_it():
    other = Settings(
        home=Path("/"), images=SETTINGS.images, base=SETTINGS.base, builder_image="other@sha256:3"
    )
    mark = made()["metadata"]["annotations"][SPEC]
    assert made(other)["metadata"]["annotations"][SPEC] == mark
    changed = Order(Recipe("wine-12ab-1", None, None, None, ("x",), 8080), None, ())
    assert made(order=changed)["metadata"]["annotations"][SPEC] != mark


def test_an_installer_is_told_what_means_the_same_in_a_pod():
    here = {
        "HOME": "/root",
        "PATH": "/usr/bin",
        "PIP_CERT": "/etc/ssl/company.pem",
        "UV_DEFAULT_INDEX": "https://pypi.example/simple",
        "HTTPS_PROXY": "http://proxy.example:3128",
    }
    assert sorted(environment(here)) == ["HTTPS_PROXY", "UV_DEFAULT_INDEX"]


@pytest.mark.parametrize(
    "value", ["https://ann:pw@pypi.example/simple", "a=https://x/ b=https://token@pypi.example"]
)
def test_a_login_in_a_variable_is_refused_and_not_repeated(value):
    with pytest.raises(Refused, match="UV_INDEX holds a login") as refused:
        made(UV_INDEX=value)
    assert "pw" not in str(refused.value)
    assert "token@" not in str(refused.value)


@pytest.mark.parametrize(
    "message", [b"", b"{}", b"[]", b"null", b"oops", b'{"digest": "sha256:1", "layers": [1]}']
)
def test_a_message_that_is_no_result_is_a_failure(message):
    assert FORM.read(message) == Failed("the build ended with something else than a result")


def test_an_image_and_a_failure_are_told_and_read_again():
    image = Image("sha256:1", (("base", "cached"), ("env", "built")))
    assert FORM.read(FORM.write(image)) == image
    assert FORM.read(json.dumps({"failed": "no lock"}).encode()) == Failed("no lock")


def test_where_the_model_s_files_go_is_part_of_an_order_and_of_a_result():
    apart = replace(ORDER, recipe=replace(RECIPE, files="image"))
    assert read_order(write_order(apart)) == apart
    assert "files" not in write_order(ORDER), "an order is what it was before there was a choice"
    assert made(order=apart)["metadata"]["annotations"][SPEC] != made()["metadata"]["annotations"][SPEC]
    image = Image("sha256:1", (("env", "built"),), "sha256:2")
    assert FORM.read(FORM.write(image)) == image
