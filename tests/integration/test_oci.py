"""The image builder with real wheels, real processes and files; no network."""

import base64
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import tarfile
import threading
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from service.adapters.oci import layout
from service.adapters.oci import push as pushing
from service.adapters.oci.assembling import assemble
from service.adapters.oci.blobs import Layout, exclusive
from service.adapters.oci.build import patiently, publish
from service.adapters.oci.builder import OciBuilder
from service.adapters.oci.bytecode import warm
from service.adapters.oci.collecting import forget_builds, gc
from service.adapters.oci.interpreter import host_interpreter
from service.adapters.oci.layout import discard, open_image, unpack
from service.adapters.oci.push import push
from service.adapters.oci.workshop import Workshop
from service.ports.builds import CodeReference, Image, ModelReference, Recipe
from service.ports.git import TreeEntry
from service.ports.outcomes import Failed, Gone, Refused, Retry, Working
from service.ports.registries import ModelVersion
from service.settings import Settings

SERVE = b"import pebble, sys\nprint(pebble.WORD, sys.flags.no_user_site, 'flask' in sys.modules)\n"


class Git:
    """Files by commit."""

    def __init__(self, commits):
        self.commits = commits

    def file(self, commit, path):
        return next((content for name, _, content in self.commits[commit] if name == path), None)

    def archive(self, commit, folder):
        for name, mode, content in self.commits[commit]:
            yield TreeEntry(name, "0" * 40, mode, len(content)), content


class Registry:
    """Files by version; counts how often a file is read."""

    def __init__(self, versions):
        self.versions = versions
        self.reads = 0

    def version(self, name, version):
        digest = hashlib.sha256(repr(self.files(name, version)).encode() + version.encode())
        return ModelVersion(name, version, None, (), digest.hexdigest(), None)

    def files(self, name, version):
        return tuple((path, len(content)) for path, content in self.versions[version].items())

    def read(self, name, version, path):
        self.reads += 1
        yield self.versions[version][path]


