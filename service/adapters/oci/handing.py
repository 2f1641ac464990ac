"""Code on its way to a build that cannot reach the repository: through the registry, as a layer.

Whoever can read the repository pushes the folder's files as the layer that the image will have; the
build fetches it by its digest and finds in it what it would have asked the repository for. The bytes
are those of the finished image, so they are sent once.
"""

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from service.adapters.oci import content
from service.adapters.oci.attaching import keep
from service.adapters.oci.bases import fetch_blob
from service.adapters.oci.blobs import Layout
from service.adapters.oci.push import send_file
from service.adapters.oci.remote import Remote
from service.ports.builds import CodeReference
from service.ports.git import GitHost, TreeEntry

KIND = "application/vnd.segue.code.v1"
_PREFIX = content.APP.strip("/") + "/"
_FILE, _EXECUTABLE, _LINK = 0o100644, 0o100755, 0o120000


def hand_over(remote: Remote, repository: str, git: GitHost, code: CodeReference, tag: str) -> dict[str, Any]:
    """Push the folder's files at the commit; the descriptor of their layer. The tag keeps it until the
    image is there. Raises `Refused` or `Retry`, as repositories and registries do."""
    with tempfile.TemporaryDirectory(prefix="segue-code-") as folder:
        layout = Layout(Path(folder))
        layout.prepare()
        layer, _ = content.code_layer(layout, git, code)
        send_file(remote, repository, layout.blob(layer.digest), layer.digest)
    descriptor = {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
    keep(remote, repository, tag, KIND, descriptor)
    return descriptor


class HandedCode:
    """What a build asks a Git host for, answered from the layer that was handed over."""

    def __init__(
        self, layout: Layout, remote: Remote, repository: str, descriptor: dict[str, Any], folder: str
    ) -> None:
        """`folder`: where in the Git repository the files lie that the layer holds."""
        self._folder = f"{folder.strip('/')}/".lstrip("/")
        self._layout = layout
        self._remote = remote
        self._repository = repository
        self._descriptor = descriptor

    def archive(self, commit: str, folder: str) -> Iterator[tuple[TreeEntry, bytes]]:  # noqa: ARG002
        """Each file with its content; the layer holds the one folder at the one commit."""
        fetch_blob(self._layout, self._remote, self._repository, self._descriptor)
        with self._layout.blob(self._descriptor["digest"]).open("rb") as file:
            plain = cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(file))
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                for member in tar:
                    name = member.name.removeprefix(_PREFIX)
                    if member.issym():
                        target = member.linkname.encode(errors="surrogateescape")
                        yield TreeEntry(name, "", _LINK, len(target)), target
                    elif (opened := tar.extractfile(member)) is not None:
                        mode = _EXECUTABLE if member.mode & 0o100 else _FILE
                        yield TreeEntry(name, "", mode, member.size), opened.read()

    def file(self, commit: str, path: str) -> bytes | None:
        """One file, by its path in the Git repository; None where the layer has none there."""
        wanted = path.removeprefix(self._folder)
        files = self.archive(commit, "")
        return next((raw for entry, raw in files if entry.path == wanted and entry.mode != _LINK), None)
