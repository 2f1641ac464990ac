"""Images for tests, built here with Segue's own layers and pushed to a registry the cluster can read.

Which files an image holds decides its digest; the same image is neither built nor pushed twice.
"""

import hashlib
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

from service.adapters.oci.blobs import MANIFEST, Layout, canonical
from service.adapters.oci.layers import Layer, LayerWriter, cached
from service.adapters.oci.push import push
from tests.cluster import interpreter

_CONFIG = "application/vnd.oci.image.config.v1+json"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_SERVER = Path(__file__).parent / "model" / "server.py"
Files = Mapping[str, Path | bytes]


class Images:
    """Images of one registry: `home` keeps layers for the next run."""

    def __init__(self, home: Path, registry: str) -> None:
        self.home = home
        self.layout = Layout(home)
        self.layout.prepare()
        self.registry = registry

    def model(self, version: str, repository: str = "model", **behaviour: object) -> str:
        """A model server, by digest. `behaviour`: see `model/server.py`, as in `error_rate=0.05`."""
        env = {"VERSION": version, **{name.upper(): str(value) for name, value in behaviour.items()}}
        return self.python(repository, {"app/server.py": _SERVER}, ["/app/server.py"], env)

    def python(
        self, repository: str, files: Files, arguments: list[str], env: Mapping[str, str] | None = None
    ) -> str:
        """An image with the tests' interpreter and these files, which runs it with `arguments`."""
        program = interpreter.executable()
        layers = [self._base(), self._layer("code", files)]
        path = {"PATH": f"{program.parent}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        return self._push(repository, layers, [str(program), *arguments], {**path, **(env or {})})

    def base(self) -> str:
        """An image for SEGUE_BASE: the tests' interpreter as `python`, by digest."""
        return self.python_with("python", {})

    def python_with(self, repository: str, files: Files) -> str:
        """An image with the tests' interpreter as `python`, and these files."""
        program = interpreter.executable()
        with LayerWriter(self.layout, "link", "/", compress=False) as writer:
            writer.link("usr/local/bin/python", os.path.relpath(program, "/usr/local/bin"))
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION": platform.python_version()}
        more = [self._layer("more", files)] if files else []
        return self._push(repository, [self._base(), writer.layer, *more], ["python"], env)

    def of(self, repository: str, layers: list[Layer]) -> str:
        """An image of these layers, by digest."""
        return self._push(repository, layers, [], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def files(self, repository: str, files: Files) -> str:
        """An image with these files and nothing to run, by digest."""
        return self._push(repository, [self._layer("files", files)], [], {})

    def program(self, repository: str, program: Path, name: str) -> str:
        """An image with one program of this machine, as `/name`, and the libraries that it loads."""
        libraries = {str(path).lstrip("/"): path for path in interpreter.linked([program])}
        layers = [self._layer("program", {**libraries, name: program, "tmp/.keep": b""})]
        return self._push(repository, layers, [f"/{name}"], {})

    def _base(self) -> Layer:
        return self._layer("base", dict(interpreter.files()))

    def _layer(self, kind: str, files: Files) -> Layer:
        key = f"{kind}-{_fingerprint(files)}"
        if (known := cached(self.layout, key)) is not None:
            return known
        with LayerWriter(self.layout, kind, "/", compress=False) as writer:
            for name, content in sorted(files.items()):
                _add(writer, name, content)
        self.layout.remember(key, writer.layer.facts())
        return writer.layer

    def also(self, reference: str, registry: str) -> str:
        """Push an image of ours to another registry, too (its URL); the reference there."""
        _, _, named = reference.partition("/")
        repository, _, digest = named.partition("@")
        return push(self.home, digest, registry, repository)

    def _push(self, repository: str, layers: list[Layer], entry: list[str], env: Mapping[str, str]) -> str:
        config = canonical(
            {
                "architecture": _MACHINES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "config": {
                    "Entrypoint": entry,
                    "Env": [f"{name}={value}" for name, value in sorted(env.items())],
                    "User": "65532:65532",
                    "WorkingDir": "/",
                },
                "rootfs": {"type": "layers", "diff_ids": [layer.uncompressed for layer in layers]},
                # Optional by the specification; Buildah builds on no image without it.
                "history": [{"created_by": f"tests: {layer.kind} layer"} for layer in layers],
            }
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": self.layout.put(config), "size": len(config)},
            "layers": [
                {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
                for layer in layers
            ],
        }
        digest = self.layout.put(canonical(manifest))
        return self.pushed(digest, repository)

    def pushed(self, digest: str, repository: str) -> str:
        """Push what was made; its reference."""
        return push(self.home, digest, f"http://{self.registry}", repository)


def _add(writer: LayerWriter, name: str, content: Path | bytes) -> None:
    if isinstance(content, bytes):
        writer.file(name, len(content), [content])
        return
    status = content.stat()
    writer.file(name, status.st_size, _chunks(content), executable=bool(status.st_mode & 0o100))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk


def _fingerprint(files: Files) -> str:
    facts = [
        (name, hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else _seen(content))
        for name, content in sorted(files.items())
    ]
    return hashlib.sha256(canonical(facts)).hexdigest()


def _seen(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_mode]
