"""From a change at a source to versions and releases: read at the exact commit, decide, store.

Reading comes first and may raise `Retry`; nothing is stored until all is read, so that trying again
is harmless. The decision which models start is `policies.triggers`'.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from policies import idle, tags
from policies.events import AliasChanged, ImageChanged, RefChanged, SourceEvent, VersionRegistered
from policies.release import Cause
from policies.spec.declaration import FromBuild, FromImage, FromModel, Model
from policies.spec.declaration_cluster import BucketWeights
from policies.triggers import Start
from policies.version import CodeOrigin, ModelOrigin
from policies.weights import SUMS
from service.bootstrap import Parts
from service.engine import concerning, declaring, newest, ownership, ruling
from service.engine.beginning import Plan
from service.engine.deciding import Deciding, decide
from service.engine.newest import Tagged
from service.ports.git import TreeEntry
from service.ports.outcomes import Refused
from service.ports.registries import ModelVersion
from service.store.queue import Work
from service.store.rows import ModelRow
from service.store.states import model_of, version_of

LEAST_DIGEST = len("sha256:") + 12


@dataclass(frozen=True, slots=True)
class Planned:
    """Everything that an event starts; `idle` says why it is nothing, where it is."""

    plans: tuple[Plan, ...]
    idle: str


def plan(parts: Parts, event: SourceEvent, work: Work) -> Planned:
    """What the event starts. Declarations of the default branch are stored on the way, under the lease of
    this `work`: an older commit's, read by who then stood still, must not come back over newer ones.

    Raises `Lost` where somebody else goes on with it.
    """
    match event:
        case RefChanged(after=str(commit)):
            return _plan_ref(parts, event, commit, work)
        case AliasChanged(version=str(number)):
            return Planned(_plan_alias(parts, event, number), idle.why(event))
        case ImageChanged(digest=str(digest)):
            return Planned(_plan_image(parts, event, Tagged(event.tag, digest)), idle.why(event))
        case RefChanged() | AliasChanged() | VersionRegistered() | ImageChanged():
            return Planned((), idle.why(event))  # something was removed, or only told


def _plan_ref(parts: Parts, event: RefChanged, commit: str, work: Work) -> Planned:
    host = parts.git(event.source)
    default = host.default_branch()
    tree = host.tree(commit)
    found = declaring.read(parts, host, parts.source(event.source), commit, tree)
    starts = concerning.starts(parts, host, event, commit, found.models)
    author = host.author(commit)

    def store(deciding: Deciding) -> None:
        deciding.change.renew(work)
        for broken in found.broken:
            deciding.perform(event.source, declaring.report(event.source, commit, broken))
            told = {"commit": commit, "file": broken.file}
            deciding.change.record(event.source, author, "segue.yaml refused", told)
        if event.ref == default and not found.broken:
            declaring.keep(deciding, event.source, commit, found.models, found.calendars)

    decide(parts.store, store)
    text = f"push of {commit[:12]} to {event.ref.removeprefix('refs/heads/').removeprefix('refs/tags/')}"
    cause = Cause(text, author, source=event.source, commit=commit)
    plans = tuple(
        _code_plan(
            parts,
            start,
            replace(cause, text=str(start.held)) if start.held is not None else cause,
            CodeOrigin(event.source, commit, start.model.folder, tree_digest(tree, start.model.folder)),
        )
        for start in starts
        if isinstance(start.model.source, FromBuild)
    )
    broken = {one.file: one.mistakes for one in found.broken}
    return Planned(plans, idle.why(event, found.models, default, broken))


def _code_plan(parts: Parts, start: Start, cause: Cause, code: CodeOrigin) -> Plan:
    model = ruling.by_protected_branch(parts, start.model)
    return Plan(model, cause, code=code, registered=None, environment=start.environment)


def declared_plan(parts: Parts, row: ModelRow, actor: str) -> Plan:
    """A plan for a model with code, as it lies at the commit that declares it."""
    host = parts.git(row.source)
    cause = Cause(f"{actor} started it", host.author(row.commit), source=row.source, commit=row.commit)
    digest = tree_digest(host.tree(row.commit), row.folder)
    return Plan(model_of(row), cause, CodeOrigin(row.source, row.commit, row.folder, digest), None)


def built_plan(parts: Parts, row: ModelRow, image: str, actor: str) -> Plan:
    """A plan for a version that was built before, named by its image's digest or the beginning of it.

    Raises `Refused` where no image of the model, or more than one, begins so.
    """
    built = [version_of(found) for found in parts.store.versions(row.name)]
    fitting = [one for one in built if one.image is not None and one.image.startswith(image)]
    if len(image) < LEAST_DIGEST or len({one.image for one in fitting}) != 1:
        raise Refused(
            f"{row.name} has no image {image!r} here; `segue show` prints a release's as sha256:..."
        )
    known = fitting[0]
    commit = known.code.commit if known.code else None
    author = parts.git(row.source).author(commit) if commit else None
    cause = Cause(f"{actor} started image {image[:19]}", author, source=row.source, commit=commit)
    model = ruling.by_protected_branch(parts, known.model)
    given = known.image if isinstance(known.model.source, FromImage) else None  # nothing builds it
    return Plan(model, cause, code=known.code, registered=known.registered, image=given)


def _plan_alias(parts: Parts, event: AliasChanged, number: str) -> tuple[Plan, ...]:
    wanted, registry = FromModel(event.model, event.alias), parts.source(event.source)
    return tuple(
        registered_plan(parts, row, event.source, number)
        for row in parts.store.models()
        if model_of(row).source == wanted and not ownership.foreign(registry, model_of(row))
    )


def registered_plan(
    parts: Parts, row: ModelRow, registry: str, number: str, actor: str | None = None
) -> Plan:
    """A plan for one registered version, as the alias names it, or a person, `actor`.

    Raises `Refused` for a model that is not declared by `model:`.
    """
    model, source, commit = model_of(row), row.source, row.commit
    if not isinstance(model.source, FromModel):
        raise Refused(f"{model.name} is not declared by `model: models:/…`")
    found = parts.registry(registry).version(model.source.model, number)
    named = f"{model.source.model}@{model.source.alias}"
    cause = Cause(
        text=f"{actor} started version {number}" if actor else f"{named} now names version {number}",
        author=found.author,
        source=source,
        commit=commit,
        registry=registry,
        registered=(found.name, found.version),
        alias=model.source.alias,
    )
    code = None
    if model.evaluate is not None and model.evaluate.image is None:
        tree = parts.git(source).tree(commit)
        code = CodeOrigin(source, commit, model.folder, tree_digest(tree, model.folder))
    origin = ModelOrigin(registry, found.name, found.version, found.digest, _sums(model, found))
    return Plan(model, cause, code=code, registered=origin)


def _sums(model: Model, found: ModelVersion) -> str | None:
    """What the files in its bucket must be, as whoever put them there says at the version.

    Raises `Refused` where it does not say.
    """
    if not isinstance(model.weights, BucketWeights):
        return None
    said = dict(found.tags).get(SUMS, "")
    if not re.fullmatch(r"[0-9a-f]{64}", said):
        raise Refused(
            f"version {found.version} of {found.name} has weights in a bucket, so it needs the tag {SUMS}:"
            " the SHA-256 of the SHA256SUMS that lies beside them"
        )
    return said


def _plan_image(parts: Parts, event: ImageChanged, image: Tagged) -> tuple[Plan, ...]:
    wanted, registry = FromImage(event.repository, event.pattern), parts.source(event.source)
    text = f"{event.repository}:{image.tag} is the newest matching tag"
    return tuple(
        image_plan(row, image.digest, text)
        for row in parts.store.models()
        if model_of(row).source == wanted and not ownership.foreign(registry, model_of(row))
    )


def image_plan(row: ModelRow, digest: str, text: str) -> Plan:
    """A plan for an image that somebody else built. Its author is not known; its commit is the file's."""
    cause = Cause(text, author=None, source=row.source, commit=row.commit)
    return Plan(model_of(row), cause, code=None, registered=None, image=digest)