def wheel(folder, name="pebble", version="1.0", files=None):
    """A wheel like any other, with a paths file that would run code; returns its hash."""
    info = f"{name}-{version}.dist-info"
    content = {
        f"{name}.py": "WORD = 'pebble'\n",
        f"{name}-evil.pth": "import os; os.environ['EVIL'] = 'yes'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-say = {name}:say\n",
        **(files or {}),
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for path, text in content.items()
    )
    content[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in content.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder that is this machine's only package index."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    return tmp_path / "wheels"


@pytest.fixture
def lock(wheels):
    return f"pebble==1.0 \\\n    --hash=sha256:{wheel(wheels)}\n".encode()


@pytest.fixture
def build(tmp_path):
    """Builds here and now, with sources that the test gives; returns the image."""

    def built(recipe, home=tmp_path / "home", **sources):
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        said = []
        shop = Workshop(Layout(home), host_interpreter(), work, said.append)
        return assemble(shop, recipe, sources.__getitem__)

    return built


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    for running in (tmp_path / "home" / "builds").glob("*/running"):
        with exclusive(running):  # its process has ended
            pass
    discard(tmp_path / "home" / "images")


def code_recipe(commit="c1", lock="requirements.lock", run=("python", "serve.py")):
    labels = (("org.opencontainers.image.revision", commit),)
    return Recipe(f"wine-{commit}", CodeReference("git", commit, ""), None, lock, run, 8080, labels)


def model_recipe(version="1", run=("python", "-c", "pass"), name="m"):
    labels = (("segue.registered", f"churn/{version}"),)
    return Recipe(
        f"{name}-{version}", None, ModelReference("models", "churn", version), None, run, 8080, labels
    )


def commits(lock, **more):
    first = [("serve.py", 0o100644, SERVE), ("requirements.lock", 0o100644, lock)]
    return Git({"c1": first, **more})


def test_the_same_input_gives_the_same_digest_in_another_home(build, lock, tmp_path, home):
    image = build(code_recipe(), git=commits(lock), home=home)
    again = build(code_recipe(), git=commits(lock), home=tmp_path / "other")
    assert image.digest == again.digest
    assert dict(image.layers) == {"base": "cached", "env": "built", "code": "built"}


def test_a_code_only_change_takes_the_packages_from_before(build, lock, home):
    changed = [("serve.py", 0o100644, SERVE + b"\n"), ("requirements.lock", 0o100644, lock)]
    git = commits(lock, c2=changed)
    first, second = build(code_recipe(), git=git), build(code_recipe("c2"), git=git)
    assert dict(second.layers) == {"base": "cached", "env": "cached", "code": "built"}
    assert first.digest != second.digest
    assert dict(build(code_recipe("c2"), git=git).layers)["code"] == "cached"


def test_a_model_only_change_takes_the_packages_from_before(build, lock, home):
    models = Registry({n: {"requirements.lock": lock, "model.bin": n.encode()} for n in "12"})
    build(model_recipe("1"), models=models)
    second = build(model_recipe("2"), models=models)
    assert dict(second.layers) == {"base": "cached", "env": "cached", "model": "built"}
    reads = models.reads
    assert dict(build(model_recipe("2", name="again"), models=models).layers)["model"] == "cached"
    assert models.reads == reads + 1  # its lock file only


def test_files_that_are_mounted_are_an_image_of_their_own_and_no_layer(build, lock, home):
    files = {"requirements.lock": lock, "model/weights.bin": b"large"}
    models = Registry({"1": files, "2": {**files, "model/weights.bin": b"other"}})
    one, two = (build(replace(model_recipe(n), files="image"), models=models) for n in "12")
    assert [kind for kind, _ in one.layers] == ["base", "env", "model"]
    assert one.weights != two.weights
    weights = Layout(home).read(one.weights)
    (layer,) = weights["layers"]
    with tarfile.open(Layout(home).blob(layer["digest"])) as tar:
        assert tar.getnames() == ["model", "model/weights.bin", "requirements.lock"]
    assert layer["digest"] not in str(Layout(home).read(one.digest))
    assert (
        dict(build(replace(model_recipe("1", name="x"), files="image"), models=models).layers)["model"]
        == "cached"
    )
    elsewhere = build(replace(model_recipe("1"), files="elsewhere"), models=models)
    assert elsewhere.weights is None
    assert [kind for kind, _ in elsewhere.layers] == ["base", "env"]
    inside = build(model_recipe("1"), models=models)
    assert inside.weights is None
    assert "model" in dict(inside.layers)


def test_an_image_runs_with_its_own_packages_and_none_of_ours(build, lock, home):
    ready = unpack(home, build(code_recipe(), git=commits(lock)).digest)
    asks = (
        "import os, sys, importlib.util as u, pebble;"
        "print(pebble.WORD, u.find_spec('flask'), u.find_spec('pip'), os.environ.get('EVIL'), sys.prefix)"
    )
    command = ready.command(("python", "-c", asks))
    done = subprocess.run(
        command, env=ready.env, cwd=ready.workdir, check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[:4] == ["pebble", "None", "None", "None"]
    assert done.stdout.split()[4].startswith(str(home))
    assert subprocess.run(
        ready.argv, env=ready.env, cwd=ready.workdir, check=True, capture_output=True
    ).stdout


def test_unpacked_files_are_for_everybody_to_read_and_nobody_to_write(build, lock, home):
    ready = unpack(home, build(code_recipe(), git=commits(lock)).digest)
    for path in (home / "images" / "unpacked").glob("*/*/**/*"):
        assert path.stat().st_mode & 0o777 in {0o444, 0o555}
    assert not list(ready.root.rglob("*.pth"))
    script = (ready.root / "opt/segue/env/bin/pebble-say").read_text()
    assert script.startswith("#!/usr/bin/env python3\n")


def test_packages_are_compiled_ahead_of_time_and_never_executed(build, wheels, home, tmp_path):
    digest = wheel(
        wheels, files={"boom.py": f"open({str(tmp_path / 'ran')!r}, 'w')\n", "bad.py": "no python"}
    )
    image = build(code_recipe(), git=commits(f"pebble==1.0 --hash=sha256:{digest}\n".encode())).digest
    for _ in range(2):
        warm(home, image)
    ready = unpack(home, image)
    asks = "import pebble; print(pebble.__cached__, pebble.__spec__.loader.get_code('pebble') is not None)"
    done = subprocess.run(
        ready.command(("python", "-v", "-c", asks)),
        env=ready.env,
        cwd=ready.workdir,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "matches" in next(line for line in done.stderr.splitlines() if "pebble" in line and "pyc" in line)
    assert not (tmp_path / "ran").exists()
    for path in (home / "images" / "unpacked").glob("*/*/**/*"):
        assert path.stat().st_mode & 0o777 in {0o444, 0o555} or path.name == ".compiled"


def test_layers_are_unpacked_once(build, lock, home):
    git = commits(lock, c2=[("serve.py", 0o100644, b""), ("requirements.lock", 0o100644, lock)])
    one, two = (unpack(home, build(code_recipe(commit), git=git).digest) for commit in ("c1", "c2"))
    assert (one.root / "opt/segue/env").resolve() == (two.root / "opt/segue/env").resolve()
    assert unpack(home, one.root.name and f"sha256:{one.root.name}") == one


def test_a_damaged_layer_is_refused(build, lock, home):
    image = build(code_recipe(), git=commits(lock))
    manifest = open_image(home, image.digest).manifest
    blob = Layout(home).blob(manifest["layers"][-1]["digest"])
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(Refused, match="build the image again"):
        unpack(home, image.digest)
    assert not list((home / "images" / "unpacked").glob(".new-*"))


def test_commit_and_model_version_are_written_on_the_image(build, lock, home):
    image = open_image(home, build(code_recipe(), git=commits(lock)).digest)
    assert image.labels["org.opencontainers.image.revision"] == "c1"
    assert image.manifest["annotations"]["org.opencontainers.image.revision"] == "c1"
    assert image.labels["segue.base.python"] == host_interpreter().version
    index = json.loads((home / "images" / "index.json").read_bytes())
    assert [entry["digest"] for entry in index["manifests"]] == [image.digest]


def test_a_lock_file_without_hashes_is_refused_and_says_how_to_make_them(build, wheels, home):
    wheel(wheels)
    with pytest.raises(
        Refused, match=r"requirements.lock has no hashes; make one with: uv pip compile --generate"
    ):
        build(code_recipe(), git=commits(b"pebble==1.0\n"))


def test_a_wrong_hash_is_refused(build, wheels, home):
    wheel(wheels)
    with pytest.raises(Refused, match="could not be installed"):
        build(code_recipe(), git=commits(b"pebble==1.0 --hash=sha256:" + b"0" * 64 + b"\n"))


def test_a_source_distribution_is_never_built(build, wheels, tmp_path, home):
    wheels.mkdir()
    path = wheels / "gravel-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        setup = f"open({str(tmp_path / 'ran')!r}, 'w')\n".encode()
        for name, content in (
            ("setup.py", setup),
            ("PKG-INFO", b"Metadata-Version: 2.1\nName: gravel\nVersion: 1.0\n"),
        ):
            info = tarfile.TarInfo(f"gravel-1.0/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(Refused, match="could not be installed"):
        build(code_recipe(), git=commits(f"gravel==1.0 --hash=sha256:{digest}\n".encode()))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://example.com",
        "-r other.txt",
        "./a.whl",
        "pebble @ https://example.com/a.whl",
        "pebble>=1",
    ],
)
def test_a_lock_file_says_only_packages(build, lock, line, home):
    with pytest.raises(Refused, match=r"requirements.lock, line 3: .* is not a pinned package"):
        build(code_recipe(), git=commits(lock + line.encode() + b"\n"))


def test_pins_of_a_model_get_their_hashes_once(build, wheels, home):
    wheel(wheels)
    models = Registry({n: {"requirements.txt": b"pebble==1.0\n", "model.bin": n.encode()} for n in "12"})
    assert dict(build(model_recipe("1"), models=models).layers)["env"] == "built"
    (wheels / "pebble-1.0-py3-none-any.whl").unlink()
    assert dict(build(model_recipe("2"), models=models).layers)["env"] == "cached"


def test_a_model_for_the_scoring_server_has_to_name_mlflow(build, wheels, lock, home):
    models = Registry({"1": {"requirements.txt": b"pebble==1.0\n"}})
    with pytest.raises(Refused, match="add mlflow-skinny=="):
        build(model_recipe("1", run=("mlflow",)), models=models)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "a//b", "", "."])
