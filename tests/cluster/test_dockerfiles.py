"""Images built from Dockerfiles in a real cluster, by Buildah in Jobs: what runs, what fails and how it is told."""

import gzip
import io
import json
import tarfile
from dataclasses import replace

import pytest
import requests

from service import sources
from service.adapters.kubernetes.dockerfiles import BuildahBuilder
from service.adapters.kubernetes.kinds import JOB, SECRET
from service.ports.builds import CodeReference, Image, Recipe
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Failed, Working
from service.settings import Settings
from tests.cluster import buildah, logins
from tests.cluster.indexes import LOGIN, guarded
from tests.cluster.jobs_world import World
from tests.cluster.pushes import EVALUATE, SERVE
from tests.cluster.whole import Control, eventually
from tests.contracts.test_job_runner import end
from tests.imaging import MANIFEST
from tests.integration.test_attaching import document, referrers
from tests.integration.test_oci import wheel
from tests.repositories import Repository

pytestmark = pytest.mark.whole  # the image with Buildah alone takes minutes to make

SMALL = Limits(cpu=0.5, memory=1 << 30, seconds=280.0)
PIP = "python /opt/pip.whl/pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore"
MEASURE = b"import json, os, pebble\njson.dump({'letters': len(pebble.WORD)}, open(os.environ['SEGUE_RESULT'], 'w'))\n"
# A source distribution whose build is code of its own: no wheel builder can install it.
BACKEND = b"""
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "pebble-2.0-py3-none-any.whl"
    info = "pebble-2.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as archive:
        archive.writestr("pebble.py", f"WORD = {'peb' + 'bles'!r}\\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: pebble\\nVersion: 2.0\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return name
"""
PROJECT = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@pytest.fixture
def world(kubeconfig, builds):
    world = World(kubeconfig, builds, "")
    world.settle()
    return world


@pytest.fixture
def repository(tmp_path):
    found = Repository(tmp_path / "git")
    sources.save(tmp_path / "home", (found.source,))
    return found


@pytest.fixture
def settings(tmp_path, world, images, registry, segue_image):
    return Settings(
        home=tmp_path / "home",
        images=f"http://{registry}/{world.namespace}",
        builder_image="{repository}@{digest}".format(**segue_image),
        dockerfiles="test",
        buildah_image=buildah.buildah(images),
        git_roots=(tmp_path / "git",),
    )


@pytest.fixture
def built(world, repository, settings, images):
    """Builds a Dockerfile with these files, in folder `m`; the outcome and what was printed. `{base}` in it is
    the tests' base."""

    def build(dockerfile, name="wine-1", limits=SMALL, files=None, asked="Dockerfile", **more):
        text = dockerfile.replace("{base}", buildah.base(images))
        committed = {
            "m/Dockerfile": text.encode(),
            **{f"m/{path}": raw for path, raw in (files or {}).items()},
        }
        commit = repository.commit(committed)
        place = replace(world.cluster, namespace=world.namespace)
        builder = BuildahBuilder(replace(settings, **more), lambda: place, {}, limits)
        labels = (("segue.model", "wine"), ("odd", "$(HOME) `id`"))
        code = CodeReference("repo", commit, "m")
        builder.start(Recipe(name, code, None, None, (), 8080, labels, dockerfile=asked))
        eventually(lambda: not isinstance(builder.state(name), Working), "the build does not end", 280)
        return builder.state(name), builder.logs(name)

    return build


