"""A real registry over TLS whose certificate a company's own authority signed: read, and pushed to by builds."""

import json
import os
import subprocess
import sys

import pytest
import requests
from click.testing import CliRunner

from service import sources
from service.adapters.kubernetes import build_manifest
from service.adapters.oci.build_away import AUTHORITIES, VARIABLE, Order, write_order
from service.adapters.oci.builder import OciBuilder
from service.cli.main import group
from service.ports.builds import Image, Recipe
from service.ports.connections import Source
from service.ports.jobs import Limits
from service.ports.outcomes import Retry, Working
from service.settings import Settings
from tests import imaging
from tests.imaging import vouched
from tests.running import wait_until

HERE = "127.0.0.2"  # this machine, as one of another name: for 127.0.0.1 nothing of the environment counts
RECIPE = Recipe(
    "wine-1", None, None, None, ("python", "-c", "print('hello')"), 8080, (("segue.model", "wine"),)
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    if imaging.program() is None:
        pytest.skip("no image registry is installed: apt install docker-registry")
    with vouched(tmp_path_factory.mktemp("authority"), HERE) as server:
        yield server


@pytest.fixture
def authorities(registry):
    return str(registry.folder / "ca.pem")


def digests(registry, repository):
    """What the registry has under the repository's tags."""
    answer = requests.get(
        f"{registry.url}/v2/{repository}/tags/list", verify=str(registry.folder / "ca.pem"), timeout=10
    )
    return answer.json().get("tags") if answer.ok else None


def test_its_certificate_is_refused_with_what_to_set_until_the_authority_is_named(
    registry, authorities, tmp_path, monkeypatch
):
    images = sources.opened(Settings(home=tmp_path), Source("reg", "registry", registry.url))
    with pytest.raises(Retry, match="REQUESTS_CA_BUNDLE"):
        images.check()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authorities)
    images.check()


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("mlflow", "{}"),
        ("registry", "{}"),
        ("github", "{}/acme/models"),
        ("gitlab", "{}/acme/models"),
        ("gitea", "{}/acme/models"),
        ("bitbucket", "{}/scm/acme/models.git"),
        ("mattermost", "{}/acme"),
        ("matrix", "{}"),
        ("prometheus", "{}"),
        ("json", "{}/counts.json"),
        ("grafana", "{}"),
    ],
)
def test_whoever_is_connected_without_a_known_authority_is_told_what_to_set(registry, tmp_path, kind, url):
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "login-far").write_text("a-token\n")
    (secrets / "login-far").chmod(0o600)
    words = ("connect", kind, url.format(registry.url), "--name", "far")
    told = CliRunner().invoke(group, words, env={"SEGUE_HOME": str(tmp_path)})
    assert isinstance(told.exception, Retry), told.output
    assert "its certificate is of no authority" in str(told.exception)
    assert "REQUESTS_CA_BUNDLE" in str(told.exception)


def test_a_build_on_this_machine_pushes_there(registry, authorities, tmp_path):
    settings = Settings(home=tmp_path, images=f"{registry.url}/here")
    builder = OciBuilder(settings, {**os.environ, "REQUESTS_CA_BUNDLE": authorities})
    builder.start(RECIPE)
    wait_until(lambda: not isinstance(builder.state("wine-1"), Working), 120)
    image = builder.state("wine-1")
    assert isinstance(image, Image), image
    assert digests(registry, "here/wine") is not None


def build_away(registry, tmp_path):
    """Build as a Job of a cluster does; what it says at its end, and what it printed."""
    result = tmp_path / "result"
    told = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SEGUE_HOME": str(tmp_path / "home"),
        "SEGUE_IMAGES": f"{registry.url}/away",
        "SEGUE_RESULT": str(result),
        VARIABLE: write_order(Order(RECIPE, None, ())),
    }
    run = [sys.executable, "-m", "service.adapters.oci.build_away"]
    done = subprocess.run(run, env=told, check=True, capture_output=True, text=True)
    return json.loads(result.read_text()), done.stdout + done.stderr


def test_a_build_away_says_at_once_that_it_knows_no_authority_and_what_to_set(registry, tmp_path):
    said, printed = build_away(registry, tmp_path)
    assert "the key authorities.pem of the builder's Secret" in said["failed"]
    assert "waiting" not in printed


def test_a_build_away_takes_the_authorities_of_its_secret(registry, tmp_path):
    """As a Job of a cluster is told them: a file among its secrets, and no variable."""
    secrets = tmp_path / "home" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / AUTHORITIES).write_bytes((registry.folder / "ca.pem").read_bytes())
    assert build_away(registry, tmp_path)[0]["digest"].startswith("sha256:")
    assert digests(registry, "away/wine") is not None


def test_the_job_of_a_build_is_given_that_key_of_its_secret(tmp_path):
    settings = Settings(
        home=tmp_path, images="https://reg.example/m", builder_image="s@sha256:1", builder_secret="files"
    )
    body = build_manifest.manifest(settings, Order(RECIPE, None, ()), {}, "tests", Limits())
    (secret,) = [one["secret"] for one in body["spec"]["template"]["spec"]["volumes"] if "secret" in one]
    assert {"key": AUTHORITIES, "path": AUTHORITIES} in secret["items"]
