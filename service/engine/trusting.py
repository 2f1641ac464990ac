"""Images are signed, and held against the operator's trust policy, before they may serve.

Both happen here and never where images are built. Who asks is the worker: once when a version has its
image, and again when a workload of it is to be started, since the two may be days apart. What cannot be
told now is `Retry`; what is not trusted is `Refused`, with what to do.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from policies import trust
from policies.spec.declaration import FromImage
from policies.tags import place
from policies.trust import SIMPLE, STATEMENT, Signature, Trust, signed_bytes
from policies.version import Version
from service import keys
from service.bootstrap import Parts
from service.engine import newest
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.ports.signatures import ImageAttestations, ImageSignatures
from service.settings import Settings

log = structlog.get_logger()
KEY = "signing-key"  # secret files
KEYS_BEFORE = "signing-key-before"
TRUSTED = "trusted-keys"


class Untrusted(Refused):
    """No key that counts signed this image, so far."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where an image is: a registry, its repository there, and both as the policy's globs read them."""

    source: Source
    repository: str
    name: str


def vouch(parts: Parts, version: Version) -> None:
    """Sign what Segue built of the version, if it has a key, and hold it against the policy: the image, and
    that of its weights.

    What never went to a registry lies in this installation's own layout, under its digest; nobody is asked
    for it. Raises `Untrusted`, and `Refused` where nobody could be.
    """
    settings, image = parts.settings, version.image
    built = not isinstance(version.model.source, FromImage)
    if image is None or (built and settings.images is None):
        return
    name = name_of(settings, version)
    rule = wanted(settings, name)
    key = settings.secret(KEY) if built else None
    if rule is Trust.OFF and key is None:
        return
    kept = _kept(parts, version, name)
    signatures = parts.open_signatures(kept.source)
    for digest in filter(None, (image, version.weights)):
        if key is not None:
            _sign(signatures, kept, digest, key)
        if rule is not Trust.OFF:
            check(settings, signatures, kept, digest)


def attest(parts: Parts, version: Version) -> None:
    """Sign what the build attached to the image: its packages, and how it was made; if there is a key.

    By the digests in the build's answer, as the image itself: what else lies beside it, anybody may have
    written. A registry that keeps none of it is no reason to stop a release.
    """
    settings, image = parts.settings, version.image
    key = settings.secret(KEY)
    if key is None or image is None or not version.documents or settings.images is None:
        return
    kept = _kept(parts, version, name_of(settings, version))
    attestations = parts.open_signatures(kept.source).attestations
    try:
        for document in version.documents:
            _attest(attestations, kept, image, document, key)
    except Refused as reason:
        log.warning("not attested", image=f"{kept.name}@{image}", reason=str(reason))


def wanted(settings: Settings, name: str) -> Trust:
    """What the policy asks of the images of `host/repository`."""
    return trust.wanted(trust.rules(settings.trust), name)


def check(settings: Settings, signatures: ImageSignatures, kept: Kept, image: str) -> None:
    """Raise `Untrusted` unless a key that the policy names signed this image."""
    rule = wanted(settings, kept.name)
    trusted = keys_of(settings, rule)
    reference = f"{kept.name}@{image}"
    try:
        found = signatures.found(kept.repository, image)
    except Refused as reason:
        raise Refused(f"the signatures of {reference} cannot be read: {reason}") from reason
    wrong = trust.why_not(found, image, lambda text, signature: keys.signed_by(trusted, text, signature))
    if wrong:
        names = ", ".join(map(keys.name, trusted))
        raise Untrusted(
            f"{reference} may not serve here: {wrong}, and SEGUE_TRUST wants one by `{rule.value}` ({names})."
            f" {_mend(rule, reference)}; then try again: segue retry"
        )


def keys_of(settings: Settings, rule: Trust) -> tuple[keys.Public, ...]:
    """The public keys that count for the rule. Raises `Refused` where there is none, or a file is wrong."""
    if rule is Trust.KEYS:
        return _trusted(settings, TRUSTED, "put public keys there (PEM)")
    private = settings.secret(KEY)
    if private is None:
        raise Refused(f"SEGUE_TRUST is `ours`, and there is no key of ours; make one: segue {KEY}")
    try:
        now = keys.trusted(keys.public(private))
    except keys.KeyProblem as reason:
        raise Refused(f"the secret file {KEY} cannot be used: {reason}") from reason
    before = settings.secret(KEYS_BEFORE)
    return now if before is None else (*now, *_trusted(settings, KEYS_BEFORE, "remove it, or mend it"))


def _trusted(settings: Settings, name: str, mend: str) -> tuple[keys.Public, ...]:
    content = settings.secret(name)
    if content is None:
        raise Refused(f"there is no secret file {name}; {mend}")
    try:
        return keys.trusted(content)
    except keys.KeyProblem as reason:
        raise Refused(f"the secret file {name} cannot be used: {reason}; {mend}") from reason


def _sign(signatures: ImageSignatures, kept: Kept, image: str, key: bytes) -> None:
    """Signed by this key already is fine: a signature made twice would be two."""
    try:
        ours = keys.trusted(keys.public(key))
        text = trust.payload(kept.name, image)
        found = signatures.found(kept.repository, image)
        if trust.why_not(found, image, lambda t, s: keys.signed_by(ours, t, s)):
            signatures.add(kept.repository, image, Signature(SIMPLE, text, keys.sign(key, text)))
    except keys.KeyProblem as reason:
        raise Refused(f"the secret file {KEY} cannot be used: {reason}") from reason


def _attest(attestations: ImageAttestations, kept: Kept, image: str, document: str, key: bytes) -> None:
    """As for signatures: what this key has signed already is not signed twice."""
    text = attestations.statement(kept.repository, image, document)
    if text is None:
        return
    ours = keys.trusted(keys.public(key))
    known = attestations.attested(kept.repository, image)
    content = signed_bytes(STATEMENT, text)
    if not any(one.payload == text and keys.signed_by(ours, content, one.signature) for one in known):
        attestations.attest(kept.repository, image, Signature(STATEMENT, text, keys.sign(key, content)))


def name_of(settings: Settings, version: Version) -> str:
    """The version's image without its digest, `host/repository`."""
    source = version.model.source
    if isinstance(source, FromImage):
        return "/".join(place(source.repository))
    return f"{(settings.images or '').partition('://')[2]}/{version.model.name}"


def images_source(settings: Settings) -> Source:
    """The registry that builds push to, as a source; its login is therefore `login-images`."""
    parts = urlsplit(settings.images or "")
    return Source("images", "registry", f"{parts.scheme}://{parts.netloc}")


def _kept(parts: Parts, version: Version, name: str) -> Kept:
    """Raises `Refused` where nobody connected the registry."""
    model, source = version.model, images_source(parts.settings)
    if isinstance(model.source, FromImage):
        source = newest.source_of(parts.store.sources(), model, model.source)
    return Kept(source, name.partition("/")[2], name)


def _mend(rule: Trust, reference: str) -> str:
    if rule is Trust.OURS:
        return "Release an image that Segue built, or have SEGUE_TRUST ask for `keys` there"
    return f"Sign it: cosign sign --key <private key> {reference}"
