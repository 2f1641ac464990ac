"""Writes layers: tar files whose bytes depend on nothing but the names and contents put in.

Entries come in the order of their names, with time, user and group zero and one of two modes. The
digest is taken while writing, in one pass. Names that could leave the layer are refused here, once
for all sources.
"""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import zstandard

from service.adapters.oci.blobs import Layout
from service.ports.outcomes import Refused

STORED = "application/vnd.oci.image.layer.v1.tar"
COMPRESSED = "application/vnd.oci.image.layer.v1.tar+zstd"
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Layer:
    """A finished layer; `path` is where its content begins, `uncompressed` the digest of the tar."""

    kind: str
    path: str
    digest: str
    uncompressed: str
    size: int
    media_type: str

    def facts(self) -> dict[str, Any]:
        """As a mapping, to be remembered."""
        return asdict(self)


def cached(layout: Layout, key: str) -> Layer | None:
    """The layer remembered under this key, if its blob is still there; it is then young again."""
    facts = layout.recall(key)
    if facts is None:
        return None
    layer = Layer(**facts)
    try:
        os.utime(layout.blob(layer.digest))
    except FileNotFoundError:
        return None
    return layer


class LayerWriter:
    """A layer that is being written. Leaving the `with` block well makes it a blob."""

    layer: Layer

    def __init__(self, layout: Layout, kind: str, path: str, *, compress: bool) -> None:
        self._layout = layout
        self._kind = kind
        self._path = path
        self._compress = compress
        self._folders: set[str] = set()
        self._links: set[str] = set()
        self._tar = hashlib.sha256()
        self._blob = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> Self:
        descriptor, name = tempfile.mkstemp(dir=self._layout.root / "incoming", prefix="layer-")
        self._temporary = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=1 << 20)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj() if self._compress else None
        self._add_folders(self._path.strip("/"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._file.close()
            self._temporary.unlink(missing_ok=True)

    def file(self, name: str, size: int, chunks: Iterable[bytes], *, executable: bool = False) -> None:
        """Add a file, streamed. Refused where the content is not as long as was said."""
        header = self._header(name)
        header.size = size
        header.mode = 0o755 if executable else 0o644
        self._write(header.tobuf(tarfile.PAX_FORMAT))
        written = 0
        for chunk in chunks:
            written += len(chunk)
            if written > size:
                break
            self._write(chunk)
        if written != size:
            raise Refused(f"{name!r} changed while it was read: {size} bytes were announced")
        self._write(b"\0" * (-size % 512))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link; refused where it points out of the layer's content."""
        if not inside(name, target):
            raise Refused(f"the link {name!r} points to {target!r}; make it relative, inside the folder")
        header = self._header(name)
        header.type = tarfile.SYMTYPE
        header.linkname = target
        header.mode = 0o777
        self._links.add(header.name)
        self._write(header.tobuf(tarfile.PAX_FORMAT))

    def _header(self, name: str) -> tarfile.TarInfo:
        full = "/".join(filter(None, (self._path.strip("/"), safe(name))))
        folder = full.rpartition("/")[0]
        self._add_folders(folder)
        if full in self._folders or full in self._links:
            raise Refused(f"{name!r} is there twice")
        return tarfile.TarInfo(full)

    def _add_folders(self, folder: str) -> None:
        if not folder or folder in self._folders:
            return
        self._add_folders(folder.rpartition("/")[0])
        if folder in self._links:
            raise Refused(f"{folder!r} is a link and a folder at once")
        self._folders.add(folder)
        header = tarfile.TarInfo(folder)
        header.type = tarfile.DIRTYPE
        header.mode = 0o755
        self._write(header.tobuf(tarfile.PAX_FORMAT))

    def _write(self, content: bytes) -> None:
        self._tar.update(content)
        if self._compressor is not None:
            content = self._compressor.compress(content)
            self._blob.update(content)
        self._size += len(content)
        self._file.write(content)

    def _finish(self) -> None:
        self._write(b"\0" * 1024)
        if self._compressor is not None:
            rest = self._compressor.flush()
            self._blob.update(rest)
            self._size += len(rest)
            self._file.write(rest)
        self._file.close()
        uncompressed = f"sha256:{self._tar.hexdigest()}"
        digest = f"sha256:{self._blob.hexdigest()}" if self._compress else uncompressed
        self._layout.keep(self._temporary, digest)
        media = COMPRESSED if self._compress else STORED
        self.layer = Layer(self._kind, self._path, digest, uncompressed, self._size, media)


def safe(name: str) -> str:
    """The name, if it stays inside a folder. Raises `Refused` for `..`, absolute and odd names."""
    parts = name.split("/")
    if not name or "\0" in name or any(part in {"", ".", ".."} for part in parts):
        raise Refused(f"the file name {name!r} would leave its folder; rename it")
    return name


def inside(name: str, target: str) -> bool:
    """Whether a link of that name, pointing there, stays below the folder that names begin in."""
    if not target or target.startswith("/") or "\0" in target:
        return False
    parts = list(PurePosixPath(name).parent.parts)
    for part in PurePosixPath(target).parts:
        if part == ".." and not parts:
            return False
        parts = parts[:-1] if part == ".." else [*parts, part]
    return True
