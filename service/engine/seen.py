"""What somebody saw when they pressed a button: a command that carries it is obeyed only while it is so.

The words are the bond itself, so that whoever comes too late is told what it was and what it is now.
"""

from policies import bonds, replies
from policies.events import Command
from policies.release import Phase, Release, Target
from service.store.change import Change
from service.store.reading import Reading
from service.store.states import number_of, release_of, target_of

SEEN = "seen"
_OF_TARGETS = frozenset({"rollback", "hand-back"})


def of_release(shown: Release) -> str:
    """Where a release stands, as far as a command to go on depends on it."""
    words = [shown.phase.value]
    if shown.phase is Phase.SHIFTING:
        words.append(f"at {shown.wanted:g} %")
    if shown.paused:
        words.append("and paused")
    if shown.phase is Phase.APPROVAL:
        words.append(f"with the plan {shown.plan[7:19]}")
    return " ".join(words)


def of_target(shown: Target) -> str:
    """What a target serves and what is on its way there, as far as a rollback depends on it."""
    serves = (shown.stable.release or "what was found there") if shown.stable else "nothing"
    return f"serving {serves}" + (f" with {shown.holder} on its way" if shown.holder else "")


def changed(change: Change, command: Command) -> str | None:
    """Why a command that carries what was seen is too late. None for one that carries nothing."""
    saw = dict(command.arguments).get(SEEN)
    now = None if saw is None else _now(change, command)
    if saw is None or now is None or now == saw:
        return None
    already = _approved_already(change, command)
    if already:
        return f"{already}; nothing was done: it was {saw} when you looked"
    since = _since(change, command)
    return (
        f"nothing was done: {command.subject} was {saw} when you looked, and is {now} now{since};"
        f" look again, then {command.verb} if it is still right"
    )


def _approved_already(read: Reading, command: Command) -> str:
    """That others were faster, which says more than what has changed since."""
    row = read.release(number_of(command.subject or "")) if command.verb == "approve" else None
    return "" if row is None else replies.approved_already(release_of(row))


def _since(read: Reading, command: Command) -> str:
    """What else has changed, where the command names the plan that was seen."""
    row = read.release(number_of(command.subject or ""))
    told = bonds.since(release_of(row), command.digest) if row is not None and command.digest else ""
    return f" ({told})" if told else ""


def _now(read: Reading, command: Command) -> str | None:
    subject = command.subject or ""
    if command.verb in _OF_TARGETS:
        row = read.target(subject)
        return None if row is None else of_target(target_of(row, subject))
    found = read.release(number_of(subject))
    return None if found is None else of_release(release_of(found))