def sdist():
    """`pebble-2.0.tar.gz`, whose bytes are the same each time."""
    raw = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in (("pyproject.toml", PROJECT), ("backend.py", BACKEND)):
            entry = tarfile.TarInfo(f"pebble-2.0/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


SOURCE_DISTRIBUTION = f"""\
FROM {{base}}
USER 0
ARG SOURCE_DATE_EPOCH
COPY pebble-2.0.tar.gz /tmp/
RUN {PIP} --no-index /tmp/pebble-2.0.tar.gz && echo mapped > /etc/by-another
RUN python -c "import os; os.chown('/etc/by-another', 33, 33)"
WORKDIR /app
COPY evaluate.py .
USER 65532:65532
ENTRYPOINT ["python", "evaluate.py"]
"""


def test_a_source_distribution_is_built_in_a_step_and_the_image_runs(
    built, world, images, registry, settings
):
    files = {"pebble-2.0.tar.gz": sdist(), "evaluate.py": MEASURE}
    image, log = built(SOURCE_DISTRIBUTION, files=files)
    assert isinstance(image, Image), log
    assert image.layers == (("dockerfile", "built"),)
    assert "Successfully installed pebble-2.0" in log

    # The digest is what the registry has, with the recipe's labels as they are, and no time but the commit's.
    where = f"http://{registry}/v2/{world.namespace}/wine"
    manifest = requests.get(
        f"{where}/manifests/{image.digest}", headers={"Accept": MANIFEST}, timeout=10
    ).json()
    config = requests.get(f"{where}/blobs/{manifest['config']['digest']}", timeout=10).json()
    assert config["config"]["Labels"]["odd"] == "$(HOME) `id`"
    assert config["created"].startswith("2023-11-14T22:13:20")
    assert config["architecture"] == "amd64"

    # How it was made is there, and no list of packages, which nobody knows.
    server = type("Server", (), {"url": f"http://{registry}"})
    (found,) = referrers(server, f"{world.namespace}/wine", image.digest)
    _, made = document(server, f"{world.namespace}/wine", found["digest"])
    definition = made["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["dockerfile"] == "Dockerfile"
    repository, _, digest = buildah.base(images).partition("@sha256:")
    assert definition["resolvedDependencies"][1] == {"name": repository, "digest": {"sha256": digest}}

    # The same commit once more is the same image; what is said of it names another build.
    again, log = built(SOURCE_DISTRIBUTION, "wine-2", files=files)
    assert isinstance(again, Image), log
    assert again.documents != image.documents
    assert replace(again, documents=image.documents) == image

    # It runs under the restricted standard.
    reference = f"{registry}/{world.namespace}/wine@{image.digest}"
    world.jobs.start(Job("job", reference, (), Limits(0.2, 1 << 28, 60)))
    assert end(world) == Result((("letters", 7.0),)), world.jobs.logs("job")


@pytest.mark.parametrize(
    ("dockerfile", "reason", "printed"),
    [
        (
            "FROM {base}\nUSER 0\nRUN echo before && echo oh no >&2 && exit 7\n",
            "the Dockerfile's step `RUN echo before && echo oh no >&2 && exit 7` ended with exit code 7",
            "oh no",
        ),
        (
            "FROM {missing}\n",
            "cannot be pulled: the registry has none of this name",
            "Trying to pull",
        ),
        ("FROM {base}\nCOPY nothing /\n", "the Dockerfile's step `COPY nothing /` failed:", "COPY nothing"),
        ("FRUM {base}\n", "the Dockerfile cannot be built: ", ""),
    ],
    ids=["a command", "no base", "no file", "no Dockerfile's words"],
)
def test_what_fails_is_told_in_words_with_the_end_of_the_log(built, registry, dockerfile, reason, printed):
    failed, log = built(dockerfile.replace("{missing}", f"{registry}/nobody:1"))
    assert isinstance(failed, Failed), log
    assert reason in failed.reason
    assert printed in failed.log


def test_a_dockerfile_that_is_not_there_is_named(built):
    failed, log = built("FROM {base}\n", asked="docker/Dockerfile")
    assert isinstance(failed, Failed), log
    assert "there is no Dockerfile 'docker/Dockerfile' in folder 'm' at commit" in failed.reason


def test_a_step_that_takes_too_much_memory_is_ended(built):
    eat = 'FROM {base}\nUSER 0\nRUN python -c "x = bytearray(900 << 20)"\n'
    failed, log = built(eat, limits=replace(SMALL, memory=400 << 20))
    assert isinstance(failed, Failed), log
    assert "used more memory than its limit of 400 MiB" in failed.reason or "137" in failed.reason


def test_a_private_index_is_reached_with_a_login_that_is_nowhere_afterwards(
    tmp_path, built, world, outside, registry
):
    (tmp_path / "index").mkdir()
    wheel(tmp_path / "index/pebble")
    dockerfile = f"""\
FROM {{base}}
USER 0
ENV PIP_CONFIG_FILE=/run/secrets/pip.conf
RUN --mount=type=secret,id=pip.conf {PIP} pebble==1.0
"""
    with guarded(tmp_path / "index", outside) as index:
        conf = f"[global]\nindex-url = http://{LOGIN}@{index}/\ntrusted-host = {index.partition(':')[0]}\n"
        world.make(SECRET, "files", stringData={"pip.conf": conf, "operator-token": "not-for-builds"})
        told = {"builder_secret": "files", "build_secrets": ("pip.conf",)}
        image, log = built(dockerfile, **told)
    assert isinstance(image, Image), log
    password = LOGIN.partition(":")[2]
    assert password not in log
    assert all(password not in json.dumps(job) for job in world.api.list(JOB, world.namespace))
    where = f"http://{registry}/v2/{world.namespace}/wine"
    manifest = requests.get(
        f"{where}/manifests/{image.digest}", headers={"Accept": MANIFEST}, timeout=10
    ).json()
    for blob in (manifest["config"], *manifest["layers"][-2:]):
        content = requests.get(f"{where}/blobs/{blob['digest']}", timeout=10).content
        plain = gzip.decompress(content) if "gzip" in blob["mediaType"] else content
        assert password.encode() not in plain


RELEASED = """\
name: {name}
build: {{dockerfile: Dockerfile}}
serve: {{port: 8080}}
evaluate: {{run: python evaluate.py, gates: {{quality: ">= 0.5"}}, resources: {{cpu: 0.2, memory: 64Mi}}}}
resources: {{cpu: 0.2, memory: 64Mi}}
warm_up: 0s
watch: 5s
"""


def test_a_push_of_a_dockerfile_is_built_and_released(
    kubectl, images, gateway, namespace, builds, segue_image, tmp_path
):
    told = {
        "SEGUE_DOCKERFILES": "builds",
        "SEGUE_BUILDER_IMAGE": "{repository}@{digest}".format(**segue_image),
        "SEGUE_BUILDAH_IMAGE": buildah.buildah(images),
    }
    dockerfile = (
        f'FROM {buildah.base(images)}\nWORKDIR /app\nCOPY *.py ./\nENTRYPOINT ["python", "serve.py"]\n'
    )
    with (
        logins.given(kubectl, namespace, gateway, tmp_path / "login", builds) as login,
        Control(tmp_path / "segue", login, namespace, images, gateway, **told) as control,
    ):
        control.say("cluster", "builds", "--namespace", builds)
        control.declare(
            RELEASED.format(name="docked"),
            Dockerfile=dockerfile,
            serve__py=SERVE,
            evaluate__py=EVALUATE.replace("QUALITY", "0.9"),
        )
        release = control.outcome(control.next_release("docked"))
        assert release["phase"] == "promoted", control.say("show", release["name"])
        assert release["metrics"] == {"quality": 0.9}
        assert "STEP" in control.client.logs(release["name"])["build"]