def test_names_that_leave_the_folder_are_refused(build, lock, name, home):
    git = commits(lock, bad=[(name, 0o100644, b"x"), ("requirements.lock", 0o100644, lock)])
    with pytest.raises(Refused, match="would leave its folder"):
        build(code_recipe("bad"), git=git)
    with pytest.raises(Refused, match="would leave its folder"):
        build(model_recipe("1"), models=Registry({"1": {name: b"x"}}))


@pytest.mark.parametrize("target", ["../x", "/etc/passwd", "a/../../x", ""])
def test_links_that_leave_the_folder_are_refused(build, lock, target, home):
    git = commits(lock, bad=[("link", 0o120000, target.encode()), ("requirements.lock", 0o100644, lock)])
    with pytest.raises(Refused, match="link 'link' points"):
        build(code_recipe("bad"), git=git)


@pytest.mark.parametrize("evil", ["up", "absolute", "through a link", "hard link", "link out", "device"])
def test_a_layer_that_somebody_else_made_cannot_leave_its_folder(home, tmp_path, evil):
    """Unpacking does not trust what building has already refused."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:

        def add(name, content=b"evil", **facts):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for fact, value in facts.items():
                setattr(info, fact, value)
            tar.addfile(info, io.BytesIO(content))

        match evil:
            case "up":
                add("../out")
            case "absolute":
                add(str(tmp_path / "out"))
            case "through a link":
                add("a", b"", type=tarfile.SYMTYPE, linkname="b")
                add("a/out")
            case "hard link":
                add("a", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")
            case "link out":
                add("a", b"", type=tarfile.SYMTYPE, linkname="../../..")
            case "device":
                add("a", b"", type=tarfile.CHRTYPE)
    home.mkdir()
    (home / "layer").write_bytes(buffer.getvalue())
    (home / "images" / "to").mkdir(parents=True)
    digest = f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()}"
    with pytest.raises(Refused, match=r"would leave its folder|behind a link|neither a file"):
        layout._extract(
            home / "layer", digest, "application/vnd.oci.image.layer.v1.tar", home / "images" / "to"
        )
    assert not list(tmp_path.glob("**/out"))


def test_links_inside_and_executables_are_kept(build, lock, home):
    files = [("bin/go", 0o100755, b"#!/bin/sh\necho went\n"), ("go", 0o120000, b"bin/go")]
    git = commits(lock, c2=[*files, ("requirements.lock", 0o100644, lock)])
    ready = unpack(home, build(code_recipe("c2", run=("./go",)), git=git).digest)
    done = subprocess.run(ready.argv, env=ready.env, cwd=ready.workdir, check=True, capture_output=True)
    assert done.stdout == b"went\n"


def test_a_model_file_that_changes_while_it_is_read_is_refused(build, home):
    class Moving(Registry):
        def files(self, name, version):
            return (("model.bin", 3),)

    with pytest.raises(Refused, match="changed while it was read"):
        build(model_recipe("1"), models=Moving({"1": {"model.bin": b"four"}}))
    assert not list((home / "images" / "incoming").iterdir())


def ended(builder, name):
    deadline = time.monotonic() + 60
    while isinstance(state := builder.state(name), Working):
        assert time.monotonic() < deadline, builder.logs(name)
        time.sleep(0.02)
    return state


def plain_recipe(name="plain"):
    return Recipe(name, None, None, None, ("python", "-V"), 8080)


def test_a_killed_build_is_seen_as_dead_and_starts_anew(home, tmp_path):
    builder, images = OciBuilder.open(Settings(home=home)), Layout(home)
    images.prepare()
    with images.locked():  # it cannot finish before it is killed
        builder.start(plain_recipe())
        process = json.loads((home / "builds" / "plain" / "process.json").read_bytes())
        os.kill(process["pid"], signal.SIGKILL)
        state = ended(OciBuilder.open(Settings(home=home)), "plain")
    assert isinstance(state, Failed)
    assert state.reason == "the builder was killed"
    builder.start(plain_recipe())
    assert isinstance(ended(builder, "plain"), Image)


def test_another_process_finds_the_build_again(home):
    OciBuilder.open(Settings(home=home)).start(plain_recipe())
    assert isinstance(ended(OciBuilder.open(Settings(home=home)), "plain"), Image)


def test_a_burst_of_builds_with_the_same_packages_makes_them_once(home, wheels, lock):
    builder = OciBuilder.open(Settings(home=home))
    names = [f"plain-{number}" for number in range(8)]
    for name in names:
        builder.start(plain_recipe(name))
    layers = [dict(ended(builder, name).layers)["env"] for name in names]
    assert layers.count("built") == 1


def test_a_source_that_is_away_for_a_moment_is_asked_again(build, lock, home, tmp_path):
    class Away(Git):
        tries = 0

        def archive(self, commit, folder):
            self.tries += 1
            if self.tries < 3:
                raise Retry("the host is away", after=0.01)
            return super().archive(commit, folder)

    git, said = Away(commits(lock).commits), []
    (tmp_path / "work").mkdir()
    shop = Workshop(Layout(home), host_interpreter(), tmp_path / "work", said.append)
    image = patiently(lambda: assemble(shop, code_recipe(), lambda _: git), shop.log)
    assert dict(image.layers)["code"] == "built"
    assert said.count("waiting 0.01 s: the host is away") == 2


def test_builds_of_long_ago_are_forgotten_and_their_images_stay(home):
    builder = OciBuilder.open(Settings(home=home))
    builder.start(plain_recipe())
    image = ended(builder, "plain")
    with exclusive(home / "builds" / "plain" / "running"):
        assert forget_builds(home, age=3600) == 0
        assert forget_builds(home, age=-1) == 1
    assert builder.state("plain") == Gone()
    assert open_image(home, image.digest).digest == image.digest


def test_an_unknown_source_is_said(home):
    builder = OciBuilder.open(Settings(home=home))
    builder.start(replace(plain_recipe(), code=CodeReference("git", "c1", "")))
    state = ended(builder, "plain")
    assert isinstance(state, Failed)
    assert "there is no source 'git'" in state.reason


def test_an_image_that_was_removed_is_gone(home):
    builder = OciBuilder.open(Settings(home=home))
    builder.start(plain_recipe())
    image = ended(builder, "plain")
    Layout(home).blob(image.digest).unlink()
    assert not isinstance(builder.state("plain"), Image)


def test_a_login_in_an_index_address_stays_out_of_errors_and_files(build, wheels, home, monkeypatch):
    monkeypatch.delenv("UV_OFFLINE")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://robot:hunter2@127.0.0.1:1/simple")
    wheels.mkdir()
    with pytest.raises(Refused, match="could not be installed") as caught:
        build(code_recipe(), git=commits(b"pebble==1.0 --hash=sha256:" + b"0" * 64 + b"\n"))
    assert "hunter2" not in str(caught.value)
    for path in (home / "images").rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes()


def test_hundred_megabytes_of_new_model(build, lock, home):
    """Prints how long a model-only change takes; the number depends on the machine."""
    block = os.urandom(100 << 20)
    models = Registry(
        {"1": {"requirements.lock": lock}, "2": {"requirements.lock": lock, "model.bin": block}}
    )
    build(model_recipe("1"), models=models)
    begun = time.monotonic()
    image = build(model_recipe("2"), models=models)
    built = time.monotonic()
    ready = unpack(home, image.digest)
    print(f"built in {built - begun:.2f} s, unpacked in {time.monotonic() - built:.2f} s")
    assert (ready.root / "opt/segue/model/model.bin").stat().st_size == len(block)


class RegistryServer(BaseHTTPRequestHandler):
    """A tiny image registry that wants a token, and counts what is uploaded."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path.startswith("/v2/"):
            self.answer(404)
            return
        login = base64.b64encode(b"robot:secret").decode()
        self.answer(200 if self.headers["Authorization"] == f"Basic {login}" else 401, b'{"token": "t1"}')

    def do_HEAD(self):
        self.answer(200 if self.path.rpartition("/")[2] in self.server.blobs else 404)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(202, headers={"Location": "/v2/wine/blobs/uploads/u1?state=s"})

    def do_PUT(self):
        if self.headers["Transfer-Encoding"]:  # with a length beside it, real ones wait for chunks for ever
            self.close_connection = True
            self.answer(400)
            return
        content = self.rfile.read(int(self.headers["Content-Length"]))
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if "/manifests/" in self.path and self.server.unseen:
            self.server.unseen -= 1
            self.answer(
                400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}'
            )
            return
        if "/manifests/" in self.path:
            self.server.manifests[self.path.rpartition("/")[2]] = content
        elif self.path.endswith(f"state=s&digest={found}"):
            self.server.blobs[found] = content
        else:
            self.answer(400)
            return
        self.answer(201)

    def answer(self, status, body=b"", headers=None):
        if self.path.startswith("/v2/") and self.headers["Authorization"] != "Bearer t1":
            place = f"http://127.0.0.1:{self.server.server_port}/token"
            status, headers = 401, {"WWW-Authenticate": f'Bearer realm="{place}",service="r"'}
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def registry():
    server = ThreadingHTTPServer(("127.0.0.1", 0), RegistryServer)
    server.blobs, server.manifests, server.unseen = {}, {}, 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_image_is_pushed_whole_and_a_second_one_only_with_what_is_new(build, lock, home, registry):
    url = f"http://127.0.0.1:{registry.server_port}"
    git = commits(lock, c2=[("serve.py", 0o100644, b""), ("requirements.lock", 0o100644, lock)])
    image = build(code_recipe(), git=git).digest
    login = ("robot", "secret")
    assert (
        push(home, image, url, "wine", tag="latest", login=login)
        == f"127.0.0.1:{registry.server_port}/wine@{image}"
    )
    manifest = json.loads(registry.manifests[image])
    assert registry.manifests["latest"] == registry.manifests[image]
    assert {blob["digest"] for blob in (manifest["config"], *manifest["layers"])} == set(registry.blobs)
    before = set(registry.blobs)
    push(home, build(code_recipe("c2"), git=git).digest, url, "wine", login=login)
    assert len(set(registry.blobs) - before) == 2  # the code and the config


