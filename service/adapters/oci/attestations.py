"""What is said about an image beside it, signed: in-toto statements in DSSE envelopes, under the tag
`sha256-<digest>.att`, where cosign of every version looks for them. Nothing is signed or verified here.

As a Sigstore bundle, cosign 3 would look at them and no longer at the signature (see the decision record).
https://github.com/sigstore/cosign/blob/main/specs/ATTESTATION_SPEC.md and
https://github.com/secure-systems-lab/dsse/blob/master/envelope.md.
"""

import base64
import json
from typing import Any

from policies.trust import STATEMENT, Signature
from service.adapters.oci import bill
from service.adapters.oci.attaching import descriptor
from service.adapters.oci.beside import MOST, Beside, an_object, decoded, layers, tag_of
from service.adapters.oci.blobs import canonical

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
# cosign reads the first of an envelope's annotations; the signature is in the envelope and not here.
_LARGEST = 4 << 20  # bytes of a document, and of the envelope around it
_NO_SIGNATURE = ("dev.cosignproject.cosign/signature", "")


class OciAttestations:
    """The attestations in one registry."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside

    def statement(self, repository: str, image: str, document: str) -> bytes | None:
        """What the document that was attached under this digest says of the image; None where it is none
        of those that Segue attaches, or about another image."""
        manifest = an_object(self._beside.pinned(repository, "manifests", document) or b"")
        parts, subject = layers(manifest), manifest.get("subject")
        if len(parts) != 1 or not isinstance(subject, dict) or subject.get("digest") != image:
            return None
        content = an_object(self._blob(repository, parts[0]))
        made = _statement(str(parts[0].get("mediaType")), content, repository, image)
        return None if made is None else canonical(made)

    def attested(self, repository: str, image: str) -> tuple[Signature, ...]:
        """Everything that says it is an attestation of this image."""
        tagged = self._beside.tagged(repository, tag_of(image, "att"))[:MOST]
        return tuple(signature for layer in tagged for signature in self._signatures(repository, layer))

    def attest(self, repository: str, image: str, signature: Signature) -> None:
        """Put one beside those that are there."""
        content = canonical(envelope(signature))
        predicate = str(json.loads(signature.payload)["predicateType"])
        layer = descriptor(ENVELOPE, content)
        layer["annotations"] = dict((_NO_SIGNATURE, ("predicateType", predicate)))
        self._beside.add(repository, tag_of(image, "att"), layer, content)

    def _signatures(self, repository: str, layer: dict[str, Any]) -> tuple[Signature, ...]:
        if layer.get("mediaType") != ENVELOPE:
            return ()
        return signatures(an_object(self._blob(repository, layer)))

    def _blob(self, repository: str, layer: dict[str, Any]) -> bytes:
        return self._beside.pinned(repository, "blobs", layer.get("digest"), _LARGEST) or b""


def envelope(signature: Signature) -> dict[str, Any]:
    """The DSSE envelope of a signed statement."""
    return {
        "payloadType": signature.kind,
        "payload": base64.b64encode(signature.payload).decode(),
        "signatures": [{"keyid": "", "sig": base64.b64encode(signature.signature).decode()}],
    }


def signatures(found: dict[str, Any]) -> tuple[Signature, ...]:
    """The signatures in a DSSE envelope; none in any other thing."""
    listed = found.get("signatures")
    if not isinstance(listed, list):
        return ()
    kind, payload = str(found.get("payloadType")), decoded(found.get("payload"))
    signed = [one.get("sig") for one in listed[:MOST] if isinstance(one, dict)]
    return tuple(Signature(kind, payload, decoded(text)) for text in signed)


def _statement(kind: str, content: dict[str, Any], repository: str, image: str) -> dict[str, Any] | None:
    """The statement of a document: itself, or for a list of packages one that holds it."""
    subject = [{"name": repository, "digest": {"sha256": image.removeprefix("sha256:")}}]
    if kind == bill.CYCLONEDX:
        return {
            "_type": bill.STATEMENT_TYPE,
            "subject": subject,
            "predicateType": bill.PACKAGES,
            "predicate": content,
        }
    told = content.get("subject")
    digests = [one.get("digest") for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    about = digests == [subject[0]["digest"]] and content.get("predicateType") == bill.PROVENANCE
    return content if kind == STATEMENT and about else None
