"""Why a change at a source starts nothing, in words for people."""

from collections.abc import Sequence

from policies import triggers
from policies.events import AliasChanged, ImageChanged, RefChanged, SourceEvent, VersionRegistered
from policies.spec.declaration import FromBuild, FromImage, FromModel, Model

MOST_TOLD = 3  # models, each with its own reason


def why(
    event: SourceEvent, models: Sequence[Model] = (), default_branch: str = "", broken: Sequence[str] = ()
) -> str:
    """Of a push: `models` are those that its commit declares, `broken` the files that it could not read."""
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


def _of_push(event: RefChanged, models: Sequence[Model], default: str, broken: Sequence[str]) -> str:
    told = [f"{file} has mistakes, which the commit's status tells" for file in broken]
    told += [f"{model.name} {_of_model(event, model, default)}" for model in models]
    rest = len(told) - MOST_TOLD
    more = [f"and {rest} more"] if rest > 0 else []
    return "; ".join(told[:MOST_TOLD] + more) or "it holds no segue.yaml"


def _of_model(event: RefChanged, model: Model, default: str) -> str:
    match model.source:
        case FromModel(model=name, alias=alias):
            return f"is released by models:/{name}@{alias}, not by a push"
        case FromImage(reference=reference):
            return f"is released by the image {reference}, not by a push"
        case FromBuild() if event.ref.startswith(triggers.TAG):
            return f"is not released by the tag {event.ref.removeprefix(triggers.TAG)}"
        case FromBuild() if not triggers.branch_wanted(model, event.ref, default):
            return f"is not released from {event.ref.removeprefix(triggers.BRANCH)}"
        case FromBuild():
            return f"has no change in {_paths(model)}"


def _paths(model: Model) -> str:
    return ", ".join(model.triggers.paths) or (f"{model.folder}/" if model.folder else "any file")
