"""A build from a Dockerfile: its manifest, what its failures are called, and what its image is read as."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from service.adapters.kubernetes import dockerfile_manifest
from service.adapters.kubernetes.buildah_words import explain
from service.adapters.kubernetes.dockerfile_manifest import LIMITS, Given, command, manifest
from service.adapters.kubernetes.dockerfiles import BuildahBuilder
from service.adapters.kubernetes.job_states import look
from service.adapters.oci import around_buildah
from service.adapters.oci.around_buildah import Left, logins, pinned, provenance, registries
from service.adapters.oci.build_away import Order, read_order
from service.ports.builds import CodeReference, Recipe
from service.ports.git import TreeEntry
from service.ports.outcomes import Failed, Refused, Working
from service.settings import Settings

RECIPE = Recipe(
    "wine-12ab-1",
    CodeReference("repo", "1" * 40, "wine"),
    None,
    None,
    (),
    8080,
    (("segue.model", "wine"), ("odd", "$(HOME) `id` ; x")),
    dockerfile="docker/Dockerfile",
)
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": "sha256:1", "size": 9}
ORDER = Order(RECIPE, LAYER, ())
SETTINGS = Settings(
    home=Path("/srv/segue"),
    images="http://registry.example:5000/models",
    builder_image="registry.example/segue@sha256:2",
    builder_secret="segue-files",
    dockerfiles="builds",
    buildah_image="registry.example/buildah@sha256:3",
    build_secrets=("pip.conf", "netrc"),
    keep_days=2,
)
GIVEN = Given(1_700_000_000, "amd64", (("HTTPS_PROXY", "http://proxy.example:3128"),))


def pod(settings=SETTINGS):
    return manifest(settings, ORDER, GIVEN, "1234abcd", LIMITS)["spec"]["template"]["spec"]


def mounted(container):
    return {mount["name"] for mount in container["volumeMounts"]}


# --- the manifest ----------------------------------------------------------------------------


def test_segue_prepares_buildah_builds_and_segue_publishes():
    prepare, build = pod()["initContainers"]
    (publish,) = pod()["containers"]
    assert (prepare["name"], build["name"], publish["name"]) == dockerfile_manifest.CONTAINERS
    assert prepare["command"][-2:] == ["prepare", "/home/build"]
    assert publish["command"][-2:] == ["publish", "/home/build"]
    assert build["command"][:2] == ["buildah", "build"]
    assert [one["image"] for one in (prepare, build, publish)] == [
        SETTINGS.builder_image,
        SETTINGS.buildah_image,
        SETTINGS.builder_image,
    ]
    env = {one["name"]: one["value"] for one in prepare["env"]}
    assert read_order(env["SEGUE_BUILD"].replace("$$", "$")) == ORDER


def test_only_the_middle_one_has_rights_and_it_says_which():
    prepare, build = pod()["initContainers"]
    (publish,) = pod()["containers"]
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert prepare["securityContext"] == publish["securityContext"] == restricted
    assert build["securityContext"] == snapshot(
        {
            "allowPrivilegeEscalation": True,
            "capabilities": {"drop": ["ALL"], "add": ["SETGID", "SETUID"]},
            "seccompProfile": {"type": "Unconfined"},
            "appArmorProfile": {"type": "Unconfined"},
        }
    )
    assert pod()["securityContext"] == snapshot(
        {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    )
    assert pod()["automountServiceAccountToken"] is False


def test_no_login_is_where_a_strangers_code_runs():
    prepare, build = pod()["initContainers"]
    (publish,) = pod()["containers"]
    assert mounted(prepare) == {"tmp", "home", "work", "logins"}
    assert mounted(build) == {"work", "authorities", "build-secrets"}
    assert mounted(publish) == {"tmp", "home", "work", "login"}
    keys = {
        one["name"]: [item["key"] for item in one["secret"]["items"]]
        for one in pod()["volumes"]
        if "secret" in one
    }
    assert keys == {
        "login": ["login-images", "authorities.pem"],
        "logins": ["login-images", "bases.json", "authorities.pem"],
        "authorities": ["authorities.pem"],
        "build-secrets": ["pip.conf", "netrc"],
    }
    assert "SEGUE_BUILD" not in {one["name"] for one in build["env"]}


def test_without_a_secret_nothing_is_mounted():
    bare = pod(replace(SETTINGS, builder_secret=None, build_secrets=()))
    assert [one["name"] for one in bare["volumes"]] == ["tmp", "home", "work"]
    containers = [*bare["initContainers"], *bare["containers"]]
    assert {name for one in containers for name in mounted(one)} == {"tmp", "home", "work"}


def test_a_build_is_limited_in_processor_memory_disk_and_time():
    body = manifest(SETTINGS, ORDER, GIVEN, "1234abcd", LIMITS)
    (_, build) = body["spec"]["template"]["spec"]["initContainers"]
    wanted = {"cpu": "1000m", "memory": str(4 << 30), "ephemeral-storage": str(20 << 30)}
    assert build["resources"] == {"requests": wanted, "limits": wanted}
    assert json.loads(body["metadata"]["annotations"]["segue.dev/limits"]) == [4 << 30, 3600.0]


def test_buildahs_words_stand_for_themselves():
    assert command(RECIPE, GIVEN, ("pip.conf",)) == snapshot(
        [
            "buildah",
            "build",
            "--format",
            "oci",
            "--layers",
            "--disable-compression=false",
            "--pull-always",
            "--platform",
            "linux/amd64",
            "--timestamp",
            "1700000000",
            "--build-arg",
            "SOURCE_DATE_EPOCH=1700000000",
            "--authfile",
            "/home/build/bases.json",
            "--secret",
            "id=pip.conf,src=/run/segue-secrets/pip.conf",
            "--label",
            "segue.model=wine",
            "--annotation",
            "segue.model=wine",
            "--label",
            "odd=$(HOME) `id` ; x",
            "--annotation",
            "odd=$(HOME) `id` ; x",
            "--file",
            "/home/build/context/docker/Dockerfile",
            "--tag",
            "oci:/home/build/image:built",
            "/home/build/context",
        ]
    )
    # Kubernetes would replace `$(NAME)` by a variable.
    assert "odd=$$(HOME) `id` ; x" in pod()["initContainers"][1]["command"]


def test_a_proxy_reaches_the_build():
    env = {one["name"]: one["value"] for one in pod()["initContainers"][1]["env"]}
    assert env == snapshot(
        {
            "BUILDAH_ISOLATION": "chroot",
            "HOME": "/home/build",
            "HTTPS_PROXY": "http://proxy.example:3128",
            "SSL_CERT_FILE": "/run/segue-authorities/authorities.pem",
            "STORAGE_DRIVER": "overlay",
            "TMPDIR": "/home/build/scraps",
        }
    )


# --- its failures ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            'STEP 2/2: RUN pip install x\nERROR: no x\nError: building at STEP "RUN pip install x": exit status 1',
            "the Dockerfile's step `RUN pip install x` ended with exit code 1",
        ),
        (
            'Error: building at STEP "RUN a": while running runtime: exit status 137',
            "the Dockerfile's step `RUN a` ended with exit code 137, as what uses too much memory does",
        ),
        (
            (
                'Error: building at STEP "COPY missing /": checking on sources under "/home/build/context": copier:'
                ' stat: "/missing": no such file or directory'
            ),
            (
                "the Dockerfile's step `COPY missing /` failed: checking on sources under"
                ' "/home/build/context": copier: stat: "/missing": no such file or directory'
            ),
        ),
        (
            (
                "Trying to pull r.example/a:1...\nError: creating build container: initializing source"
                " docker://r.example/a:1: reading manifest 1 in r.example/a: manifest unknown"
            ),
            "the base image r.example/a:1 cannot be pulled: the registry has none of this name",
        ),
        (
            (
                "Error: creating build container: initializing source docker://r.example/a:1: reading manifest 1 in"
                " r.example/a: unauthorized: authentication required"
            ),
            (
                "the base image r.example/a:1 cannot be pulled: it wants a login; the key bases.json of the"
                " builder's Secret holds those for bases"
            ),
        ),
        (
            (
                "Error: creating build container: initializing source docker://r.example/a:1: pinging container"
                ' registry r.example: Get "https://r.example/v2/": dial tcp: lookup r.example: no such host'
            ),
            (
                "the base image r.example/a:1 cannot be pulled: pinging container registry r.example: Get"
                ' "https://r.example/v2/": dial tcp: lookup r.example: no such host'
            ),
        ),
        (
            (
                'Error: creating build container: short-name "python:3" did not resolve to an alias and no'
                " unqualified-search registries are defined"
            ),
            (
                "the base image python:3 is not named in full: write its registry, too, as in"
                " docker.io/library/python:3"
            ),
        ),
        ("Error: no FROM statement found", "the Dockerfile cannot be built: no FROM statement found"),
        ('{"failed":"there is no Dockerfile \'a\'"}', "there is no Dockerfile 'a'"),
        (
            (
                "Error: creating build container: initializing source docker://r.example/a:1: pinging container"
                ' registry r.example: Get "https://r.example/v2/": tls: failed to verify certificate: x509:'
                " certificate signed by unknown authority"
            ),
            (
                "the base image r.example/a:1 cannot be pulled: pinging container registry r.example: Get"
                ' "https://r.example/v2/": tls: failed to verify certificate: x509: certificate signed by'
                " unknown authority; the authorities of a company are the key authorities.pem of the"
                " builder's Secret"
            ),
        ),
        (
            """Error: building at STEP "RUN <<E\nx\nE": exit status 2""",
            "the Dockerfile's step `RUN <<E x E` ended with exit code 2",
        ),
        ("", None),
        ("[1]", None),
        ("Killed", None),
    ],
)
def test_a_failure_is_told_in_words(said, words):
    assert explain(said) == words


def ended(*, reason="Error", code=1, message=""):
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "startedAt": AT}}


AT = "2026-01-01T00:00:10+00:00"
JOB = {
    "metadata": {"creationTimestamp": AT, "annotations": {"segue.dev/limits": "[1073741824, 100]"}},
    "spec": {},
    "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "PodFailurePolicy"}]},
}


def seen(build, job=JOB, now=0.0, phase="Failed"):
    statuses = [
        {"name": "prepare", "state": ended(code=0, reason="Completed")},
        {"name": "build", "state": build},
    ]
    waiting = {"name": "job", "state": {"waiting": {"reason": "PodInitializing"}}}
    told = {"phase": phase, "initContainerStatuses": statuses, "containerStatuses": [waiting]}
    built = {"metadata": {"name": "a", "creationTimestamp": AT}, "status": told}
    return look(job, [built], [], now, 1800.0, form=BuildahBuilder.form).state


def test_the_container_that_failed_says_why():
    assert seen(ended(message="Error: no FROM statement found")) == Failed(
        "the Dockerfile cannot be built: no FROM statement found"
    )
    assert seen(ended(message="")) == Failed("the job ended with exit code 1")
    oom = ended(reason="OOMKilled", code=137, message='Error: building at STEP "RUN a": exit status 1')
    assert seen(oom) == Failed("the job used more memory than its limit of 1024 MiB")


def test_its_time_counts_from_its_first_container():
    going = {**JOB, "status": {}}
    running = {"running": {"startedAt": "2026-01-01T00:01:00+00:00"}}
    begun = 1_767_225_610.0
    assert seen(running, going, begun + 90, "Pending") == Working("running")
    assert seen(running, going, begun + 102, "Pending") == Failed("the job did not end within 100 s")


# --- what it left ----------------------------------------------------------------------------


def put(folder, content):
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs/sha256" / digest).write_bytes(content)
    return f"sha256:{digest}"


def left(folder, body=b'{"config":{"digest":"sha256:1"},"layers":[]}', more=()):
    entry = {"digest": put(folder, body)}
    (folder / "index.json").write_text(json.dumps({"manifests": [entry, *more]}))
    return entry["digest"]


def test_the_digest_is_that_of_the_manifest_which_the_build_left(tmp_path):
    digest = left(tmp_path)
    assert Left(tmp_path).manifest()[0] == digest
    assert digest == "sha256:" + hashlib.sha256(Left(tmp_path).manifest()[1]).hexdigest()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"config":{},"layers":[1]}', b'{"layers":[]}', b'{"config":{},"layers":[]}']
)
def test_what_is_no_image_is_refused(tmp_path, body):
    left(tmp_path, body)
    with pytest.raises(Refused, match="something else than an image"):
        Left(tmp_path).manifest()


def test_two_images_none_and_another_manifest_are_refused(tmp_path):
    with pytest.raises(Refused, match="left no image"):
        Left(tmp_path).manifest()
    digest = left(tmp_path, more=({"digest": "sha256:2"},))
    with pytest.raises(Refused, match="left no image"):
        Left(tmp_path).manifest()
    left(tmp_path)
    (tmp_path / "blobs/sha256" / digest.partition(":")[2]).write_bytes(b"{}")
    with pytest.raises(Refused, match="not the one it names"):
        Left(tmp_path).manifest()


@pytest.mark.parametrize("plant", [os.symlink, lambda _, path: os.mkfifo(path)], ids=["link", "pipe"])
def test_a_link_to_a_login_or_a_pipe_is_not_read(tmp_path, plant):
    (tmp_path / "secret").write_bytes(b"robot:secret")
    (tmp_path / "image/blobs/sha256").mkdir(parents=True)
    digest = "sha256:" + hashlib.sha256(b"robot:secret").hexdigest()
    plant(tmp_path / "secret", tmp_path / "image/blobs/sha256" / digest.partition(":")[2])
    with pytest.raises(Refused, match="the build left"):
        Left(tmp_path / "image").send(None, "wine", digest)


def test_other_bytes_than_the_digest_names_are_not_sent(tmp_path):
    digest = put(tmp_path, b"x")
    (tmp_path / "blobs/sha256" / digest.partition(":")[2]).write_bytes(b"y")
    with pytest.raises(Refused, match="other bytes"):
        Left(tmp_path).send(None, "wine", digest)


def test_how_it_was_made_names_commit_dockerfile_and_base_and_no_secret():
    digest = "4" * 64
    text = f"""# FROM r.example/not@sha256:{digest}
