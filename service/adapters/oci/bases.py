"""The image that images for a cluster stand on: fetched once, by its digest, layer by layer.

It brings the system and a Python; what is built here is put on top and never runs in it. On this host
images run on the host's own interpreter, and these layers are passed by.
"""

import hashlib
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.adapters.oci.blobs import Layout
from service.adapters.oci.interpreter import Interpreter
from service.adapters.oci.remote import Login, Remote
from service.ports.outcomes import Refused, Retry

FOUNDATION = "foundation"  # the kind of its layers
USER = "65532:65532"  # nobody in particular: clusters refuse what may be root
PYTHON = "segue.base.python"
_SECONDS = (10.0, 60.0)
_STORE = "write `user:password` into the secret file login-images"
_LARGEST = 8 << 20  # bytes of a manifest or config
_REFERENCE = re.compile(r"(https?://[^/]+)/(.+)@(sha256:[0-9a-f]{64})")
_INDEX, _MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
_OLD_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_OLD_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_ACCEPT = {"Accept": f"{_INDEX}, {_MANIFEST}, {_OLD_INDEX}, {_OLD_MANIFEST}"}
_LAYERS = {  # Docker's words for what OCI calls otherwise; both cannot stand in one manifest
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
}


@dataclass(frozen=True, slots=True)
class Base:
    """A base image: its layers as a manifest names them, their uncompressed digests, its environment."""

    layers: tuple[dict[str, Any], ...]
    diff_ids: tuple[str, ...]
    env: tuple[str, ...]


def fetch(layout: Layout, address: str, interpreter: Interpreter, login: Login | None) -> Base:
    """The base at `https://host/repository@sha256:…`, all its blobs in the layout.

    Raises `Refused` for one that is no base for this interpreter's packages, `Retry` where the registry
    cannot be asked now.
    """
    found = _REFERENCE.fullmatch(address)
    if found is None:
        raise Refused(f"SEGUE_BASE is {address!r}; write https://registry.example/python@sha256:…")
    registry, repository, digest = found.groups()
    remote = Remote(registry, login, actions="pull", seconds=_SECONDS, store=_STORE)
    manifest = _manifest(remote, repository, digest, interpreter)
    config = json.loads(_blob(remote, repository, f"/blobs/{manifest['config']['digest']}"))
    _check_python(config, interpreter, address)
    for layer in manifest["layers"]:
        fetch_blob(layout, remote, repository, layer)
    return Base(
        tuple(_described(layer) for layer in manifest["layers"]),
        tuple(config["rootfs"]["diff_ids"]),
        tuple(config.get("config", {}).get("Env") or ()),
    )


def _manifest(remote: Remote, repository: str, digest: str, interpreter: Interpreter) -> dict[str, Any]:
    """The manifest of our platform, which an index may name."""
    found: dict[str, Any] = json.loads(_blob(remote, repository, f"/manifests/{digest}"))
    if "manifests" not in found:
        return found
    wanted = ("linux", interpreter.architecture)
    for entry in found["manifests"]:
        platform = entry.get("platform") or {}
        if (platform.get("os"), platform.get("architecture")) == wanted:
            return _manifest(remote, repository, str(entry["digest"]), interpreter)
    raise Refused(f"the base {repository}@{digest[:19]} is not made for linux/{interpreter.architecture}")


def _blob(remote: Remote, repository: str, where: str) -> bytes:
    """A small blob or a manifest, checked against the digest in its address."""
    answer = remote.ask("GET", where, repository, allowed={200}, headers=_ACCEPT)
    raw = remote.content(answer, _LARGEST)
    if not where.endswith(hashlib.sha256(raw).hexdigest()):
        raise Retry(f"{remote.url} answered with other bytes than {where} names", after=10)
    return raw


def _check_python(config: dict[str, Any], interpreter: Interpreter, address: str) -> None:
    """Packages are chosen for this host's Python: the base must have the same minor version."""
    inside = config.get("config", {})
    env = dict(entry.split("=", 1) for entry in inside.get("Env") or () if "=" in entry)
    said = (inside.get("Labels") or {}).get(PYTHON) or env.get("PYTHON_VERSION")
    if said is None:
        raise Refused(f"the base {address} does not say which Python it has; label it: {PYTHON}=3.11")
    if said.split(".")[:2] != interpreter.version.split(".")[:2]:
        raise Refused(
            f"the base {address} has Python {said}, and packages are chosen for {interpreter.version}"
        )


def fetch_blob(layout: Layout, remote: Remote, repository: str, layer: dict[str, Any]) -> None:
    """The layer's blob in the layout, unless it is there."""
    digest = str(layer["digest"])
    if layout.blob(digest).exists():
        return
    answer = remote.ask("GET", f"/blobs/{digest}", repository, allowed={200})
    hashed, left = hashlib.sha256(), int(layer["size"])
    with answer, tempfile.NamedTemporaryFile(dir=layout.root / "incoming", delete=False) as file:
        for piece in answer.iter_content(1 << 20):
            left -= len(piece)
            if left < 0:
                break
            hashed.update(piece)
            file.write(piece)
    if f"sha256:{hashed.hexdigest()}" != digest:
        Path(file.name).unlink()
        raise Retry(f"{remote.url} answered with other bytes than {digest[:19]} names", after=10)
    layout.keep(Path(file.name), digest)


def _described(layer: dict[str, Any]) -> dict[str, Any]:
    kind = str(layer["mediaType"])
    return {"mediaType": _LAYERS.get(kind, kind), "digest": layer["digest"], "size": layer["size"]}
