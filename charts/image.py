"""Builds Segue's own image with Segue's own builder: `python charts/image.py --push http://registry.example/segue`.

No container engine and no public registry is needed. Layers: base (Debian's essential packages, Python
and git, made by mmdebstrap), python (a virtual environment), env (the pinned packages), bytecode (theirs,
compiled ahead: the image's root is read-only, so nothing could keep it later), code (Segue). The same
inputs give the same digest.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

import zstandard
from uv import find_uv_bin

from service.adapters.oci import installing, locks
from service.adapters.oci.assembling import KIND, PATH
from service.adapters.oci.blobs import MANIFEST, Layout, canonical
from service.adapters.oci.interpreter import Interpreter, host_interpreter
from service.adapters.oci.layers import COMPRESSED, Layer, LayerWriter, cached
from service.adapters.oci.push import push
from service.adapters.oci.workshop import Workshop
from service.ports.outcomes import PortError, Refused

ROOT = Path(__file__).resolve().parent.parent
CODE = "/opt/segue/code"
PYTHON = "/opt/segue/python"
HOME = "/var/lib/segue"
USER = 10001
EPOCH = "1700000000"  # the time that everything in the image has
PACKAGES = "python3,git,ca-certificates,libstdc++6,tzdata"  # numpy and Celery need the last two
LEFT_OUT = ("doc", "man", "locale", "info", "lintian")
SCRIPT = b"#!/opt/segue/python/bin/python3\nfrom service.cli import main\n\nmain()\n"


def build(home: Path, base: Path | None = None, suite: str = "bookworm", *, fresh: bool = False) -> str:
    """Make the image in the OCI layout `<home>/images`; its digest."""
    layout = Layout(home)
    layout.prepare()
    with tempfile.TemporaryDirectory() as scraps:
        work = Path(scraps)
        shop = Workshop(layout, host_interpreter(), work, say)
        bottom, program = from_tar(shop, base) if base else from_debian(shop, suite, fresh=fresh)
        env = env_layer(shop)
        layers = [
            bottom,
            python_layer(layout, program, shop.interpreter),
            env,
            bytecode_layer(shop, env),
            code_layer(shop),
        ]
    digest = manifest(layout, shop.interpreter, layers)
    layout.name("segue", digest)
    for layer in layers:
        say(f"{layer.kind:9} {layer.size / 1e6:7.1f} MB  {layer.digest}")
    return digest


def say(line: str) -> None:
    """Words to whoever waits."""
    if line:
        print(line, file=sys.stderr, flush=True)


# --- base ------------------------------------------------------------------------------------


def from_debian(shop: Workshop, suite: str, *, fresh: bool) -> tuple[Layer, str]:
    """Debian's layer and its Python: the one that was made here before, unless a fresh one is wanted."""
    facts = {"suite": suite, "packages": PACKAGES, "python": shop.interpreter.version, "form": 1}
    key = "debian-" + hashlib.sha256(canonical(facts)).hexdigest()
    known = None if fresh else cached(shop.layout, key)
    if known is not None:
        return known, str((shop.layout.recall(f"{key}-python") or {})["program"])
    layer, program = from_tar(shop, debian(shop.work / "base.tar", suite))
    shop.layout.remember(f"{key}-python", {"program": program})
    shop.layout.remember(key, layer.facts())
    return layer, program


def from_tar(shop: Workshop, base: Path) -> tuple[Layer, str]:
    """A root file system as a layer, and where its Python is."""
    program = python_of(base, shop.interpreter)
    return raw_layer(shop.layout, base), program


def debian(path: Path, suite: str) -> Path:
    """A root file system with Python and git. Raises `Refused` where it cannot be made."""
    user = f"segue:x:{USER}:{USER}:Segue:{HOME}:/usr/sbin/nologin"
    hooks = [
        f'echo "{user}" >> "$1/etc/passwd"; echo "segue:x:{USER}:" >> "$1/etc/group"',
        f'install -d -m 0750 -o {USER} -g {USER} "$1{HOME}"',
    ]
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
    command = [
        "mmdebstrap", "--quiet", "--variant=essential", f"--include={PACKAGES}",
        '--aptopt=APT::Install-Recommends "false"', *excluded,
        *(f"--customize-hook={hook}" for hook in hooks), suite, str(path),
    ]  # fmt: skip
    say(f"base: Debian {suite} by mmdebstrap")
    try:
        subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    except FileNotFoundError:
        raise Refused(
            "mmdebstrap is missing: apt install mmdebstrap, or give a root file system: --base FILE.tar"
        ) from None
    except subprocess.CalledProcessError as error:
        raise Refused(f"mmdebstrap failed ({error.returncode}); what it printed says why") from None
    return path


