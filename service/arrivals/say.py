"""What words from elsewhere have a say about: a chat's about what its connection may own (`--owns`), a Git
host's comments about what their repository declares.

Else whoever may write to one repository could release another's model. Who was given roles here speaks at a
Git host by these alone, in whichever repository.
"""

from fnmatch import fnmatchcase

from policies.events import Command
from service.identity import callers
from service.ports.connections import Source
from service.sources import CHAT_KINDS
from service.store.reading import Reading
from service.store.states import release_of

_EVERYTHING = frozenset({"*", "*/*"})  # of `--owns`


def spoken_at(read: Reading, command: Command) -> Source | None:
    """The connection where it was said; None for the page, the command line and the API."""
    if command.where is None:
        return None
    return next((one for one in read.sources() if one.name == command.channel), None)


def no_say(read: Reading, command: Command, target: str) -> str | None:
    """Why a command may not be about this target (or `model/*`), seen from where it was said; None where it
    may, and where it was not said elsewhere."""
    source = spoken_at(read, command)
    if source is None:
        return None
    if source.kind in CHAT_KINDS:
        owned = any(fnmatchcase(target, glob) for glob in source.owns)
        return None if owned else _refused(source, target, f"it may own {', '.join(source.owns)}")
    home = _home(read, target)
    if home == source.name or callers.has_roles(read, command.actor):
        return None
    where = f"it is declared at {home}" if home is not None else "it came from elsewhere"
    return _refused(source, target, f"{where}; write it there")


def no_say_about_all(read: Reading, command: Command) -> str | None:
    """The same for what may concern any target, such as a delivery that is handled again."""
    source = spoken_at(read, command)
    if source is None:
        return None
    if source.kind in CHAT_KINDS:
        whole = not _EVERYTHING.isdisjoint(source.owns)
        return None if whole else _refused(source, "everything", f"it may own {', '.join(source.owns)}")
    alone = {row.source for row in read.models()} <= {source.name}
    if alone or callers.has_roles(read, command.actor):
        return None
    return _refused(source, "everything", "other repositories declare models, too")


def _home(read: Reading, target: str) -> str | None:
    """The repository that declares the target's model; for one that no default branch declares, where its
    newest release came from."""
    model = target.partition("/")[0]
    declared = next((row.source for row in read.models() if row.name == model), None)
    if declared is not None:
        return declared
    newest = next(iter(read.releases(target=target, limit=1)), None)
    return None if newest is None else release_of(newest).cause.source


def _refused(source: Source, what: str, why: str) -> str:
    return f"{source.name} has no say about {what}; {why}"
