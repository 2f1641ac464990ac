"""Returns a place that was taken over as it was found; no release takes the target meanwhile."""

from dataclasses import replace

from policies.effects import HandBack
from policies.release import Target
from service.engine.deciding import Deciding
from service.engine.served import HANDED_BACK
from service.store.states import TARGET, target_of

HOLDER = "hand-back"  # holds a target that is being returned


def begin(deciding: Deciding, name: str) -> str | None:
    """Begin to return a target's place; says why not."""
    row = deciding.change.target(name)
    target = target_of(row, name)
    if row is None or target.stable is None or target.place.deployment is None:
        return f"{name} has taken nothing over"
    if target.holder is not None:
        return f"{target.holder} is on its way on {name}; abort it first"
    epoch = target.epoch + 1
    held = replace(target, holder=HOLDER, epoch=epoch)
    deciding.change.save_target(replace(row, state=TARGET.dump(held)))
    deciding.perform(name, HandBack(name, epoch, target.place, target.stable.image, target.stable.version))
    return None


def end(deciding: Deciding, name: str) -> None:
    """The place is as it was found: the target serves nothing of ours, and its number goes on."""
    deciding.change.hold(name)
    row = deciding.change.target(name)
    target = target_of(row, name)
    if row is not None and target.holder == HOLDER:
        empty = Target(name, target.epoch, newest=target.newest)
        deciding.change.save_target(replace(row, state=TARGET.dump(empty)))
        deciding.change.record(name, "segue", HANDED_BACK, {"deployment": target.place.deployment})
        deciding.next_turn(name)
