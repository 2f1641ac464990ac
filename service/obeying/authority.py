"""Whether whoever commands may do so now, to what they mean: asked when it takes effect, in the same change.

A token's or a login's command names whose grants count. What came in another way was checked there (a Git
host says who may write, a source's owner for which targets it may speak), unless its author was given roles
here: then these count, and nothing else.
"""

from policies import roles
from policies.events import Command
from policies.release import Release, Target
from policies.roles import OWNER, Rights
from service.engine import beginning
from service.engine.beginning import Plan
from service.engine.deciding import Deciding
from service.identity import callers
from service.obeying import naming
from service.obeying.reply import Reply
from service.store.reading import Reading
from service.store.states import number_of

_TARGETS = frozenset({"rollback", "hand-back", "repair", "adopt"})
_ALL = frozenset({"replay-event", "dismiss-event"})


def why_not(deciding: Deciding, command: Command, plan: Plan | None) -> str | None:
    """Why it is not obeyed; None where it may be. Who may not see what they name is told that it is not
    there."""
    rights = rights_of(deciding.change, command)
    if rights.may_everywhere(command.verb):
        return None
    if command.verb in _ALL or not rights.may_somewhere(command.verb):
        return _refused(command, rights, "everything" if command.verb in _ALL else "something")
    targets = _concerned(deciding, command, plan)
    if command.subject is None and not targets:
        return f"{command.verb} what? name a release or a target; {command.actor} has {rights}"
    if not targets or not all(rights.may("see", target) for target in targets):
        return f"there is nothing named {command.subject!r} that {command.actor} could {command.verb}"
    missing = next((target for target in targets if not rights.may(command.verb, target)), None)
    return None if missing is None else _refused(command, rights, missing)


def why_no_start(read: Reading, command: Command) -> str | None:
    """The same before a plan is made, which asks sources and would tell of models that are not theirs."""
    rights = rights_of(read, command)
    if rights.may_of_model(command.verb, command.subject or ""):
        return None
    return _refused(command, rights, command.subject or "something")


def rights_of(read: Reading, command: Command) -> Rights:
    """What whoever commands may do now."""
    if command.authority:
        return callers.rights_of(read, command.authority, command.at)
    return callers.granted(read, [command.actor]) if callers.has_roles(read, command.actor) else OWNER


def _refused(command: Command, rights: Rights, where: str) -> str:
    needed = roles.who_may(command.verb)
    return f"{command.actor} may not {command.verb}: it needs {needed} on {where}, and they have {rights}"


def _concerned(deciding: Deciding, command: Command, plan: Plan | None) -> list[str]:
    """The targets that the command would change; none where what it names is not there, or not clear."""
    if plan is not None:
        return [f"{plan.model.name}/{one.name}" for one in beginning.first_environments(plan)]
    found: Release | Target | Reply
    if command.verb in _TARGETS:
        found = naming.target(deciding, command)
    elif command.verb == "retry" and not number_of(command.subject or ""):
        found = naming.newest(deciding, command)
    else:
        found = naming.release(deciding, command)
    match found:
        case Reply():
            return []
        case Release():
            return [found.target]
        case Target():
            return [found.name]
