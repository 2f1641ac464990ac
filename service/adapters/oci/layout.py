"""Images made ready to run on this host: each layer unpacked once, an image is a folder of links.

`<home>/images/unpacked/<layer>` is shared by all images with that layer, `<home>/images/roots/<image>`
links to the layers at their places in the image. Everything is readable by any user and writable by
none. Python is the host's interpreter through a virtual environment of the image's own, so that
neither Segue's packages nor the host's are visible, and no paths file is executed.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from service.adapters.oci.assembling import KIND, PATH
from service.adapters.oci.bases import FOUNDATION
from service.adapters.oci.blobs import Layout, exclusive
from service.adapters.oci.interpreter import Interpreter, host_interpreter
from service.adapters.oci.layers import COMPRESSED, STORED, inside, safe
from service.ports.outcomes import Refused

_PYTHON = "opt/segue/python"
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class OpenImage:
    """An image's manifest and config, checked against their digests."""

    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]

    @property
    def labels(self) -> dict[str, str]:
        """The image's labels."""
        found: dict[str, str] = self.config["config"].get("Labels") or {}
        return found


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What to run: all paths are of this host. `env` is complete but for HOME and the like."""

    root: Path
    env: dict[str, str]
    argv: tuple[str, ...]
    workdir: Path

    def command(self, run: tuple[str, ...]) -> tuple[str, ...]:
        """Another command inside the image, its paths and its Python made those of this host."""
        return tuple(_word(self.root, word, first=number == 0) for number, word in enumerate(run))


def open_image(home: Path, digest: str) -> OpenImage:
    """An image of the layout. Raises `Refused` where it is not there or damaged."""
    layout = Layout(home)
    try:
        manifest = layout.read(digest)
        return OpenImage(digest, manifest, layout.read(manifest["config"]["digest"]))
    except (LookupError, ValueError) as error:
        raise Refused(f"the image {digest} cannot be used: {error}") from error


def unpack(home: Path, digest: str) -> Unpacked:
    """Make the image ready to run; quick where its layers were unpacked before.

    Safe to call from several processes at once. Raises `Refused` for an image that is damaged or
    was built for another Python than this host's.
    """
    image, interpreter = open_image(home, digest), host_interpreter()
    _fits(image, interpreter)
    layout = Layout(home)
    root = layout.root / "roots" / digest.removeprefix("sha256:")
    if not root.exists():
        _link_layers(layout, image, interpreter, root)
    config = image.config["config"]
    env = dict(entry.split("=", 1) for entry in config.get("Env") or ())
    env = {name: _placed(root, value) for name, value in env.items()}
    bins = [root / _PYTHON / "bin", root / "opt/segue/env/bin"]
    env["PATH"] = ":".join([*map(str, bins), _SYSTEM_PATH])
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    workdir = Path(_placed(root, config.get("WorkingDir") or "/opt/segue"))
    bare = Unpacked(root, env, (), workdir)
    argv = bare.command((*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())))
    return Unpacked(root, env, argv, workdir)


def discard(folder: Path) -> None:
    """Remove an unpacked folder, though it is not writable."""
    if not folder.exists():
        return
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o755)
    shutil.rmtree(folder)


def _fits(image: OpenImage, interpreter: Interpreter) -> None:
    wanted = image.labels.get("segue.base.python", "")
    here = interpreter.version
    if wanted.split(".")[:2] != here.split(".")[:2]:
        raise Refused(
            f"the image {image.digest} is for Python {wanted}, this host has {here}; build it again"
        )


def _link_layers(layout: Layout, image: OpenImage, interpreter: Interpreter, root: Path) -> None:
    with _made_whole(root) as new:
        for layer in image.manifest["layers"]:
            notes = layer.get("annotations") or {}
            if KIND not in notes:
                raise Refused(f"the image {image.digest} was not built by Segue")
            if notes[KIND] == FOUNDATION:
                continue
            place = notes[PATH].strip("/")
            unpacked = _unpacked(layout, layer)
            (new / place).parent.mkdir(parents=True, exist_ok=True)
            (new / place).symlink_to(unpacked / place)
        _make_python(new / _PYTHON, root / _PYTHON, interpreter)


def _make_python(folder: Path, final: Path, interpreter: Interpreter) -> None:
    """A virtual environment without any package, made by hand: a note and links."""
    (folder / "bin").mkdir(parents=True)
    short = ".".join(interpreter.version.split(".")[:2])
    (folder / "lib" / f"python{short}" / "site-packages").mkdir(parents=True)
    for name in ("python", "python3", f"python{short}"):
        (folder / "bin" / name).symlink_to(interpreter.path)
    (folder / "pyvenv.cfg").write_text(
        f"home = {interpreter.path.parent}\ninclude-system-site-packages = false\n"
        f"version = {interpreter.version}\nprompt = {final.parent.name}\n"
    )


def _unpacked(layout: Layout, layer: dict[str, Any]) -> Path:
    digest = str(layer["digest"])
    folder = layout.root / "unpacked" / digest.removeprefix("sha256:")
    if not folder.exists():
        locks = layout.root / "locks"
        locks.mkdir(exist_ok=True)
        with exclusive(locks / folder.name):  # two at once would only be slower
            if not folder.exists():
                with _made_whole(folder) as new:
                    _extract(layout.blob(digest), digest, layer["mediaType"], new)
    return folder


def _extract(blob: Path, digest: str, media_type: str, folder: Path) -> None:
    if media_type not in {STORED, COMPRESSED}:
        raise Refused(f"the layer {digest} is of an unknown type: {media_type}")
    try:
        with blob.open("rb") as file:
            counted = _Hashing(file)
            plain = cast("IO[bytes]", counted)  # the one method of it that is used
            if media_type == COMPRESSED:
                plain = cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(plain))
            with tarfile.open(fileobj=plain, mode="r|", bufsize=1 << 20) as tar:
                for member in tar:
                    _take(tar, member, folder)
            while plain.read(1 << 20):
                pass  # the end of the file belongs to the digest, too
    except (OSError, tarfile.TarError, zstandard.ZstdError) as error:
        raise Refused(f"the layer {digest} cannot be unpacked: {error}; build the image again") from error
    if counted.digest() != digest:
        raise Refused(f"the layer {digest} is damaged; remove {blob} and build the image again")
    for path, _, _ in os.walk(folder, topdown=False):
        Path(path).chmod(0o755 if Path(path) == folder else 0o555)


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Unpack one member, for everybody to read and nobody to write; what we never write is refused.

    Not `extractall`: its filters are missing from the Python 3.11 of Debian 12.
    """
    path = folder.joinpath(safe(member.name))
    if any(parent.is_symlink() for parent in path.parents if parent != folder) or path.is_symlink():
        raise Refused(f"{member.name!r} lies behind a link")
    content = tar.extractfile(member) if member.isreg() else None
    if member.isdir():
        path.mkdir()
    elif member.issym() and inside(member.name, member.linkname):
        path.symlink_to(member.linkname)
    elif content is not None:
        mode = 0o555 if member.mode & 0o100 else 0o444
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb"
        ) as file:
            shutil.copyfileobj(content, file, 1 << 20)
            os.fchmod(file.fileno(), mode)
    else:
        raise Refused(f"{member.name!r} is neither a file nor a folder nor a link inside the layer")


