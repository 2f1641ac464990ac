"""Signatures of images as plain values: the same rules as in a registry. For scenarios and as an example."""

from typing import Self

from policies.trust import Signature
from service.ports.connections import Source
from service.ports.outcomes import Retry
from service.settings import Settings


class MemoryAttestations:
    """Documents are put there by hand: their statements by (repository, digest)."""

    def __init__(self, signatures: "MemorySignatures") -> None:
        self._signatures = signatures
        self.documents: dict[tuple[str, str], bytes] = {}
        self._known: dict[tuple[str, str], tuple[Signature, ...]] = {}

    def statement(self, repository: str, image: str, document: str) -> bytes | None:
        self._signatures.check()
        told = self.documents.get((repository, document))
        return told if told is not None and image.removeprefix("sha256:").encode() in told else None

    def attested(self, repository: str, image: str) -> tuple[Signature, ...]:
        self._signatures.check()
        return self._known.get((repository, image), ())

    def attest(self, repository: str, image: str, signature: Signature) -> None:
        known = self.attested(repository, image)
        if signature not in known:
            self._known[repository, image] = (*known, signature)


class MemorySignatures:
    """Signatures are added, also by hand; it can be told to be away."""

    def __init__(self) -> None:
        self.away: str | None = None  # why it does not answer
        self._signatures: dict[tuple[str, str], tuple[Signature, ...]] = {}
        self.attestations = MemoryAttestations(self)

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """A registry without signatures."""
        del settings, source
        return cls()

    def check(self) -> None:
        if self.away is not None:
            raise Retry(self.away)

    def found(self, repository: str, digest: str) -> tuple[Signature, ...]:
        self.check()
        return self._signatures.get((repository, digest), ())

    def add(self, repository: str, digest: str, signature: Signature) -> None:
        known = self.found(repository, digest)
        if signature not in known:
            self._signatures[repository, digest] = (*known, signature)