def test_a_registry_that_does_not_see_yet_what_it_has_is_asked_again_and_not_for_ever(
    build, lock, home, registry, monkeypatch
):
    """As one does while another push writes the same blob."""
    monkeypatch.setattr(pushing, "SETTLING", (0.01, 0.01, 0.01))
    image, login = build(code_recipe(), git=commits(lock)).digest, ("robot", "secret")
    url = f"http://127.0.0.1:{registry.server_port}"
    registry.unseen = 3
    push(home, image, url, "wine", login=login)
    assert image in registry.manifests
    registry.unseen = 4
    with pytest.raises(Refused, match="MANIFEST_BLOB_UNKNOWN"):
        push(home, image, url, "wine", login=login)


def test_a_registry_that_refuses_the_login_is_said_without_it(build, lock, home, registry):
    image = build(code_recipe(), git=commits(lock)).digest
    with pytest.raises(Refused, match="answered 401") as caught:
        push(home, image, f"http://127.0.0.1:{registry.server_port}", "wine", login=("robot", "hunter2"))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(Refused, match="no repository name"):
        push(home, image, "http://127.0.0.1:1", "Wine!")
    with pytest.raises(Retry, match="cannot be reached"):
        push(home, image, "http://127.0.0.1:1", "wine")


def test_a_build_has_finished_once_its_image_is_in_the_registry(home, registry):
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "login-images").write_text("robot:secret\n")
    url = f"http://127.0.0.1:{registry.server_port}/models"
    builder = OciBuilder.open(Settings(home=home, images=url))
    labels = (("segue.model", "wine"),)
    builder.start(Recipe("wine-1", None, None, None, ("python", "-V"), 8080, labels))
    image = ended(builder, "wine-1")
    assert isinstance(image, Image), builder.logs("wine-1")
    assert json.loads(registry.manifests[image.digest])["annotations"]["segue.model"] == "wine"
    assert registry.manifests["wine-1"] == registry.manifests[image.digest]
    assert "pushed 127.0.0.1" in builder.logs("wine-1")
    assert "secret" not in builder.logs("wine-1")


