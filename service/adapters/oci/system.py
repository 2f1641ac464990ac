"""The system below an image that a cluster runs: an image with Python, from a registry, named by digest.

This machine runs images on its own interpreter and needs none. Only the manifest and the config are
read; the layers stay at their registry, and are mounted or copied when an image on top is pushed.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from service.adapters.oci.interpreter import Interpreter
from service.adapters.oci.remote import Login, Remote
from service.ports import Refused

KIND = "system"
_INDEXES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_MANIFESTS = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
_ACCEPT = {"Accept": ", ".join(sorted(_INDEXES | _MANIFESTS))}
_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_LAYERS = {"application/vnd.docker.image.rootfs.diff.tar.gzip": _OCI_LAYER}  # Docker's name for the same
_ADDRESS = re.compile(r"(https?://[^/]+)/([^@]+)@(sha256:[0-9a-f]{64})")
_SECONDS = (10.0, 60.0)
_LARGEST = 8 << 20
STORE = "write `user:password` into the secret file login-base"


@dataclass(frozen=True, slots=True)
class System:
    """An image below others: its layers as a manifest names them, their digests when uncompressed."""

    url: str
    repository: str
    digest: str
    layers: tuple[dict[str, Any], ...]
    uncompressed: tuple[str, ...]
    config: dict[str, Any]

    @property
    def env(self) -> dict[str, str]:
        """Its environment variables."""
        return dict(pair.split("=", 1) for pair in self.config.get("config", {}).get("Env") or ())

    @property
    def name(self) -> str:
        """Its name without a protocol, for people."""
        return f"{urlsplit(self.url).netloc}/{self.repository}"


def remote(address: str, login: Login | None) -> tuple[Remote, str, str]:
    """The registry of such an address, the repository in it and the digest."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise Refused(f"{address!r} names no image by digest; write https://registry.example/python@sha256:…")
    url, repository, digest = found.groups()
    return Remote(url, login, actions="pull", seconds=_SECONDS, store=STORE), repository, digest


def read(address: str, login: Login | None, interpreter: Interpreter) -> System:
    """The system of that address, for packages that are made for this interpreter.

    Raises `Refused` for one that does not fit, `Retry` where the registry cannot be asked.
    """
    registry, repository, digest = remote(address, login)
    manifest = _pinned(registry, repository, "manifests", digest)
    if "manifests" in manifest:
        chosen = _of_platform(manifest["manifests"], interpreter.architecture, address)
        manifest = _pinned(registry, repository, "manifests", chosen)
    config = _pinned(registry, repository, "blobs", manifest["config"]["digest"])
    layers = tuple(
        {
            "mediaType": _LAYERS.get(layer["mediaType"], layer["mediaType"]),
            "digest": layer["digest"],
            "size": layer["size"],
        }
        for layer in manifest["layers"]
    )
    system = System(registry.url, repository, digest, layers, tuple(config["rootfs"]["diff_ids"]), config)
    _check(system, interpreter)
    return system


def _check(system: System, interpreter: Interpreter) -> None:
    has = (system.config.get("os"), system.config.get("architecture"))
    if has != ("linux", interpreter.architecture):
        raise Refused(
            f"{system.name} is for {'/'.join(map(str, has))}, builds are for {interpreter.architecture}"
        )
    if len(system.layers) != len(system.uncompressed):
        raise Refused(f"{system.name} does not name all of its layers in its config")
    python = system.env.get("PYTHON_VERSION")  # as the official images of Python say it
    if python and python.split(".")[:2] != interpreter.version.split(".")[:2]:
        raise Refused(
            f"{system.name} has Python {python}, and packages are installed for {interpreter.version} here;"
            " name a base with the same minor version"
        )


def _of_platform(manifests: list[dict[str, Any]], architecture: str, address: str) -> str:
    for one in manifests:
        platform = one.get("platform") or {}
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            return str(one["digest"])
    raise Refused(f"{address} has no image for linux/{architecture}")


def _pinned(registry: Remote, repository: str, kind: str, digest: str) -> dict[str, Any]:
    """The JSON of that digest, which is checked."""
    answer = registry.ask("GET", f"/{kind}/{digest}", repository, allowed={200}, headers=_ACCEPT)
    content = registry.content(answer, _LARGEST)
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise Refused(f"{registry.url} answered with something else than {digest}")
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(f"{digest} of {registry.url}/{repository} is no image")
    return found
