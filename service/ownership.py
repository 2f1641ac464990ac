"""What a source may release: the targets that its operator gave it, and no model of another source."""

from fnmatch import fnmatchcase

from policies.effects import ReportCommit
from policies.spec.declaration import Model
from service.store import Store


def why_not(store: Store, source: str, model: Model) -> str | None:
    """Why the model may not be declared and released by this source; None if it may."""
    with store.read() as read:
        sources = {one.name for one in read.sources()}
        declared = {row.name: row.source for row in read.models()}
    owner = declared.get(model.name, source)
    if owner != source and owner in sources:
        return f"{model.name} is declared by the source {owner} already; give one of the two another name"
    foreign = _foreign(store, source, model)
    if not foreign:
        return None
    owns = ", ".join(_owns(store, source)) or "nothing"
    return (
        f"the source {source} may not release {', '.join(foreign)}; it owns {owns}."
        f" An operator can change that: segue connect … --owns {foreign[0]}"
    )


def may_start(store: Store, source: str, model: Model) -> bool:
    """Whether an event of this source may start a release of a model that another source declares."""
    return not _foreign(store, source, model)


def report(source: str, commit: str, model: Model, reason: str) -> ReportCommit:
    """The same on the commit."""
    title = f"{model.name} was not released: it belongs to somebody else"
    return ReportCommit(source, commit, f"segue/{model.name}", "failure", title, reason)


def _foreign(store: Store, source: str, model: Model) -> list[str]:
    owns = _owns(store, source)
    targets = [f"{model.name}/{environment.name}" for environment in model.environments]
    return [target for target in targets if not any(fnmatchcase(target, glob) for glob in owns)]


def _owns(store: Store, source: str) -> tuple[str, ...]:
    return next((one.owns for one in store.sources() if one.name == source), ())
