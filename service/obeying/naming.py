"""Which release or target a command means, by what it names."""

from collections.abc import Sequence

from policies.events import Command
from policies.release import HOLDING, JUDGED, Phase, Release, Target
from service.arrivals import say
from service.engine.deciding import Deciding
from service.obeying.reply import Reply
from service.store.rows import TargetRow
from service.store.states import number_of, release_of, target_of

SHOWN = 10  # names in an answer
ASKED = 100  # targets of which it is asked whether they may be named elsewhere
MIDDLE = {
    "promote": set(JUDGED),
    "pause": {Phase.STARTING, Phase.CHECKING, *JUDGED},
    "resume": {Phase.STARTING, Phase.CHECKING, *JUDGED},
    "approve": {Phase.APPROVAL},
    "override": {Phase.APPROVAL, Phase.QUEUED, *JUDGED},
    "reject": {Phase.APPROVAL},
}


def release(deciding: Deciding, command: Command) -> Release | Reply:
    """The release that is meant: by name, or the only open one of a target."""
    subject = command.subject or ""
    if number_of(subject):
        row = deciding.change.release(number_of(subject))
        if row is None:
            return Reply(ok=False, text=f"there is no release {subject}; see: segue releases")
        return release_of(row)
    return _only_open(deciding, command)


def _only_open(deciding: Deciding, command: Command) -> Release | Reply:
    opened = [release_of(row) for row in deciding.change.releases(final=False)]
    wanted = MIDDLE.get(command.verb, set(HOLDING) | {Phase.PENDING, Phase.APPROVAL, Phase.QUEUED})
    fitting = [r for r in opened if r.phase in wanted and command.subject in {None, r.model, r.target}]
    if command.subject is None:
        fitting = [r for r in fitting if say.no_say(deciding.change, command, r.target) is None]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        return Reply(ok=False, text=f"there is no release to {command.verb}; see: segue releases")
    return Reply(ok=False, text=f"{command.verb} which one? {some([r.name for r in fitting])}")


def some(names: Sequence[str]) -> str:
    """Names in an answer: the first of them, where there are many."""
    return ", ".join((*names[:SHOWN], "…") if len(names) > SHOWN else names)


def newest(deciding: Deciding, command: Command) -> Release | Reply:
    """The newest release of the model or target that is named."""
    if command.subject is None:
        return Reply(ok=False, text="try what again? name a release or a target; see: segue releases")
    releases = (release_of(row) for row in deciding.change.releases())
    found = next((r for r in releases if command.subject in {r.model, r.target}), None)
    text = f"there is no release of {command.subject!r}; see: segue releases"
    return found or Reply(ok=False, text=text)


def target(deciding: Deciding, command: Command) -> Target | Reply:
    """The target that is meant: by its name, its model's, or one of its releases'."""
    subject = command.subject or ""
    if number_of(subject):
        row = deciding.change.release(number_of(subject))
        subject = row.target if row is not None else subject
    rows = deciding.change.targets()
    fitting = [row for row in rows if subject in {row.name, row.name.partition("/")[0]}]
    if len(fitting) == 1:
        no_say = say.no_say(deciding.change, command, fitting[0].name)
        return target_of(fitting[0], fitting[0].name) if no_say is None else Reply(ok=False, text=no_say)
    return Reply(ok=False, text=f"which target is {subject!r}? {_known(deciding, command, fitting or rows)}")


def _known(deciding: Deciding, command: Command, rows: list[TargetRow]) -> str:
    """Their names; elsewhere only of those that have something to do with where it was said."""
    if command.where is not None:
        rows = [row for row in rows[:ASKED] if say.no_say(deciding.change, command, row.name) is None]
        return f"known here: {some([row.name for row in rows]) or 'none'}"
    names = some([row.name for row in rows])
    return f"known: {names or 'none yet; the first release of a model makes one'}"
