"""Signatures beside images in a registry: read in both forms that signers write, written in the older one.

Written is what `cosign sign` of version 2 writes, and what all verifiers with a plain key read: a manifest
under the tag `sha256-<digest>.sig`, one layer for each signature. Read are these, and the Sigstore bundles
that cosign 3 attaches as OCI referrers. Nothing is verified here.
https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md and BUNDLE_SPEC.md beside it.
"""

import base64
from typing import Any, Self

from policies.trust import SIGNED, SIMPLE, Signature
from service.adapters.oci.attaching import descriptor
from service.adapters.oci.attestations import OciAttestations, signatures
from service.adapters.oci.beside import LARGEST, MOST, Beside, an_object, decoded, layers, tag_of
from service.adapters.oci.registry import check, remote_of
from service.adapters.oci.remote import Remote
from service.ports.connections import Source
from service.settings import Settings

SECONDS = (3.0, 10.0)  # what starts workloads waits for it, as it does for a cluster
_SIGNATURE = "dev.cosignproject.cosign/signature"
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_PREDICATE = "dev.sigstore.bundle.predicateType"
_INDEX = "application/vnd.oci.image.index.v1+json"


class OciSignatures:
    """The signatures in one registry, and the attestations."""

    def __init__(self, remote: Remote, writable: Remote) -> None:
        """Two doors to the one registry: who may only read shall not be asked for more."""
        self._remote = remote
        self._beside = Beside(remote, writable)
        self.attestations = OciAttestations(self._beside)

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
        tagged = self._beside.tagged(repository, tag_of(digest, "sig"))[:MOST]
        simple = (self._simple(repository, layer) for layer in tagged)
        bundles = (self._bundle(repository, one) for one in self._referrers(repository, digest))
        return (*filter(None, simple), *(signature for one in bundles for signature in one))

    def add(self, repository: str, digest: str, signature: Signature) -> None:
        """Put it beside those that are there."""
        layer = descriptor(SIMPLE, signature.payload)
        layer["annotations"] = {_SIGNATURE: base64.b64encode(signature.signature).decode()}
        self._beside.add(repository, tag_of(digest, "sig"), layer, signature.payload)

    def _simple(self, repository: str, layer: dict[str, Any]) -> Signature | None:
        annotations = layer.get("annotations")
        text = annotations.get(_SIGNATURE) if isinstance(annotations, dict) else None
        signature = decoded(text)
        if layer.get("mediaType") != SIMPLE or not signature:
            return None
        payload = self._beside.pinned(repository, "blobs", layer.get("digest"))
        return Signature(SIMPLE, payload, signature) if payload is not None else None

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
        listed = an_object(self._remote.content(answer, LARGEST)).get("manifests")
        return listed if isinstance(listed, list) else []

    def _bundle(self, repository: str, entry: dict[str, Any]) -> tuple[Signature, ...]:
        """The signatures in a bundle's DSSE envelope; none in any other thing."""
        parts = layers(an_object(self._beside.pinned(repository, "manifests", entry.get("digest")) or b""))
        if len(parts) != 1 or not str(parts[0].get("mediaType")).startswith(_BUNDLE):
            return ()
        bundle = an_object(self._beside.pinned(repository, "blobs", parts[0].get("digest")) or b"")
        envelope = bundle.get("dsseEnvelope")
        return signatures(envelope) if isinstance(envelope, dict) else ()


def _may_sign(entry: dict[str, Any]) -> bool:
    """By what the list says; older signers list a bundle under the type of its empty configuration."""
    notes = entry.get("annotations")
    predicate = notes.get(_PREDICATE, SIGNED) if isinstance(notes, dict) else SIGNED
    kind = entry.get("artifactType") or _BUNDLE
    return predicate == SIGNED and str(kind).startswith((_BUNDLE, "application/vnd.oci.empty"))
