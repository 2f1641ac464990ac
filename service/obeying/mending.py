"""Commands about what somebody else changed: write once more what Segue decided, or take it for right.

Both are for what was seen: a digest that names another drift than there is now does nothing.
"""

from policies import drifting as policy
from policies.events import Command
from policies.release import Target
from service.engine import drifting
from service.engine.deciding import Deciding
from service.obeying import naming
from service.obeying.reply import Reply


def repair(deciding: Deciding, command: Command) -> Reply:
    """What Segue decided is written once more, over the drift that was seen."""
    target = naming.target(deciding, command)
    if isinstance(target, Reply):
        return target
    why_not = _why_not(target, command) or policy.beyond(target)
    if why_not:
        return Reply(ok=False, text=why_not, release=target.holder)
    drifting.order(deciding, target, "repair", command.actor, command.reason or "")
    return Reply(ok=True, text=f"{target.name} is being repaired; see: segue targets")


def adopt(deciding: Deciding, command: Command) -> Reply:
    """What somebody else made of it is right from now on; the record says who said so, and why."""
    target = naming.target(deciding, command)
    if isinstance(target, Reply):
        return target
    why_not = _why_not(target, command)
    if not why_not and not (command.reason or "").strip():
        why_not = f"say why: /segue adopt {target.name} <reason>"
    if why_not:
        return Reply(ok=False, text=why_not, release=target.holder)
    drifting.order(deciding, target, "adopt", command.actor, command.reason or "")
    return Reply(ok=True, text=f"{target.name} is taken for right as it is; see: segue targets")


def _why_not(target: Target, command: Command) -> str:
    name, mark = target.name, policy.mark(target)
    if target.place.watched:
        return f"{name} is only watched: whoever shifts its traffic decides what is right there"
    if not mark:
        return f"{name} is as Segue left it; there is nothing to {command.verb}"
    if command.digest is not None and not mark.startswith(command.digest):
        return f"nothing was done: it has changed since you looked; now {policy.told(target)}"
    if target.holder is not None:
        return f"{target.holder} is on its way on {name}; resume it, which writes its weight, or abort it"
    if target.remedy is not None:
        return f"{target.remedy.actor} said so already; see: segue targets"
    return ""
