"""What deliveries say. A delivery is a hint: the source is asked again before anything follows.

So nothing that a delivery claims is believed, a replay starts nothing, and reordered deliveries end
in the same state.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefHint:
    """A branch or tag may name another commit now."""

    ref: str
    before: str
    after: str
    pusher: str


@dataclass(frozen=True, slots=True)
class AliasHint:
    """A registered model's alias may name another version now."""

    model: str
    alias: str


@dataclass(frozen=True, slots=True)
class VersionHint:
    """A registered model may have a new version."""

    model: str
    version: str


@dataclass(frozen=True, slots=True)
class TagHint:
    """A tag of an image registry's repository may name another image now, or none."""

    repository: str
    tag: str


Hint = RefHint | AliasHint | VersionHint | TagHint