def python_of(base: Path, interpreter: Interpreter) -> str:
    """Where the base has its Python: packages are chosen for the one that runs this, so it must be the same.

    Raises `Refused` where it is not, or where there is no git.
    """
    with tarfile.open(base) as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    short = ".".join(interpreter.version.split(".")[:2])
    pythons = sorted(n for n in names if re.fullmatch(r"usr(/local)?/bin/python3\.\d+", n))
    fitting = [name for name in pythons if name.endswith(f"python{short}")]
    if not fitting:
        raise Refused(
            f"the base has {', '.join(pythons) or 'no Python'}, this interpreter is Python {short}; run this"
            " with the base's version, or choose another suite (bookworm: 3.11, trixie: 3.13)"
        )
    if not {"usr/bin/git", "usr/local/bin/git"} & names:
        raise Refused("the base has no git; add it, or leave --base out")
    return fitting[0]


def python_layer(layout: Layout, program: str, interpreter: Interpreter) -> Layer:
    """A virtual environment, made by hand, that finds the packages and the code whoever starts it: variables
    of an interpreter's own do not reach the processes that Segue starts."""
    short = ".".join(interpreter.version.split(".")[:2])
    folder = PYTHON.lstrip("/")
    up = "../" * len(Path(folder, "bin").parts)
    texts = {
        "pyvenv.cfg": f"home = /{Path(program).parent}\ninclude-system-site-packages = false\n",
        f"lib/python{short}/site-packages/segue.pth": f"{CODE}\n{installing.ENV}\n",
    }
    with LayerWriter(layout, "python", "/", compress=True) as writer:
        for name in ("python", "python3"):
            writer.link(f"{folder}/bin/{name}", f"{up}{program}")
        for name, text in texts.items():
            writer.file(f"{folder}/{name}", len(text), [text.encode()])
    return writer.layer


def raw_layer(layout: Layout, tar: Path) -> Layer:
    """The file system as a layer as it is: it has links and modes that no layer of ours may have."""
    plain, packed, size = hashlib.sha256(), hashlib.sha256(), 0
    compressor = zstandard.ZstdCompressor(level=9).compressobj()
    with (
        tempfile.NamedTemporaryFile(dir=layout.root / "incoming", delete=False) as out,
        tar.open("rb") as file,
    ):
        for chunk in [*iter(lambda: file.read(1 << 20), b""), None]:
            content = compressor.flush() if chunk is None else compressor.compress(chunk)
            plain.update(chunk or b"")
            packed.update(content)
            size += len(content)
            out.write(content)
    digest = f"sha256:{packed.hexdigest()}"
    layout.keep(Path(out.name), digest)
    return Layer("base", "/", digest, f"sha256:{plain.hexdigest()}", size, COMPRESSED)


# --- packages --------------------------------------------------------------------------------


def env_layer(shop: Workshop) -> Layer:
    """The packages of `requirements/app.txt`, without the router and broker of a machine on its own."""
    path = ROOT / "requirements" / "app.txt"
    pins = tuple(pin for pin in locks.pins(path.read_bytes(), path.name) if pin.name not in embedded())
    say(f"env: {len(pins)} packages")
    layer, _ = installing.env_layer(shop, locks.written(pins).encode(), pins)
    return layer


def embedded() -> set[str]:
    """The packages of the extra `embedded`: pods have a router, and no broker of their own."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return {re.split(r"[^A-Za-z0-9-]", line)[0] for line in extras["embedded"]}


def bytecode_layer(shop: Workshop, env: Layer) -> Layer:
    """What the env layer's modules compile to."""
    key = f"bytecode-{shop.interpreter.version}-{env.digest.removeprefix('sha256:')}"
    known = cached(shop.layout, key)
    if known is not None:
        return known
    say("bytecode")
    folder = shop.work / "env"
    with shop.layout.blob(env.digest).open("rb") as file:
        plain = cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(file))
        with tarfile.open(fileobj=plain, mode="r|") as tar:
            tar.extractall(folder, filter="data")
    compile_all(shop, folder / installing.ENV.lstrip("/"), installing.ENV)
    layer = written(shop.layout, "bytecode", installing.ENV, folder / installing.ENV.lstrip("/"), "*.pyc")
    shop.layout.remember(key, layer.facts())
    return layer


