"""Signatures of images as others make them, for tests: with any key, of any text, in both forms."""

import base64
import json

from policies.trust import SIGNED, SIMPLE, STATEMENT, Signature, payload, signed_bytes
from service import keys

REPOSITORY = "r.example/wine"
IMAGE, OTHER = (f"sha256:{digit * 64}" for digit in "12")


def simple(key, digest=IMAGE, text=None):
    """What cosign 2 writes."""
    text = payload(REPOSITORY, digest) if text is None else text
    return Signature(SIMPLE, text, keys.sign(key, text))


def statement(digest=IMAGE, predicate=SIGNED):
    """What cosign 3 signs."""
    subject = [{"name": "", "digest": {"sha256": digest.removeprefix("sha256:")}}]
    told = {"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": {}}
    return json.dumps({**told, "subject": subject}).encode()


def enveloped(key, text=None, kind=STATEMENT):
    """The same, signed as DSSE."""
    text = statement() if text is None else text
    return Signature(kind, text, keys.sign(key, signed_bytes(kind, text)))


def bundle(signature):
    """A Sigstore bundle that holds a DSSE signature and no certificate."""
    envelope = {
        "payload": base64.b64encode(signature.payload).decode(),
        "payloadType": signature.kind,
        "signatures": [{"sig": base64.b64encode(signature.signature).decode()}],
    }
    material = {"publicKey": {"hint": ""}}
    kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
    return {"mediaType": kind, "verificationMaterial": material, "dsseEnvelope": envelope}
