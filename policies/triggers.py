"""Which models start a release for a change that a source tells. Reads nothing: the caller has the models
as they are declared at the commit, and the paths that the push changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from policies import gto
from policies.events import AliasChanged, ImageChanged, RefChanged, SourceEvent, VersionRegistered
from policies.gto import Held
from policies.spec.declaration import FromImage, FromModel, Model

BRANCH = "refs/heads/"
TAG = "refs/tags/"


@dataclass(frozen=True, slots=True)
class Start:
    """A release of this model begins because of this event, or because it `held`s a stage now."""

    model: Model
    cause: SourceEvent
    held: Held | None = None

    @property
    def environment(self) -> str | None:
        """The only one to be released to: the one that the stage is called by, where there is one."""
        names = {environment.name for environment in self.model.environments}
        return self.held.stage if self.held is not None and self.held.stage in names else None


def starts(
    models: tuple[Model, ...],
    event: SourceEvent,
    changed_paths: tuple[str, ...] | None,
    default_branch: str,
    refs: Mapping[str, str],
) -> tuple[Start, ...]:
    """The models that the event starts. `changed_paths` None: not known, so any may have changed.

    `default_branch` is a full name (refs/heads/main). `refs` are all references with their commits now: of
    tags that assign a stage the newest counts. What was deleted starts nothing.
    """
    if event.value is None:
        return ()
    found = []
    for model in models:
        stage = _held(model, event, refs)
        if stage is not None or _starts(model, event, changed_paths, default_branch):
            found.append(Start(model, event, stage))
    return tuple(found)


def _held(model: Model, event: SourceEvent, refs: Mapping[str, str]) -> Held | None:
    """The stage that the event's tag gives to the model, if it is still the newest that does."""
    if not isinstance(event, RefChanged) or not event.ref.startswith(TAG):
        return None
    name = event.ref.removeprefix(TAG)
    tag = gto.read(name, event.after or "")
    if tag is None or tag.model != model.name or tag.subject not in model.triggers.gto:
        return None
    tags = {ref.removeprefix(TAG): commit for ref, commit in refs.items() if ref.startswith(TAG)}
    now = gto.held(tags, model.name, tag.subject)
    return now if now is not None and now.tag.name == name and now.tag.commit == event.after else None


def _starts(model: Model, event: SourceEvent, changed: tuple[str, ...] | None, default_branch: str) -> bool:
    match event:
        case RefChanged(ref=ref) if ref.startswith(BRANCH):
            return branch_wanted(model, ref, default_branch) and _concerned(model, changed)
        case RefChanged(ref=ref) if ref.startswith(TAG):
            return _tag_wanted(model, ref.removeprefix(TAG))
        case AliasChanged(model=registered, alias=alias):
            return model.source == FromModel(registered, alias)
        case ImageChanged(repository=repository, pattern=pattern):
            return model.source == FromImage(repository, pattern)
        case RefChanged() | VersionRegistered():
            return False


def branch_wanted(model: Model, ref: str, default_branch: str) -> bool:
    """Whether pushes to the branch of that full name may start the model."""
    rule = model.triggers
    if rule.default_branch and ref == default_branch:
        return True
    name = ref.removeprefix(BRANCH)
    return any(fnmatchcase(name, pattern) for pattern in rule.branches)


def _tag_wanted(model: Model, tag: str) -> bool:
    """A tag names a whole commit, so what it changed is not asked."""
    return any(fnmatchcase(tag, pattern) for pattern in model.triggers.tags)


def _concerned(model: Model, changed: tuple[str, ...] | None) -> bool:
    """Whether the push touched the model's folder, or its `paths` where it has any."""
    if changed is None:
        return True
    if model.triggers.paths:
        return any(path_matches(path, pattern) for path in changed for pattern in model.triggers.paths)
    return any(below(path, model.folder) for path in changed)


def below(path: str, folder: str) -> bool:
    """Whether the path lies in the folder; "" is the repository's root."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def path_matches(path: str, pattern: str) -> bool:
    """`*` stands for a part of one name, `**` for any number of folders; a folder means all below it."""
    return _match(path.split("/"), pattern.rstrip("/").split("/"))


def _match(names: Sequence[str], patterns: Sequence[str]) -> bool:
    # One row per pattern, so that many `**` cost a product of lengths and never more.
    reached = {0}
    for pattern in patterns:
        if pattern == "**":
            reached = set(range(min(reached, default=len(names) + 1), len(names) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(names) and fnmatchcase(names[at], pattern)}
    return bool(reached)