def compile_all(shop: Workshop, folder: Path, place: str) -> None:
    """Compile for that place in the image. Some packages carry files that are no Python of this version."""
    modes = ["-q", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", place]
    command = [str(shop.interpreter.path), "-I", "-S", "-m", "compileall", *modes, str(folder)]
    subprocess.run(command, check=False, capture_output=True, env={"PYTHONHASHSEED": "0"})


def code_layer(shop: Workshop) -> Layer:
    """Segue as its wheel has it: the packages, and the list of adapters that they are found by."""
    command = [find_uv_bin(), "build", "--wheel", "--quiet", "--no-build-isolation", "--out-dir"]
    python = ["--python", sys.executable]
    environ = {**installing.machine(os.environ), "SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run([*command, str(shop.work), *python, str(ROOT)], check=True, env=environ)
    (wheel,) = shop.work.glob("segue-*.whl")
    folder = shop.work / "code"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    compile_all(shop, folder, CODE)
    (folder / "bin").mkdir()
    (folder / "bin" / "segue").write_bytes(SCRIPT)
    (folder / "bin" / "segue").chmod(0o755)
    return written(shop.layout, "code", CODE, folder, "*")


def written(layout: Layout, kind: str, place: str, folder: Path, pattern: str) -> Layer:
    """A layer of the folder's files of that pattern."""
    with LayerWriter(layout, kind, place, compress=True) as writer:
        for name, path in files(folder, pattern):
            content = path.read_bytes()
            writer.file(name, len(content), [content], executable=bool(path.stat().st_mode & 0o100))
    return writer.layer


def files(folder: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    """Names and paths in the order of the names."""
    found = ((path.relative_to(folder).as_posix(), path) for path in folder.rglob(pattern) if path.is_file())
    return iter(sorted(found))


# --- image -----------------------------------------------------------------------------------


def manifest(layout: Layout, interpreter: Interpreter, layers: list[Layer]) -> str:
    """Config and manifest over the layers; the manifest's digest."""
    config = canonical(configuration(interpreter, layers))
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": layout.put(config),
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": layer.media_type,
                "digest": layer.digest,
                "size": layer.size,
                "annotations": {KIND: layer.kind, PATH: layer.path},
            }
            for layer in layers
        ],
    }
    return layout.put(canonical(body))


def configuration(interpreter: Interpreter, layers: list[Layer]) -> dict[str, Any]:
    """How the image runs: as a user of its own, with its home on a volume."""
    env = {
        "HOME": "/tmp",  # noqa: S108  the only folder beside the volume that can be written
        "PATH": f"{CODE}/bin:{PYTHON}/bin:{installing.ENV}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "SEGUE_HOME": HOME,
    }
    return {
        "architecture": interpreter.architecture,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "Env": [f"{name}={value}" for name, value in sorted(env.items())],
            "Entrypoint": ["segue"],
            "Cmd": ["up"],
            "WorkingDir": "/",
            "Labels": {"org.opencontainers.image.title": "segue"},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.uncompressed for layer in layers]},
        "history": [{"created_by": f"segue: {layer.kind} layer"} for layer in layers],
    }


def send(home: Path, digest: str, where: str, tag: str, login: Path | None) -> str:
    """Push the image; its reference. `login` is a file that says `user:password`."""
    parts = urlsplit(where)
    if parts.scheme not in {"http", "https"} or not parts.path.strip("/"):
        raise Refused(f"{where!r} names no repository; write one such as https://registry.example/segue")
    user, _, password = login.read_text().strip().partition(":") if login else ("", "", "")
    pair = (user, password) if login else None
    registry = f"{parts.scheme}://{parts.netloc}"
    return push(home, digest, registry, parts.path.strip("/"), tag=tag, login=pair)


def main() -> int:
    """Read the arguments, build, push where asked to; print the digest or the reference."""
    parser = argparse.ArgumentParser(description="Build Segue's image without a container engine.")
    parser.add_argument("--home", type=Path, default=ROOT / ".image", help="the OCI layout is HOME/images")
    parser.add_argument("--base", type=Path, help="a root file system as a tar file, instead of Debian's")
    parser.add_argument("--suite", default="bookworm", help="the Debian release of the base")
    parser.add_argument("--fresh", action="store_true", help="with Debian's updates since the last time")
    parser.add_argument("--push", metavar="URL", help="such as https://registry.example/segue")
    parser.add_argument("--tag", default="latest", help="the tag to push as")
    parser.add_argument("--login", type=Path, help="a file that says user:password")
    given = parser.parse_args()
    try:
        digest = build(given.home.absolute(), given.base, given.suite, fresh=given.fresh)
        told = send(given.home, digest, given.push, given.tag, given.login) if given.push else digest
    except PortError as reason:
        say(f"image: {reason}")
        return 1
    print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
