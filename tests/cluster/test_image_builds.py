"""Images built by Jobs of a real cluster: what every builder keeps, and what only such a builder has to."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests

from policies.trust import signed_bytes
from service import keys, sources
from service.adapters.kubernetes.builds import KubernetesBuilder
from service.adapters.kubernetes.kinds import JOB, SECRET
from service.adapters.oci import bill, content
from service.adapters.oci.blobs import Layout
from service.adapters.oci.signatures import OciSignatures
from service.engine import trusting
from service.ports.builds import CodeReference, Image, Recipe
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Failed, Gone, Refused
from service.settings import Settings
from tests.cluster import interpreter
from tests.cluster.aliases import declared
from tests.cluster.indexes import LOGIN as INDEX_LOGIN
from tests.cluster.indexes import guarded, served
from tests.cluster.jobs_world import World
from tests.cluster.pushes import push
from tests.cluster.test_trust import signed
from tests.cluster.whole import Control, eventually, tag
from tests.contracts.test_image_builder import *  # noqa: F403 (its tests, on the builder below)
from tests.contracts.test_image_builder import finished, recipe
from tests.contracts.test_job_runner import end
from tests.imaging import LOGIN, MANIFEST, ImageServer, program
from tests.integration.test_attaching import document, referrers
from tests.integration.test_oci import wheel
from tests.repositories import Repository

SMALL = Limits(cpu=0.2, memory=1 << 30, seconds=300.0)
EVALUATE = (
    b"import json, os, pebble\n"
    b"open(os.environ['SEGUE_RESULT'], 'w').write(json.dumps({'letters': len(pebble.WORD)}))\n"
)


@pytest.fixture
def world(kubeconfig, namespace, images):
    world = World(kubeconfig, namespace, "")
    world.settle()
    return world


@pytest.fixture
def place(world):
    """The cluster as an installation knows it whose namespace is the test's."""
    return replace(world.cluster, namespace=world.namespace)


@pytest.fixture
def made(tmp_path, world, place, registry, segue_image):
    """Makes builders of an installation; `settings` are those that differ from the usual."""
    usual = {
        "home": tmp_path / "home",
        "images": f"http://{registry}/{world.namespace}",
        "builder": "test",
        "builder_image": "{repository}@{digest}".format(**segue_image),
    }

    def make(environ=None, **settings):
        settings = Settings(**{**usual, **settings})
        return KubernetesBuilder(settings, lambda: place, environ or {}, SMALL)

    return make


@pytest.fixture
def builder(made):
    return made()


@contextmanager
def stopping(server):
    try:
        yield server
    finally:
        server.stop()


