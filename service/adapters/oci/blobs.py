"""The OCI image layout in `<home>/images`: blobs by digest, and an index of the images by name.

Blobs are written beside their place and renamed into it, so a blob that is there is whole. The
index is changed under a lock. Nothing here knows what an image is made of.
"""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
NAME = "org.opencontainers.image.ref.name"


class Layout:
    """One OCI image layout, with a folder of facts worth remembering beside it."""

    def __init__(self, home: Path) -> None:
        self.root = home / "images"

    def prepare(self) -> None:
        """Make the folders and the file that marks an OCI layout."""
        for folder in ("blobs/sha256", "incoming", "cache", "locks"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        if not (self.root / "oci-layout").exists():
            write_whole(self.root / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    def blob(self, digest: str) -> Path:
        """Where the blob of that digest lies, or would lie."""
        algorithm, _, value = digest.partition(":")
        if algorithm != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise ValueError(f"{digest!r} is not a digest; write sha256: and 64 hexadecimal digits")
        return self.root / "blobs" / "sha256" / value

    def keep(self, temporary: Path, digest: str) -> None:
        """Take a finished file of `incoming` in as the blob of that digest."""
        temporary.chmod(0o644)
        temporary.replace(self.blob(digest))

    def put(self, content: bytes) -> str:
        """Store a small blob; returns its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        write_whole(self.blob(digest), content)
        return digest

    def read(self, digest: str) -> Any:
        """The JSON of a blob, checked against its digest. Raises `LookupError`, `ValueError`."""
        path = self.blob(digest)
        if not path.is_file():
            raise LookupError(f"there is no image blob {digest} in {self.root}")
        content = path.read_bytes()
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise ValueError(f"the blob {digest} is damaged; remove {path} and build again")
        return json.loads(content)

    def remember(self, key: str, facts: dict[str, Any]) -> None:
        """Keep what was learnt under a key, for the next build."""
        write_whole(self.root / "cache" / f"{key}.json", canonical(facts))

    def recall(self, key: str) -> dict[str, Any] | None:
        """What is known under a key."""
        path = self.root / "cache" / f"{key}.json"
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found

    def images(self) -> list[dict[str, Any]]:
        """The descriptors of the index."""
        path = self.root / "index.json"
        if not path.is_file():
            return []
        found: list[dict[str, Any]] = json.loads(path.read_bytes())["manifests"]
        return found

    def name(self, name: str, digest: str) -> None:
        """Let the name mean this image."""
        with self.locked():
            others = [entry for entry in self.images() if entry["annotations"][NAME] != name]
            entry = {
                "mediaType": MANIFEST,
                "digest": digest,
                "size": self.blob(digest).stat().st_size,
                "annotations": {NAME: name},
            }
            self.write_index([*others, entry])

    def write_index(self, images: list[dict[str, Any]]) -> None:
        """Replace the index; the caller holds the lock."""
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
        write_whole(self.root / "index.json", canonical({**index, "manifests": images}))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the layout's lock; nobody else changes the index or removes blobs meanwhile."""
        with exclusive(self.root / "lock"):
            yield


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file. The kernel lets go of it when the process ends, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def canonical(value: Any) -> bytes:
    """The one way in which we write JSON that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old or the new content, never a part."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