def test_model_files_that_are_mounted_are_in_the_registry_before_the_image(build, lock, home, registry):
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "login-images").write_text("robot:secret\n")
    settings = Settings(home=home, images=f"http://127.0.0.1:{registry.server_port}/models")
    recipe = replace(model_recipe("1"), files="image")
    image = build(recipe, models=Registry({"1": {"requirements.lock": lock, "weights.bin": b"large"}}))
    publish(settings, recipe, image, lambda _: None)
    pushed = [name for name in registry.manifests if name in {image.weights, image.digest}]
    assert pushed == [image.weights, image.digest]
    assert registry.manifests["m-1.weights"] == registry.manifests[image.weights]


def test_what_no_image_needs_is_removed_and_the_rest_still_runs(build, lock, home):
    git = commits(lock, c2=[("serve.py", 0o100644, SERVE), ("requirements.lock", 0o100644, lock)])
    kept = build(code_recipe(), git=git).digest
    lost = build(replace(code_recipe("c2"), port=9000), git=git).digest
    for digest in (kept, lost):
        unpack(home, digest)
    assert gc(home, {kept}).images == 0  # young, therefore kept
    removed = gc(home, {kept}, grace=-1)
    assert removed.images == 1
    with pytest.raises(Refused, match="there is no image blob"):
        unpack(home, lost)
    ready = unpack(home, kept)
    subprocess.run(ready.argv, env=ready.env, cwd=ready.workdir, check=True, capture_output=True)
    gc(home, (), grace=-1)
    assert not list((home / "images" / "blobs" / "sha256").iterdir())
    assert not list((home / "images" / "unpacked").iterdir())
    assert build(code_recipe(), git=git).digest == kept
    subprocess.run(unpack(home, kept).argv, env=ready.env, cwd=ready.workdir, check=True, capture_output=True)


