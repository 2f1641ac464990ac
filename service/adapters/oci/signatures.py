"""Signatures beside images in a registry: read in both forms that signers write, written in the older one.

Written is what `cosign sign` of version 2 writes, and what all verifiers with a plain key read: a manifest
under the tag `sha256-<digest>.sig`, one layer for each signature. Read are these, and the Sigstore bundles
that cosign 3 attaches as OCI referrers. Nothing is verified here.
https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md and BUNDLE_SPEC.md beside it.
"""

import base64
import binascii
import json
import re
from typing import Any, Self

from policies.trust import SIGNED, SIMPLE, Signature
from service.adapters.oci.attaching import descriptor, digest_of
from service.adapters.oci.blobs import MANIFEST, canonical
from service.adapters.oci.push import send_blob
from service.adapters.oci.registry import check, remote_of
from service.adapters.oci.remote import Missing, Remote
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

SECONDS = (3.0, 10.0)  # what starts workloads waits for it, as it does for a cluster
MOST = 20  # signatures of each form that are looked at; what is beside an image, many may write
LARGEST = 1 << 20
_SIGNATURE = "dev.cosignproject.cosign/signature"
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_PREDICATE = "dev.sigstore.bundle.predicateType"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NEVER = "0001-01-01T00:00:00Z"  # as signers write who give no time


