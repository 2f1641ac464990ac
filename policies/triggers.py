"""Which models start a release for a change that a source tells. Reads nothing: the caller has the models
as they are declared at the commit, and the paths that the push changed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from policies.events import AliasChanged, ImageChanged, RefChanged, SourceEvent, VersionRegistered
from policies.spec.declaration import FromImage, FromModel, Model

_BRANCH = "refs/heads/"
_TAG = "refs/tags/"
# Iterative's GTO: `churn@v1.2.0` registers, `churn#prod` assigns a stage, `churn#prod!` takes it away.
_GTO_STAGE = re.compile(r"(?:[^\s#@!=]+=)?(?P<model>[^\s#@!=]+)#(?P<stage>[a-z][a-z0-9-]*)(?:#[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Start:
    """A release of this model begins because of this event."""

    model: Model
    cause: SourceEvent


def starts(
    models: tuple[Model, ...],
    event: SourceEvent,
    changed_paths: tuple[str, ...] | None,
    default_branch: str,
) -> tuple[Start, ...]:
    """The models that the event starts. `changed_paths` None: not known, so any may have changed.

    `default_branch` is a full name (refs/heads/main). What was deleted starts nothing.
    """
    if event.value is None:
        return ()
    return tuple(
        Start(model, event) for model in models if _starts(model, event, changed_paths, default_branch)
    )


def _starts(model: Model, event: SourceEvent, changed: tuple[str, ...] | None, default_branch: str) -> bool:
    match event:
        case RefChanged(ref=ref) if ref.startswith(_BRANCH):
            return _branch_wanted(model, ref, default_branch) and _concerned(model, changed)
        case RefChanged(ref=ref) if ref.startswith(_TAG):
            return _tag_wanted(model, ref.removeprefix(_TAG))
        case AliasChanged(model=registered, alias=alias):
            return model.source == FromModel(registered, alias)
        case ImageChanged(repository=repository, pattern=pattern):
            return model.source == FromImage(repository, pattern)
        case RefChanged() | VersionRegistered():
            return False


def _branch_wanted(model: Model, ref: str, default_branch: str) -> bool:
    rule = model.triggers
    if rule.default_branch and ref == default_branch:
        return True
    name = ref.removeprefix(_BRANCH)
    return any(fnmatchcase(name, pattern) for pattern in rule.branches)


def _tag_wanted(model: Model, tag: str) -> bool:
    """A tag names a whole commit, so what it changed is not asked."""
    stage = _GTO_STAGE.fullmatch(tag)
    if stage and stage["model"] == model.name and stage["stage"] in model.triggers.gto:
        return True
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
