"""The code layer and the model layer: content streamed from Git hosts and model registries.

Nothing is opened, imported or executed: bytes go from the source into a tar file. Everything that
comes from outside is limited in number and size, and named safely.
"""

import hashlib
from collections.abc import Iterator

from service.adapters.oci.blobs import Layout, canonical
from service.adapters.oci.layers import Layer, LayerWriter, cached
from service.ports.builds import CodeReference, ModelReference
from service.ports.git import GitHost, TreeEntry
from service.ports.outcomes import Refused
from service.ports.registries import ModelRegistry

APP = "/app"
MODEL = "/opt/segue/model"
_CODE_FILES = 20_000
_CODE_BYTES = 256 << 20
_MODEL_FILES = 20_000
_MODEL_BYTES = 64 << 30
_SMALL = 4 << 20  # a lock file is never larger
_EXECUTABLE, _LINK, _SUBMODULE = 0o100755, 0o120000, 0o160000


def code_layer(layout: Layout, git: GitHost, code: CodeReference) -> tuple[Layer, bool]:
    """The folder's files at the commit, and whether the layer was there already."""
    key = _key("code", code.source, code.commit, code.folder)
    known = cached(layout, key)
    if known is not None:
        return known, True
    files = sorted(_limited(git.archive(code.commit, code.folder), code), key=lambda pair: pair[0].path)
    with LayerWriter(layout, "code", APP, compress=True) as writer:
        for entry, content in files:
            if entry.mode == _LINK:
                writer.link(entry.path, content.decode(errors="surrogateescape"))
            else:
                writer.file(entry.path, len(content), [content], executable=entry.mode == _EXECUTABLE)
    layout.remember(key, writer.layer.facts())
    return writer.layer, False


def model_layer(
    layout: Layout, registry: ModelRegistry, model: ModelReference, below: str = MODEL
) -> tuple[Layer, bool]:
    """The version's files, in the folder `below`; and whether the layer was there already."""
    digest = registry.version(model.name, model.version).digest
    apart = () if below == MODEL else (below,)
    key = _key("model", model.source, model.name, model.version, digest, *apart)
    known = cached(layout, key)
    if known is not None:
        return known, True
    files = registry.files(model.name, model.version)
    if not files:
        raise Refused(f"version {model.version} of model {model.name!r} has no files")
    if len(files) > _MODEL_FILES or sum(size for _, size in files) > _MODEL_BYTES:
        raise Refused(f"version {model.version} of model {model.name!r} has too many files or bytes")
    with LayerWriter(layout, "model", below, compress=False) as writer:
        for path, size in sorted(files):
            writer.file(path, size, registry.read(model.name, model.version, path))
    layout.remember(key, writer.layer.facts())
    return writer.layer, False


def code_file(git: GitHost, code: CodeReference, path: str) -> bytes | None:
    """One file of the code's folder."""
    return git.file(code.commit, f"{code.folder.strip('/')}/{path}".lstrip("/"))


def model_file(registry: ModelRegistry, model: ModelReference, path: str) -> bytes | None:
    """One small file of the model, None where it has none of that name."""
    sizes = dict(registry.files(model.name, model.version))
    if path not in sizes:
        return None
    if sizes[path] > _SMALL:
        raise Refused(f"{path} of model {model.name!r} is larger than {_SMALL} bytes")
    return b"".join(registry.read(model.name, model.version, path))


def _limited(
    files: Iterator[tuple[TreeEntry, bytes]], code: CodeReference
) -> Iterator[tuple[TreeEntry, bytes]]:
    count = size = 0
    for entry, content in files:
        if entry.mode == _SUBMODULE:
            continue
        count += 1
        size += len(content)
        if count > _CODE_FILES or size > _CODE_BYTES:
            raise Refused(
                f"the folder {code.folder or '.'!r} has more than {_CODE_FILES} files or"
                f" {_CODE_BYTES >> 20} MiB; keep models and data out of the repository"
            )
        yield entry, content


def _key(kind: str, *facts: str) -> str:
    return f"{kind}-" + hashlib.sha256(canonical(facts)).hexdigest()
