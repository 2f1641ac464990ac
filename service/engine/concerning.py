"""Which models a push concerns: those of which it changes the folder, or the paths that they name.

What a push changes is told against the commit that the reference named before. A file that could not be read
then started nothing, whatever was pushed with it: once it is repaired, its models are told everything since
their declarations were last read, or a change beside it would never be released.
"""

from policies import triggers
from policies.events import RefChanged
from policies.spec.declaration import Model
from policies.triggers import Start
from service import segue_yaml
from service.bootstrap import Parts
from service.ports.git import GitHost


def starts(
    parts: Parts, host: GitHost, event: RefChanged, commit: str, models: tuple[Model, ...]
) -> tuple[Start, ...]:
    """The releases that the push starts, of the models as they are declared at the commit."""
    default = host.default_branch()
    changed = host.changed(event.before, commit) if event.before else None
    late = _repaired(host, event, commit, changed) if event.ref == default else frozenset()
    refs = host.refs()
    usual = triggers.starts(tuple(m for m in models if m.name not in late), event, changed, default, refs)
    if not late:
        return usual
    since = _last_read(parts, event.source)
    # Read at this very commit: this push was begun before, and nobody knows how far it came.
    wider = host.changed(since, commit) if since not in {None, commit} else None
    told = tuple(m for m in models if m.name in late)
    return (*usual, *triggers.starts(told, event, wider, default, refs))


def _repaired(
    host: GitHost, event: RefChanged, commit: str, changed: tuple[str, ...] | None
) -> frozenset[str]:
    """The models of files that the push repairs."""
    names: set[str] = set()
    for path in changed or ():
        folder, _, name = path.rpartition("/")
        before = host.file(event.before or "", path) if name == segue_yaml.NAME else None
        if before is not None and segue_yaml.check(before, folder).mistakes:
            now = segue_yaml.check(host.file(commit, path) or b"", folder)
            names |= {model.name for model in now.models}
    return frozenset(names)


def _last_read(parts: Parts, source: str) -> str | None:
    """The commit at which the source's declarations were last read."""
    return next((row.commit for row in parts.store.models() if row.source == source), None)
