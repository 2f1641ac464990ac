"""What a source may release: targets that its operator gave it, and no model that is declared elsewhere."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from policies.spec.declaration import Model
from policies.spec.mistakes import Mistake, mistake
from policies.spec.node import Place
from service.ports.connections import Source


def foreign(source: Source, model: Model) -> tuple[str, ...]:
    """The model's targets that the operator did not give to this source."""
    targets = (f"{model.name}/{environment.name}" for environment in model.environments)
    return tuple(t for t in targets if not any(fnmatchcase(t, glob) for glob in source.owns))


def mistakes(source: Source, taken: Mapping[str, str], models: tuple[Model, ...]) -> Iterator[Mistake]:
    """What is wrong with models of this source; `taken` says of each name where it is declared already."""
    for model in models:
        if model.name in taken:
            message = f"`{model.name}` is declared {taken[model.name]}; choose another name"
            yield mistake(Place("name"), message, found=model.name)
        for target in foreign(source, model):
            message = (
                f"source {source.name} may not own {target}; it may own {', '.join(source.owns)}."
                f" An operator can change that: segue connect ... --owns {target}"
            )
            yield mistake(Place("name"), message, found=target, allowed=source.owns)
