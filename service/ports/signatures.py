"""Signatures of images, beside the images in their registry."""

from typing import Protocol

from policies.trust import Signature


class ImageSignatures(Protocol):
    """What signs images there; whether it is to be trusted is decided elsewhere."""

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
