"""From a change at a source to versions and releases: read at the exact commit, decide, store.

Reading comes first and may raise `Retry`; nothing is stored until all is read, so that trying again
is harmless. The decision which models start is `policies.triggers`'.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from policies import tags
from policies.effects import ReportCommit
from policies.events import AliasChanged, ImageChanged, RefChanged, SourceEvent, VersionRegistered
from policies.release import Cause, Release
from policies.spec.declaration import (
    BucketWeights,
    Environment,
    Evaluate,
    FromBuild,
    FromImage,
    FromModel,
    Model,
)
from policies.spec.mistakes import Mistake
from policies.spec.support import EMBEDDED
from policies.triggers import Start
from policies.version import CodeOrigin, ModelOrigin
from policies.weights import SUMS
from service import commits, concerning, mistakes_shown, newest, ownership, places, segue_yaml
from service.bootstrap import Parts
from service.deciding import Deciding, Plan, decide
from service.newest import Tagged
from service.ports.connections import Cluster, Source
from service.ports.git import GitHost, TreeEntry
from service.ports.outcomes import Refused
from service.ports.registries import ModelVersion
from service.rows import ModelRow
from service.sources import GROUP_KINDS
from service.states import model_of, version_of

LEAST_DIGEST = len("sha256:") + 12


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that declares nothing because of its mistakes."""

    file: str
    mistakes: tuple[Mistake, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Declared:
    """What a commit declares: its models, or the file that is broken with all its mistakes."""

    models: tuple[Model, ...]
    broken: tuple[Broken, ...]


def declared(
    host: GitHost,
    source: Source,
    known: Iterable[ModelRow],
    commit: str,
    tree: Iterable[TreeEntry],
    *,
    clusters: Sequence[Cluster] = (),
    capabilities: frozenset[str] = EMBEDDED,
) -> Declared:
    """Reads every `segue.yaml` of a commit.

    `known` are the models that all sources declare now, `clusters` those that are connected,
    `capabilities` what can be done here. Raises `Refused` for a folder whose name is no text.
    """
    taken = {row.name: f"by source {row.source}" for row in known if row.source != source.name}
    models: list[Model] = []
    broken: list[Broken] = []
    for entry in tree:
        folder, _, name = entry.path.rpartition("/")
        if name != segue_yaml.NAME:
            continue
        if not folder.isprintable():  # it becomes a model's name, and part of addresses and records
            raise Refused(f"the folder {folder!r} holds a {name}, but its name is no plain text; rename it")
        data = host.file(commit, entry.path) or b""
        checked = segue_yaml.check(data, folder, capabilities)
        mistakes = checked.mistakes or (
            *ownership.mistakes(source, taken, checked.models),
            *places.mistakes(clusters, checked.models),
            *commits.mistakes(clusters, source.name, checked.models),
        )
        if mistakes:
            broken.append(Broken(entry.path, mistakes, data))
        else:
            models.extend(checked.models)
            taken |= {model.name: f"in {entry.path}" for model in checked.models}
    return Declared(tuple(models), tuple(broken))


def _declared(
    parts: Parts, host: GitHost, source: Source, commit: str, tree: Sequence[TreeEntry]
) -> Declared:
    can = segue_yaml.capabilities(parts.settings)
    if source.kind not in GROUP_KINDS:
        can -= {"approvals.groups"}
    known, clusters = parts.store.models(), parts.store.clusters()
    return declared(host, source, known, commit, tree, clusters=clusters, capabilities=can)


def plan(parts: Parts, event: SourceEvent) -> tuple[Plan, ...]:
    """Everything that the event starts. Declarations of the default branch are stored on the way."""
    match event:
        case RefChanged(after=str(commit)):
            return _plan_ref(parts, event, commit)
        case AliasChanged(version=str(number)):
            return _plan_alias(parts, event, number)
        case ImageChanged(digest=str(digest)):
            return _plan_image(parts, event, Tagged(event.tag, digest))
        case RefChanged() | AliasChanged() | VersionRegistered() | ImageChanged():
            return ()  # something was removed, or only told


def declare(parts: Parts, source: str) -> None:
    """Learn the models of a source's default branch without starting anything."""
    host = parts.git(source)
    commit = host.refs().get(host.default_branch())
    if commit is None:
        return
    found = _declared(parts, host, parts.source(source), commit, host.tree(commit))
    decide(parts.store, lambda deciding: deciding.declare(source, commit, found.models))


def _plan_ref(parts: Parts, event: RefChanged, commit: str) -> tuple[Plan, ...]:
    host = parts.git(event.source)
    default = event.ref == host.default_branch()
    tree = host.tree(commit)
    found = _declared(parts, host, parts.source(event.source), commit, tree)
    starts = concerning.starts(parts, host, event, commit, found.models)
    author = host.author(commit)

    def store(deciding: Deciding) -> None:
        for broken in found.broken:
            deciding.perform(event.source, _broken_report(event.source, commit, broken))
            told = {"commit": commit, "file": broken.file}
            deciding.change.record(event.source, author, "segue.yaml refused", told)
        if default and not found.broken:
            deciding.declare(event.source, commit, found.models)

    decide(parts.store, store)
    text = f"push of {commit[:12]} to {event.ref.removeprefix('refs/heads/').removeprefix('refs/tags/')}"
    cause = Cause(text, author, source=event.source, commit=commit)
    return tuple(
        _code_plan(
            parts,
            start,
            replace(cause, text=str(start.held)) if start.held is not None else cause,
            CodeOrigin(event.source, commit, start.model.folder, tree_digest(tree, start.model.folder)),
        )
        for start in starts
        if isinstance(start.model.source, FromBuild)
    )


def _code_plan(parts: Parts, start: Start, cause: Cause, code: CodeOrigin) -> Plan:
    model = _ruled_by_protected_branch(parts, start.model)
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
    model = _ruled_by_protected_branch(parts, known.model)
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


def _ruled_by_protected_branch(parts: Parts, model: Model) -> Model:
    """Approvals, gates, guards and budgets as the default branch has them, whatever the commit says."""
    known = next((model_of(row) for row in parts.store.models() if row.name == model.name), None)
    if known is None:
        return model
    environments = tuple(_ruled(e, known) for e in model.environments)
    return replace(model, environments=environments, evaluate=_gated(model, known))


def under_present_rules(release: Release, known: Iterable[ModelRow]) -> Release:
    """An ended release as the default branch would have it today: trying again is no way around a rule."""
    model = next((model_of(row) for row in known if row.name == release.model), None)
    if model is None:
        return release
    gates = model.evaluate.gates if model.evaluate else ()
    return replace(release, environment=_ruled(release.environment, model), rules=gates or release.rules)


def _gated(model: Model, known: Model) -> Evaluate | None:
    """The commit's own way to measure, held to the gates of the default branch where it has any."""
    if known.evaluate is None or not known.evaluate.gates:
        return model.evaluate
    return replace(model.evaluate or known.evaluate, gates=known.evaluate.gates)


def _ruled(environment: Environment, known: Model) -> Environment:
    rules = known.environment(environment.name)
    if rules is None:
        return environment
    return replace(
        environment,
        approvals=rules.approvals,
        guards=rules.guards,
        false_rollbacks=rules.false_rollbacks,
        risk=rules.risk,
        when_undecided=rules.when_undecided,
        when_newer=rules.when_newer,
        mode=rules.mode,
    )


def tree_digest(tree: Iterable[TreeEntry], folder: str) -> str:
    """A name for the content of a folder: the same for the same files, in whichever commit."""
    prefix = f"{folder}/" if folder else ""
    digest = hashlib.sha256()
    for entry in sorted(tree, key=lambda e: e.path):
        if entry.path.startswith(prefix):
            path = entry.path.removeprefix(prefix)
            digest.update(f"{entry.mode:o} {entry.oid} {path}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _broken_report(source: str, commit: str, broken: Broken) -> ReportCommit:
    count = len(broken.mistakes)
    title = f"{broken.file} has {count} mistake{'s' if count > 1 else ''}; nothing was started"
    text = mistakes_shown.as_text(broken.mistakes, broken.data, broken.file)
    return ReportCommit(source, commit, f"segue/{broken.file}", "failure", title, text)