class OciSignatures:
    """The signatures in one registry."""

    def __init__(self, remote: Remote, writable: Remote) -> None:
        """Two doors to the one registry: who may only read shall not be asked for more."""
        self._remote = remote
        self._writable = writable

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """Those of the registry behind a source; its login is the secret `login-<source>`."""
        doors = (remote_of(settings, source, actions=a, seconds=SECONDS) for a in ("pull", "pull,push"))
        return cls(*doors)

    def check(self) -> None:
        """Raise `Refused` or `Retry` unless a registry answers."""
        check(self._remote, login=False)

    def found(self, repository: str, digest: str) -> tuple[Signature, ...]:
        """What lies under the image's tag for signatures, and in bundles that refer to it."""
        layers = _layers(self._tagged(repository, digest))[:MOST]
        simple = (self._simple(repository, layer) for layer in layers)
        bundles = (self._bundle(repository, one) for one in self._referrers(repository, digest))
        return (*filter(None, simple), *(signature for one in bundles for signature in one))

    def add(self, repository: str, digest: str, signature: Signature) -> None:
        """Put it beside those that are there. Two that do so at once may lose one: each looks again."""
        layer = descriptor(SIMPLE, signature.payload)
        layer["annotations"] = {_SIGNATURE: base64.b64encode(signature.signature).decode()}
        for _ in range(3):
            layers = _layers(self._tagged(repository, digest))
            if layer in layers:
                return
            self._send(repository, signature.payload)
            self._put(repository, digest, [*layers, layer])
        raise Retry(f"somebody else writes signatures of {repository}@{digest[:19]}", after=5)

    # --- under the tag ----------------------------------------------------------------------

    def _tagged(self, repository: str, digest: str) -> dict[str, Any]:
        """The manifest of all signatures; nothing in it where there is none."""
        where, headers = f"/manifests/{_tag(digest)}", {"Accept": MANIFEST}
        try:
            answer = self._remote.ask("GET", where, repository, allowed={200}, headers=headers)
        except Missing:
            return {}
        return _object(self._remote.content(answer, LARGEST))

    def _simple(self, repository: str, layer: dict[str, Any]) -> Signature | None:
        annotations = layer.get("annotations")
        text = annotations.get(_SIGNATURE) if isinstance(annotations, dict) else None
        signature = _decoded(text)
        if layer.get("mediaType") != SIMPLE or not signature:
            return None
        payload = self._pinned(repository, "blobs", layer.get("digest"))
        return Signature(SIMPLE, payload, signature) if payload is not None else None

    def _put(self, repository: str, digest: str, layers: list[dict[str, Any]]) -> None:
        rootfs = {"type": "layers", "diff_ids": [layer.get("digest") for layer in layers]}
        config = canonical({"architecture": "", "os": "", "created": _NEVER, "config": {}, "rootfs": rootfs})
        self._send(repository, config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(_CONFIG, config),
            "layers": layers,
        }
        where, headers, body = f"/manifests/{_tag(digest)}", {"Content-Type": MANIFEST}, canonical(manifest)
        answer = self._writable.ask(
            "PUT", where, repository, allowed={201}, headers=headers, body=lambda: body
        )
        answer.close()

    def _send(self, repository: str, content: bytes) -> None:
        send_blob(self._writable, repository, digest_of(content), lambda: content)

    # --- bundles ----------------------------------------------------------------------------

    def _referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """What refers to the image and may be a bundle that signs it: by the API, or else by the tag."""
        listed = self._listed(repository, f"/referrers/{digest}")
        if listed is None:
            listed = self._listed(repository, f"/manifests/{digest.replace(':', '-')}") or []
        return [one for one in listed if isinstance(one, dict) and _may_sign(one)][:MOST]

    def _listed(self, repository: str, where: str) -> list[Any] | None:
        """The entries of an index; None where the registry has no such thing."""
        headers = {"Accept": _INDEX}
        answer = self._remote.ask("GET", where, repository, allowed={200, 400, 404, 405}, headers=headers)
        if answer.status_code != 200:
            answer.close()
            return None
        listed = _object(self._remote.content(answer, LARGEST)).get("manifests")
        return listed if isinstance(listed, list) else []

    def _bundle(self, repository: str, entry: dict[str, Any]) -> tuple[Signature, ...]:
        """The signatures in a bundle's DSSE envelope; none in any other thing."""
        layers = _layers(_object(self._pinned(repository, "manifests", entry.get("digest")) or b""))
        if len(layers) != 1 or not str(layers[0].get("mediaType")).startswith(_BUNDLE):
            return ()
        envelope = _object(self._pinned(repository, "blobs", layers[0].get("digest")) or b"").get(
            "dsseEnvelope"
        )
        if not isinstance(envelope, dict) or not isinstance(envelope.get("signatures"), list):
            return ()
        kind, payload = str(envelope.get("payloadType")), _decoded(envelope.get("payload"))
        signed = [one.get("sig") for one in envelope["signatures"][:MOST] if isinstance(one, dict)]
        return tuple(Signature(kind, payload, _decoded(text)) for text in signed)

    def _pinned(self, repository: str, kind: str, digest: Any) -> bytes | None:
        """The bytes that a digest names; None where they are not there, or too many to be a signature.

        Raises `Retry` for other bytes than those.
        """
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            return None
        headers = {"Accept": f"{MANIFEST}, */*"}
        try:
            answer = self._remote.ask("GET", f"/{kind}/{digest}", repository, allowed={200}, headers=headers)
        except Missing:
            return None
        if _size(answer.headers.get("Content-Length", "")) > LARGEST:
            answer.close()
            return None
        content = self._remote.content(answer, LARGEST)
        if digest != digest_of(content):
            raise Retry(f"{self._remote.url} answered with other bytes than {digest[:19]} names", after=10)
        return content


def _tag(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise Refused(f"{digest[:80]!r} is no sha256 digest")
    return f"{digest.replace(':', '-')}.sig"


def _size(text: str) -> int:
    """What a header says; 0 where it does not say it, and who reads then counts."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _may_sign(entry: dict[str, Any]) -> bool:
    """By what the list says; older signers list a bundle under the type of its empty configuration."""
    notes = entry.get("annotations")
    predicate = notes.get(_PREDICATE, SIGNED) if isinstance(notes, dict) else SIGNED
    kind = entry.get("artifactType") or _BUNDLE
    return predicate == SIGNED and str(kind).startswith((_BUNDLE, "application/vnd.oci.empty"))


def _layers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    listed = manifest.get("layers")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else, which signs nothing."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(text: Any) -> bytes:
    """Base64; empty for anything else, which is nobody's signature."""
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
