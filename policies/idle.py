"""Why a change at a source starts nothing, in words for people."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from policies import triggers
from policies.events import AliasChanged, ImageChanged, RefChanged, SourceEvent, VersionRegistered
from policies.spec.declaration import FromBuild, FromImage, FromModel, Model
from policies.spec.mistakes import Mistake

MOST_TOLD = 3  # models, each with its own reason
NONE: Mapping[str, Sequence[Mistake]] = MappingProxyType({})


def why(
    event: SourceEvent,
    models: Sequence[Model] = (),
    default_branch: str = "",
    broken: Mapping[str, Sequence[Mistake]] = NONE,
) -> str:
    """Of a push: `models` are those that its commit declares, `broken` the files that declare nothing because
    of their mistakes."""
    if event.value is None:
        return "what was removed starts nothing"
    match event:
        case VersionRegistered():
            return "a new version starts nothing; an alias that names it does"
        case AliasChanged(model=name, alias=alias):
            return f"no model that its source may release says `model: models:/{name}@{alias}`"
        case ImageChanged(reference=reference):
            return f"no model that its source may release says `image: {reference}`"
        case RefChanged():
            return _of_push(event, models, default_branch, broken)


def _of_push(
    event: RefChanged, models: Sequence[Model], default: str, broken: Mapping[str, Sequence[Mistake]]
) -> str:
    told = [_mistaken(file, mistakes) for file, mistakes in broken.items()]
    told += [f"{model.name} {_of_model(event, model, default)}" for model in models]
    rest = len(told) - MOST_TOLD
    more = [f"and {rest} more"] if rest > 0 else []
    return "; ".join(told[:MOST_TOLD] + more) or "it holds no segue.yaml"


def _mistaken(file: str, mistakes: Sequence[Mistake]) -> str:
    first, rest = mistakes[0], len(mistakes) - 1
    more = f" (and {rest} more, which the commit's status tells)" if rest else ""
    return f"{file}: {first.path}: {first.message}{more}"


def _of_model(event: RefChanged, model: Model, default: str) -> str:
    match model.source:
        case FromModel(model=name, alias=alias):
            return f"is released by models:/{name}@{alias}, not by a push"
        case FromImage(reference=reference):
            return f"is released by the image {reference}, not by a push"
        case FromBuild() if event.ref.startswith(triggers.TAG):
            return f"is not released by the tag {event.ref.removeprefix(triggers.TAG)}"
        case FromBuild() if not triggers.branch_wanted(model, event.ref, default):
            branch = event.ref.removeprefix(triggers.BRANCH)
            return f"is not released from {branch}{_from(model, default)}"
        case FromBuild():
            return f"has no change in {_paths(model)}"


def _from(model: Model, default: str) -> str:
    rule = model.triggers
    named = [default.removeprefix(triggers.BRANCH)] if rule.default_branch else []
    branches = ", ".join([*named, *rule.branches])
    return f", but from {branches}" if branches else ""


def _paths(model: Model) -> str:
    return ", ".join(model.triggers.paths) or (f"{model.folder}/" if model.folder else "any file")