from --platform=linux/amd64 r.example/python:3.13@sha256:{digest} AS one
FROM r.example/other:1
FROM one
FROM r.example/python:3.13@sha256:{digest}
RUN echo FROM r.example/no@sha256:{digest}
"""
    document = provenance(RECIPE, "sha256:9", "r.example/wine", pinned(text.encode())).content
    definition = document["predicate"]["buildDefinition"]
    assert definition["buildType"] == "https://segue.dev/dockerfile/v1"
    assert definition["externalParameters"] == {
        "run": [],
        "dockerfile": "docker/Dockerfile",
        "folder": "wine",
    }
    assert definition["resolvedDependencies"] == [
        {"name": "repo", "digest": {"gitCommit": "1" * 40}},
        {"name": "r.example/python:3.13", "digest": {"sha256": digest}},
    ]


# --- what Buildah is told --------------------------------------------------------------------


def test_only_registries_of_the_settings_may_speak_plain_http():
    assert registries(SETTINGS) == '[[registry]]\nlocation = "registry.example:5000"\ninsecure = true\n'
    assert not registries(replace(SETTINGS, images="https://registry.example/models"))


def test_logins_for_bases_are_what_docker_writes():
    assert json.loads(logins(None)) == {"auths": {}}
    assert json.loads(logins(b'{"auths": {"r.example": {"auth": "eDp5"}}}'))["auths"]
    for wrong in (b"robot:secret", b"[]", b""):
        with pytest.raises(Refused, match="docker login") as refused:
            logins(wrong)
        assert "secret" not in str(refused.value).lower().replace("builder's secret", "")


class Code:
    """Code as it was handed over."""

    def __init__(self, files):
        self.files = files

    def archive(self, commit, folder):
        yield from self.files


def test_code_is_laid_out_with_its_links_and_modes(tmp_path):
    files = [
        (TreeEntry("a/run.sh", "", 0o100755, 1), b"x"),
        (TreeEntry("b", "", 0o120000, 8), b"a/run.sh"),
        (TreeEntry("out", "", 0o120000, 11), b"/etc/passwd"),
    ]
    for _ in range(2):
        around_buildah.lay_out(Code(files), tmp_path / "context")
    assert (tmp_path / "context/b").read_bytes() == b"x"
    assert os.access(tmp_path / "context/a/run.sh", os.X_OK)
    assert not os.path.lexists(tmp_path / "context/out")
