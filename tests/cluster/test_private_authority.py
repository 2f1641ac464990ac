"""A registry whose certificate only a company's own authority vouches for: builds in Jobs, and nodes that pull.

What containerd knows of it is the node's, so the test writes it there; on a cluster that is not ours it is skipped.
"""

import io
import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from service import sources
from service.adapters.kubernetes.builds import KubernetesBuilder
from service.adapters.kubernetes.dockerfiles import BuildahBuilder
from service.adapters.kubernetes.kinds import SECRET
from service.adapters.oci.build_away import AUTHORITIES
from service.ports.builds import CodeReference, Image, Recipe
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Failed, Working
from service.settings import Settings
from tests.cluster import buildah, interpreter
from tests.cluster.jobs_world import GOOD, WRITE, World
from tests.cluster.test_image_builds import recipe
from tests.cluster.whole import eventually
from tests.contracts.test_job_runner import end
from tests.imaging import MANIFEST, program, vouched
from tests.repositories import Repository

pytestmark = [
    pytest.mark.skipif(program() is None, reason="no image registry is installed"),
    pytest.mark.timeout(420),
]

SMALL = Limits(cpu=0.2, memory=1 << 30, seconds=280.0)
RUN = (str(interpreter.executable()), "-I", "-S", "-c", WRITE.format(GOOD))


@pytest.fixture(scope="module")
def server(tmp_path_factory, outside):
    with vouched(tmp_path_factory.mktemp("authority"), outside) as server:
        yield server


@pytest.fixture
def trusted(server, monkeypatch):
    """What a worker is told of it, as docs/how-to/jobs-in-a-cluster.md says."""
    authority = server.folder / "ca.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    return authority


@pytest.fixture
def node(kubeconfig, server):
    """Lets the node know the authority: `node()`; it forgets it afterwards."""
    if not os.environ.get("SEGUE_TEST_STOPPABLE"):
        pytest.skip("the node is not ours to tell of an authority: SEGUE_TEST_STOPPABLE is not set")
    folder = Path(kubeconfig).parent / "certs.d" / server.host

    def know():
        folder.mkdir()
        shutil.copy(server.folder / "ca.pem", folder)
        host = f'[host."{server.url}"]\n  capabilities = ["pull", "resolve"]\n  ca = "{folder}/ca.pem"\n'
        (folder / "hosts.toml").write_text(f'server = "{server.url}"\n{host}')

    yield know
    shutil.rmtree(folder, ignore_errors=True)


def settings(home, server, image, **more):
    return Settings(
        home=home,
        images=f"{server.url}/built",
        builder="test",
        builder_image="{repository}@{digest}".format(**image),
        builder_secret="files",
        **more,
    )


def ended(builder, name):
    eventually(lambda: not isinstance(builder.state(name), Working), "the build does not end", 280)
    return builder.state(name)


def test_a_job_builds_there_once_its_secret_has_the_authority_and_a_node_pulls_once_it_knows_it(
    tmp_path, kubeconfig, namespace, images, segue_image, server, trusted, node
):
    world = World(kubeconfig, namespace, "")
    world.settle()
    base = images.also(images.base(), server.url)
    told = settings(tmp_path, server, segue_image, base=f"https://{base}")
    place = replace(world.cluster, namespace=namespace)
    builder = KubernetesBuilder(told, lambda: place, {}, SMALL)

    world.make(SECRET, "files", stringData={AUTHORITIES: trusted.read_text()})
    builder.start(recipe())
    image = ended(builder, "wine-1")
    assert isinstance(image, Image), builder.logs("wine-1")

    reference = f"{server.host}/built/wine@{image.digest}"
    world.jobs.start(Job("before", reference, RUN, Limits(0.2, 1 << 28, 60)))
    eventually(lambda: "certificate signed by unknown authority" in told_of(world, "before"), "it pulls", 60)
    assert "certs.d" in told_of(world, "before")
    world.jobs.cancel("before")
    node()
    world.jobs.start(Job("job", reference, RUN, Limits(0.2, 1 << 28, 60)))
    assert end(world) == Result((("accuracy", 0.5), ("size", 3.0))), world.jobs.logs("job")


def told_of(world, name):
    """What people read of a Job that waits."""
    return str(getattr(world.jobs.state(name), "progress", ""))


@pytest.mark.whole  # the image with Buildah alone takes minutes to make
def test_buildah_pulls_its_base_from_there_and_segue_pushes_what_it_made(
    tmp_path,
    kubeconfig,
    builds,
    images,
    segue_image,
    server,
    trusted,
):
    world = World(kubeconfig, builds, "")
    world.settle()
    repository = Repository(tmp_path / "git")
    sources.save(tmp_path / "home", (repository.source,))
    base = images.also(buildah.base(images), server.url)
    commit = repository.commit({"m/Dockerfile": f"FROM {base}\nUSER 0\nRUN export -p > /seen\n".encode()})
    given = settings(
        tmp_path / "home",
        server,
        segue_image,
        dockerfiles="test",
        buildah_image=buildah.buildah(images),
        git_roots=(tmp_path / "git",),
    )
    place = replace(world.cluster, namespace=builds)
    builder = BuildahBuilder(given, lambda: place, {}, SMALL)
    wanted = Recipe(
        "wine-1", CodeReference("repo", commit, "m"), None, None, (), 8080, dockerfile="Dockerfile"
    )
    builder.start(replace(wanted, name="wine-0"))
    failed = ended(builder, "wine-0")
    assert isinstance(failed, Failed), "its Secret has no authority yet"
    assert f"the registry {server.url} cannot be reached: its certificate is of no authority" in failed.reason
    assert "the key authorities.pem of the builder's Secret" in failed.reason

    world.make(SECRET, "files", stringData={AUTHORITIES: trusted.read_text()})
    builder.start(wanted)
    image = ended(builder, "wine-1")
    assert isinstance(image, Image), builder.logs("wine-1")
    where = f"{server.url}/v2/built/model"
    accepted = {"Accept": MANIFEST}
    found = requests.get(f"{where}/manifests/{image.digest}", headers=accepted, verify=trusted, timeout=10)
    blob = found.json()["layers"][-1]["digest"]
    layer = requests.get(f"{where}/blobs/{blob}", verify=trusted, timeout=10).content
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        seen = files.extractfile("seen").read()
    assert b"PATH" in seen
    assert b"SSL_CERT_FILE" not in seen, "what Buildah trusts is nothing of the Dockerfile's steps"
