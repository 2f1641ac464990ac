"""What our steps do before and after Buildah, with a real registry; what Buildah leaves is laid out by hand."""

import json
from hashlib import sha256

import pytest
import requests

from service.adapters.memory.git import MemoryGit
from service.adapters.oci import around_buildah, handing
from service.adapters.oci.build_away import Order, write_order
from service.adapters.oci.remote import Remote
from service.ports.builds import CodeReference, Recipe
from tests.imaging import MANIFEST
from tests.integration.test_attaching import document, referrers

BASE = "r.example/python@sha256:" + "4" * 64


@pytest.fixture
def environ(tmp_path, image_registry):
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    return {
        "SEGUE_HOME": str(tmp_path / "home"),
        "SEGUE_IMAGES": f"{image_registry.url}/docked",
        "SEGUE_RESULT": str(tmp_path / "result"),
    }


def ordered(environ, registry, files, dockerfile="Dockerfile"):
    """The variables of a step that is to build these files."""
    git = MemoryGit()
    code = CodeReference("repo", git.commit(files), "m")
    remote = Remote(registry.url, None, actions="pull,push", seconds=(5, 5), store="")
    layer = handing.hand_over(remote, "docked/wine", git, code, "wine-1.code")
    recipe = Recipe("wine-1", code, None, None, (), 8080, (("segue.model", "wine"),), dockerfile=dockerfile)
    return {**environ, "SEGUE_BUILD": write_order(Order(recipe, layer, ()))}


def leave(work):
    """An image of one layer, as Buildah leaves it; its digest."""
    blobs = work / "image/blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content):
        (blobs / sha256(content).hexdigest()).write_bytes(content)
        return {"digest": f"sha256:{sha256(content).hexdigest()}", "size": len(content)}

    config = {"mediaType": "application/vnd.oci.image.config.v1+json", **put(b'{"os": "linux"}')}
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **put(b"a layer")}
    told = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    named = put(json.dumps(told).encode())
    (work / "image/index.json").write_text(json.dumps({"manifests": [named]}))
    return named["digest"]


def test_code_is_laid_out_and_what_was_left_is_published_with_what_it_stands_on(
    tmp_path, environ, image_registry
):
    work = tmp_path / "work"
    files = {"m/Dockerfile": f"FROM {BASE}\n".encode(), "m/serve.py": b"1", "other": b"x"}
    env = ordered(environ, image_registry, files)
    assert around_buildah.main("prepare", work, env) == 0
    assert not (tmp_path / "result").exists()
    assert sorted(path.name for path in (work / "context").iterdir()) == ["Dockerfile", "serve.py"]
    assert json.loads((work / "bases.json").read_text()) == {"auths": {}}
    host = image_registry.host
    assert f'location = "{host}"\ninsecure = true' in (work / around_buildah.REGISTRIES).read_text()

    digest = leave(work)
    (work / "context/Dockerfile").write_text("FROM r.example/another@sha256:" + "5" * 64)  # by a step
    assert around_buildah.main("publish", work, env) == 0
    result = json.loads((tmp_path / "result").read_text())
    documents = result.pop("documents")
    assert result == {"digest": digest, "layers": [["dockerfile", "built"]]}
    url = f"{image_registry.url}/v2/docked/wine/manifests"
    for reference in (digest, "wine-1"):
        answer = requests.get(f"{url}/{reference}", headers={"Accept": MANIFEST}, timeout=10)
        assert answer.headers["Docker-Content-Digest"] == digest
    (found,) = referrers(image_registry, "docked/wine", digest)
    assert documents == [found["digest"]]
    _, made = document(image_registry, "docked/wine", found["digest"])
    bases = made["predicate"]["buildDefinition"]["resolvedDependencies"][1:]
    assert bases == [{"name": "r.example/python", "digest": {"sha256": "4" * 64}}]


def test_what_cannot_be_prepared_ends_the_pod_and_says_why(tmp_path, environ, image_registry):
    env = ordered(environ, image_registry, {"m/serve.py": b"1"}, "docker/Dockerfile")
    assert around_buildah.main("prepare", tmp_path / "work", env) == 1
    told = json.loads((tmp_path / "result").read_text())
    assert told["failed"].startswith("there is no Dockerfile 'docker/Dockerfile' in folder 'm' at commit ")


def test_a_build_that_left_nothing_is_a_result_that_says_so(tmp_path, environ, image_registry):
    work = tmp_path / "work"
    env = ordered(environ, image_registry, {"m/Dockerfile": b"FROM scratch\n"})
    assert around_buildah.main("prepare", work, env) == 0
    assert around_buildah.main("publish", work, env) == 0
    assert json.loads((tmp_path / "result").read_text()) == {
        "failed": "the build left no image: No such file or directory"
    }