def newest_plan(parts: Parts, row: ModelRow, image: str | None, actor: str) -> Plan:
    """A plan for the newest image that the model's pattern means, or for one named by its whole digest.

    Raises `Refused` where no connected registry has it.
    """
    model = model_of(row)
    wanted = model.source
    if not isinstance(wanted, FromImage):
        raise Refused(f"{model.name} is not declared by `image:`")
    _, repository = tags.place(wanted.repository)
    registry = parts.images(newest.source_of(parts.store.sources(), model, wanted).name)
    if image is not None:
        if registry.digest(repository, image) is None:
            raise Refused(f"{wanted.repository} has no image {image}")
        return image_plan(row, image, f"{actor} started {wanted.repository}@{image[:19]}")
    found = newest.newest(registry, wanted)
    if found is None:
        raise Refused(f"no tag matches {wanted.reference}")
    named = f"{wanted.repository}:{found.tag}"
    return image_plan(row, found.digest, f"{actor} started {named}, the newest matching tag")


def tree_digest(tree: Iterable[TreeEntry], folder: str) -> str:
    """A name for the content of a folder: the same for the same files, in whichever commit."""
    prefix = f"{folder}/" if folder else ""
    digest = hashlib.sha256()
    for entry in sorted(tree, key=lambda e: e.path):
        if entry.path.startswith(prefix):
            path = entry.path.removeprefix(prefix)
            digest.update(f"{entry.mode:o} {entry.oid} {path}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()
