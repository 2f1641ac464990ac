"""Commands that go back: to the version before, to what was found, or to an ended release once more."""

from policies import replies
from policies.events import Command
from policies.release import Cause, Phase
from service.arrivals import say
from service.engine import beginning, handing_back, ruling
from service.engine.deciding import Deciding
from service.obeying import begun, naming
from service.obeying.reply import Reply
from service.store.states import number_of, release_of

RETRIABLE = {Phase.FAILED, Phase.REFUSED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.REJECTED}


def rollback(deciding: Deciding, command: Command) -> Reply:
    """Back to the version before: by taking back what is on its way, or by a new release."""
    target = naming.target(deciding, command)
    if isinstance(target, Reply):
        return target
    if target.place.watched:
        text = f"{target.name} is only watched: whoever shifts its traffic takes it back"
        return Reply(ok=False, text=text, release=target.holder)
    if target.holder is not None:
        holder = deciding.change.release(number_of(target.holder))
        if holder is not None and release_of(holder).switch:
            text = f"{target.holder} is switching {target.name} back already"
            return Reply(ok=True, text=text, release=target.holder)
        abort = Command(
            "abort", target.holder, None, command.reason, command.actor, command.channel, command.at
        )
        after = deciding.release_event(target.holder, abort)
        text = replies.taken_back(after, target) if after else f"{target.holder} is being taken back"
        return Reply(ok=True, text=text, release=target.holder)
    if target.stable is None or target.previous is None:
        return Reply(ok=False, text=f"{target.name} has no version before to go back to")
    # What was found there has no release, where people took it for right: its rules are those of the other.
    row = deciding.change.release(number_of(target.stable.release or target.previous.release))
    if row is None:
        return Reply(ok=False, text=f"the release that serves {target.name} is not known any more")
    serving = release_of(row)
    why = f": {command.reason}" if command.reason else ""
    cause = Cause(
        f"{command.actor} rolled {target.name} back{why}", command.actor, registry=serving.cause.registry
    )
    name = beginning.switch_back(deciding, target, serving.environment, cause, target.previous)
    to = replies.version_of(target.previous)
    text = f"{name} switches {target.name} back to {to}: {begun.ahead(deciding, name)}"
    return Reply(ok=True, text=text, release=name)


def hand_back(deciding: Deciding, command: Command) -> Reply:
    """A place as it was found; what serves now goes on serving there."""
    target = naming.target(deciding, command)
    if isinstance(target, Reply):
        return target
    why_not = handing_back.begin(deciding, target.name)
    if why_not is not None:
        return Reply(ok=False, text=why_not)
    where = f"{target.place.namespace}/{target.place.deployment}"
    return Reply(ok=True, text=f"{target.name} goes back to {where}; see: segue targets")


def retry(deciding: Deciding, command: Command) -> Reply:
    """An ended release, by name, or the newest of a model or target."""
    release = (
        naming.release(deciding, command)
        if number_of(command.subject or "")
        else naming.newest(deciding, command)
    )
    if isinstance(release, Reply):
        return release
    no_say = say.no_say(deciding.change, command, release.target)
    if no_say is not None:
        return Reply(ok=False, text=no_say)
    if release.phase not in RETRIABLE:
        return Reply(
            ok=False,
            text=f"{release.name} is {release.phase.value}; there is nothing to try again",
            release=release.name,
        )
    ruled = ruling.under_present_rules(release, deciding.change.models())
    name = beginning.again(deciding, ruled, command.actor)
    return Reply(
        ok=True, text=f"{name} tries {release.name} again: {begun.ahead(deciding, name)}", release=name
    )
