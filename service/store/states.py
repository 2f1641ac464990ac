"""The machines' states as the store keeps them: one codec each, and rows made from values.

A change to one of these forms raises its schema number and adds an upcaster.
"""

from typing import Any

from policies.effects import Effect
from policies.events import Command, EvidenceChanged, SourceEvent
from policies.release import Release, Target
from policies.spec.declaration import Environment, Model
from policies.version import Version
from service.store.codec import Codec
from service.store.rows import ModelRow, ReleaseRow, TargetRow, VersionRow

RELEASE: Codec[Release] = Codec(Release)
TARGET: Codec[Target] = Codec(Target)
VERSION: Codec[Version] = Codec(Version)
MODEL: Codec[Model] = Codec(Model)
ENVIRONMENT: Codec[Environment] = Codec(Environment)
EFFECT: Codec[Effect] = Codec(Effect)
SOURCE_EVENT: Codec[SourceEvent] = Codec(SourceEvent)
EVIDENCE: Codec[EvidenceChanged] = Codec(EvidenceChanged)
COMMAND: Codec[Command] = Codec(Command)


def release_of(row: ReleaseRow) -> Release:
    """The release that a row holds."""
    return RELEASE.load(row.state)


def target_of(row: TargetRow | None, name: str) -> Target:
    """The target that a row holds; a new one where there is no row yet."""
    return Target(name) if row is None else TARGET.load(row.state)


def version_of(row: VersionRow) -> Version:
    """The version that a row holds."""
    return VERSION.load(row.state)


def model_of(row: ModelRow) -> Model:
    """The declaration that a row holds."""
    return MODEL.load(row.declaration)


def number_of(release: str) -> int:
    """The id in a release's name; 0, which no release has, for anything else."""
    digits = release.removeprefix("rel-")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def release_row_after(row: ReleaseRow, before: Release, release: Release) -> ReleaseRow:
    """The row of a release that was loaded from `row` as `before`."""
    return _release_row(release, RELEASE.dump_after(release, before, row.state), row.rev, row.created)


def release_row(release: Release, rev: int, created: float) -> ReleaseRow:
    """The row of a release."""
    return _release_row(release, RELEASE.dump(release), rev, created)


def _release_row(release: Release, state: dict[str, Any], rev: int, created: float) -> ReleaseRow:
    return ReleaseRow(
        id=number_of(release.name),
        model=release.model,
        target=release.target,
        number=release.number,
        version_key=release.version,
        phase=release.phase.value,
        final=release.final,
        state=state,
        rev=rev,
        created=created,
    )