MLFLOW = {
    "mlflow/__init__.py": "",
    "mlflow/utils/__init__.py": "",
    "mlflow/utils/proto_json_utils.py": (
        "import json\nNumpyEncoder = json.JSONEncoder\n"
        "def dataframe_from_parsed_json(value, pandas_orient, schema):\n"
        "    return value['data'] if pandas_orient == 'split' else [list(row.values()) for row in value]\n"
        "def parse_tf_serving_input(value, schema):\n    return next(iter(value.values()))\n"
    ),
    "mlflow/pyfunc.py": (
        "import os, time\n"
        "class Model:\n"
        "    metadata = type('M', (), {'get_input_schema': staticmethod(lambda: None)})\n"
        "    def __init__(self, factor): self.factor = factor\n"
        "    def predict(self, rows, params=None): return [sum(row) * self.factor for row in rows]\n"
        "def load_model(path):\n"
        "    assert os.path.realpath(path) == path, 'MLflow refuses files that lie elsewhere'\n"
        "    return Model(int(open(path + '/factor').read()))\n"
    ),
}


@pytest.fixture
def scoring(build, wheels, home):
    """The scoring server over real HTTP, with a small stand-in for mlflow-skinny; asks it."""
    digest = wheel(wheels, "mlflow_skinny", "3.0", MLFLOW)
    lock = f"mlflow-skinny==3.0 --hash=sha256:{digest}\n".encode()
    models = Registry({"1": {"requirements.lock": lock, "factor": b"2"}})
    ready = unpack(home, build(model_recipe("1", run=("mlflow",)), models=models).digest)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(ready.argv, env={**ready.env, "PORT": str(port)}, cwd=ready.workdir)
    with requests.Session() as session:

        def ask(method, path, body=None):
            return session.request(method, f"http://127.0.0.1:{port}{path}", data=body, timeout=10)

        deadline = time.monotonic() + 30
        while True:
            try:
                if ask("GET", "/healthz").status_code == 200:
                    break
            except requests.ConnectionError:
                assert time.monotonic() < deadline
            time.sleep(0.02)
        yield ask
    server.terminate()
    assert server.wait(15) == 0


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}},
        {"dataframe_records": [{"a": 1, "b": 2}]},
        {"inputs": [[1, 2]]},
        {"instances": [[1, 2]], "params": {}},
    ],
)
def test_the_scoring_server_takes_the_formats_of_mlflow(scoring, body):
    answer = scoring("POST", "/invocations", json.dumps(body))
    assert (answer.status_code, answer.json()) == (200, {"predictions": [6]})
    assert scoring("GET", "/ping").status_code == 200


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("nope", "not JSON"),
        ("[]", "send a JSON object with one of: dataframe_split"),
        ("{}", "send exactly one of"),
        ('{"inputs": [], "instances": []}', "found: inputs, instances"),
        ('{"inputs": [], "extra": 1}', "unknown fields: extra"),
        ('{"dataframe_split": 3}', "dataframe_split cannot be read"),
    ],
)
def test_a_request_that_cannot_be_read_is_a_400_that_says_why(scoring, body, why):
    answer = scoring("POST", "/invocations", body)
    assert answer.status_code == 400
    assert why in answer.json()["error"]


def test_a_model_that_fails_is_a_500_and_other_places_are_404(scoring):
    assert scoring("POST", "/invocations", '{"inputs": [["x"]]}').status_code == 500
    assert scoring("POST", "/other", "{}").status_code == 404
    assert scoring("GET", "/other").status_code == 404
    assert scoring("GET", "/healthz").status_code == 200
