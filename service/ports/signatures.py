"""Signatures of images, beside the images in their registry."""

from typing import Protocol

from policies.trust import Signature


class ImageAttestations(Protocol):
    """What is said about images there, signed. Raises `Refused` and `Retry` as signatures do."""

    def statement(self, repository: str, image: str, document: str) -> bytes | None:
        """What the document that a build attached under this digest says of the image, as an in-toto
        statement; None where it is no such document."""
        ...

    def attested(self, repository: str, image: str) -> tuple[Signature, ...]:
        """Everything that says it is an attestation of this image."""
        ...

    def attest(self, repository: str, image: str, signature: Signature) -> None:
        """Put one of the kind `STATEMENT` beside those that are there."""
        ...


class ImageSignatures(Protocol):
    """What signs images there; whether it is to be trusted is decided elsewhere."""

    @property
    def attestations(self) -> ImageAttestations:
        """Those in the same registry."""
        ...

    def check(self) -> None:
        """Raise `Refused` or `Retry` unless a registry answers."""
        ...

    def found(self, repository: str, digest: str) -> tuple[Signature, ...]:
        """Everything that says it signs this image; none where there is no such image.

        Raises `Refused` where it may not be asked, `Retry` where it cannot be told now.
        """
        ...

    def add(self, repository: str, digest: str, signature: Signature) -> None:
        """Put one of the kind `SIMPLE` beside those that are there; there already is fine."""
        ...