def test_code_that_no_pod_can_reach_becomes_an_image_that_runs_there(
    tmp_path, made, world, images, outside, registry
):
    repository = Repository(tmp_path / "git")
    (tmp_path / "wheels").mkdir()
    lock = f"pebble==1.0 \\\n    --hash=sha256:{wheel(tmp_path / 'wheels/pebble')}\n".encode()
    files = {
        "m/requirements.lock": lock,
        "m/evaluate.py": EVALUATE,
        "m/run.sh": b"#!/bin/sh\n",
        "other": b"x",
    }
    commit = repository.commit(files, modes={"m/run.sh": 0o100755})
    home = tmp_path / "home"
    sources.save(home, (repository.source,))
    code = CodeReference("repo", commit, "m")
    wanted = Recipe(
        "wine-9", code, None, "requirements.lock", ("python", "evaluate.py"), 8080, (("segue.model", "wine"),)
    )
    with served(tmp_path / "wheels", outside) as index:
        builder = made(
            {"UV_DEFAULT_INDEX": f"http://{index}/", "UV_CONFIG_FILE": "/etc/uv.toml", "HOME": "/root"},
            base=f"http://{images.base()}",
            git_roots=(tmp_path / "git",),
        )
        builder.start(wanted)
        image = finished(builder, "wine-9")
    assert isinstance(image, Image), builder.logs("wine-9")
    assert {kind for kind, _ in image.layers} == {"base", "env", "code"}
    assert "uv pip install" in builder.logs("wine-9")

    # The code's layer is the one that this machine would have made.
    where = f"{world.namespace}/wine"
    url = f"http://{registry}/v2/{where}/manifests/{image.digest}"
    manifest = requests.get(url, headers={"Accept": MANIFEST}, timeout=10).json()
    here = Layout(tmp_path / "here")
    here.prepare()
    layer, _ = content.code_layer(here, repository.host, code)
    assert manifest["layers"][-1]["digest"] == layer.digest

    # Its packages and how it was made lie beside it.
    server = type("Server", (), {"url": f"http://{registry}"})
    beside = {one["artifactType"]: one["digest"] for one in referrers(server, where, image.digest)}
    assert beside.keys() == {bill.CYCLONEDX, bill.IN_TOTO}
    _, packages = document(server, where, beside[bill.CYCLONEDX])
    assert "pebble" in {one["name"] for one in packages["components"]}
    _, made_of = document(server, where, beside[bill.IN_TOTO])
    sources_of = made_of["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {"gitCommit": commit} in [one.get("digest") for one in sources_of]

    # It runs there, with its packages.
    run = (str(interpreter.executable()), "-S", "evaluate.py")
    world.jobs.start(Job("job", f"{registry}/{where}@{image.digest}", run, Limits(0.2, 1 << 28, 60)))
    assert end(world) == Result((("letters", 6.0),)), world.jobs.logs("job")


@pytest.mark.skipif(program() is None, reason="no image registry is installed")
def test_logins_are_files_of_one_secret_and_never_in_the_job(tmp_path, made, world, outside):
    with stopping(ImageServer(tmp_path / "images", secured=True, address=outside).start()) as server:
        secret = {"login-images": ":".join(LOGIN), "operator-token": "not-for-builds"}
        world.make(SECRET, "files", stringData=secret)
        without = made(images=f"{server.url}/built")
        without.start(recipe())
        failed = finished(without, "wine-1")
        assert isinstance(failed, Failed)
        assert "write `user:password` into the secret file login-images" in failed.reason

        builder = made(images=f"{server.url}/built", builder_secret="files")
        builder.start(recipe())
        assert isinstance(finished(builder, "wine-1"), Image), builder.logs("wine-1")
    (job,) = world.api.list(JOB, world.namespace)
    assert ":".join(LOGIN) not in json.dumps(job)
    (volume,) = (one for one in job["spec"]["template"]["spec"]["volumes"] if one["name"] == "secrets")
    assert [item["key"] for item in volume["secret"]["items"]] == ["login-images", "netrc", "authorities.pem"]


def test_an_index_with_a_login_is_reached_by_a_file_of_the_secret(tmp_path, made, world, outside, images):
    repository = Repository(tmp_path / "git")
    (tmp_path / "wheels").mkdir()
    lock = f"pebble==1.0 \\\n    --hash=sha256:{wheel(tmp_path / 'wheels/pebble')}\n".encode()
    commit = repository.commit({"requirements.lock": lock})
    sources.save(tmp_path / "home", (repository.source,))
    code, run = CodeReference("repo", commit, ""), ("python", "-V")
    wanted = Recipe("wine-9", code, None, "requirements.lock", run, 8080, (("segue.model", "wine"),))
    with guarded(tmp_path / "wheels", outside) as index:
        user, _, password = INDEX_LOGIN.partition(":")
        world.make(
            SECRET, "files", stringData={"netrc": f"machine {outside} login {user} password {password}\n"}
        )
        more = {
            "base": f"http://{images.base()}",
            "git_roots": (tmp_path / "git",),
            "builder_secret": "files",
        }
        builder = made({"UV_DEFAULT_INDEX": f"http://{index}/"}, **more)
        builder.start(wanted)
        image = finished(builder, "wine-9")
    assert isinstance(image, Image), builder.logs("wine-9")
    assert password not in builder.logs("wine-9")


def test_a_build_of_another_installation_is_left_alone(made, place):
    builder = made()
    builder.start(recipe())
    other = replace(place, owner="other")
    stranger = KubernetesBuilder(builder._settings, lambda: other, {}, SMALL)
    assert stranger.state("wine-1") == Gone()
    with pytest.raises(Refused, match="is there already"):
        stranger.start(recipe())
    assert isinstance(finished(builder, "wine-1"), Image)


BOUGHT = """\
name: bought
image: {image}:main-*
serve: {{port: 8080}}
"""


def signatures(control, image):
    """How many signatures of this installation's key the built image has in its registry."""
    source = trusting.images_source(control.settings)
    _, _, prefix = control.settings.images.partition("://")
    found = OciSignatures.open(control.settings, source).found(f"{prefix.partition('/')[2]}/echo", image)
    ours = keys.trusted(control.say("signing-key").encode())
    return sum(keys.signed_by(ours, signed_bytes(one.kind, one.payload), one.signature) for one in found)


@pytest.mark.timeout(300)
def test_a_push_is_built_there_signed_here_and_released_and_what_others_signed_starts_nothing(
    login, kubectl, images, gateway, namespace, segue_image, tmp_path
):
    image = "{repository}@{digest}".format(**segue_image)
    asked = {"SEGUE_BUILDER": "test", "SEGUE_BUILDER_IMAGE": image, "SEGUE_TRUST": "ours"}
    with Control(tmp_path, login, namespace, images, gateway, **asked) as control:
        push(control, 1)
        early = control.outcome(control.next_release("echo"))
        assert early["phase"] == "failed"
        assert "there is no key of ours; make one: segue signing-key" in early["reason"]
        assert "image sha256:" in control.client.logs(early["name"])["build"]

        control.say("signing-key")
        control.say("retry", early["name"])
        release = control.outcome(control.next_release("echo", after=[early["name"]]))
        assert release["phase"] == "promoted", control.say("show", release["name"])
        assert release["metrics"] == {"quality": 0.9}
        assert "image sha256:" in control.client.logs(release["name"])["build"]
        assert not list((control.place.home / "builds").glob("*")), "something was built here"
        assert signatures(control, release["image"]) == 1
        made = json.dumps(kubectl.get("jobs", "-n", namespace)["items"])
        assert "SEGUE_BUILD" in made
        assert "signing-key" not in made, "who builds never has the key"

        name = f"{namespace}/bought"
        control.say("connect", "registry", f"http://{images.registry}")
        control.declare(BOUGHT.format(image=f"{images.registry}/{name}"))
        declared(control, "bought")
        bought = images.model("1", name)
        tag(bought, "main-1")
        waiting = control.next_release("bought")
        eventually(lambda: "it has no signature" in waits(control, waiting), "nobody misses the signature")
        signed(tmp_path, images.registry, bought, keys.new())
        eventually(lambda: "none by a trusted key" in waits(control, waiting), "another's signature counts")
        assert "SEGUE_TRUST wants one by `ours`" in waits(control, waiting)
        assert "Release an image that Segue built" in waits(control, waiting)
        served = kubectl.get("deployments", "-n", namespace, "-l", "segue.dev/owner")["items"]
        assert all("bought" not in one["metadata"]["name"] for one in served)


def waits(control, release):
    """What the release waits for, in the words that people read."""
    return control.client.release(release)["release"]["waits"] or ""
