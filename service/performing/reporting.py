"""What the world is told: a commit's status, a command's answer, a version's tags, what an alias names."""

from policies.effects import MoveAlias, ReportCommit, TagVersion, WriteComment
from service import watching
from service.bootstrap import Parts
from service.performing.outcomes import Done
from service.ports.git import CommitState, CommitStatus


def report(parts: Parts, effect: ReportCommit) -> Done:
    """Say it about the commit, under the effect's key: a later report of that key replaces it."""
    state = CommitState(effect.state)
    status = CommitStatus(effect.commit, effect.key, state, effect.title, effect.text)
    parts.git(effect.source).report(status)
    return Done()


def comment(parts: Parts, effect: WriteComment) -> Done:
    """Say it where the command was said."""
    parts.git(effect.source).comment(effect.where, effect.key, effect.text)
    return Done()


def tag(parts: Parts, effect: TagVersion) -> Done:
    """Say it about the registered version."""
    parts.registry(effect.source).set_tags(effect.model, effect.version, effect.tags)
    return Done()


def move_alias(parts: Parts, effect: MoveAlias) -> Done:
    """What people did meanwhile is observed first: after our own write nobody could see it."""
    registry = parts.registry(effect.source)
    named = registry.aliases().get((effect.model, effect.alias))
    if named == effect.version:
        return Done(moved=effect)
    watching.look(parts, parts.source(effect.source))
    if effect.expected not in {None, named}:
        return Done()
    registry.set_alias(effect.model, effect.alias, effect.version)
    return Done(moved=effect)