@contextmanager
def _made_whole(folder: Path) -> Iterator[Path]:
    """A new folder that takes its place when it is finished, unless another was quicker."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o755)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        yield new
        new.chmod(0o755)
        try:
            new.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        discard(new)


def _placed(root: Path, value: str) -> str:
    """An absolute path of the image as one of this host; anything else as it is.

    Links of layers are followed here: programs that compare real paths, MLflow for one, refuse files
    that seem to lie elsewhere.
    """
    if value not in {"/app", "/opt/segue"} and not value.startswith(("/app/", "/opt/segue/")):
        return value
    parts = value.strip("/").split("/")
    for length in range(len(parts), 0, -1):
        place = root.joinpath(*parts[:length])
        if place.is_symlink() and place.readlink().is_relative_to(root.parent.parent / "unpacked"):
            return str(place.readlink().joinpath(*parts[length:]))
    return str(root.joinpath(*parts))


def _word(root: Path, word: str, *, first: bool) -> str:
    if first and word in {"python", "python3"}:
        return str(root / _PYTHON / "bin" / word)
    return _placed(root, word)


class _Hashing:
    """A file whose digest is taken while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._hash.update(content)
        return content

    def digest(self) -> str:
        """The digest of what was read so far."""
        return f"sha256:{self._hash.hexdigest()}"
