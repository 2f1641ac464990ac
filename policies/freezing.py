"""What a freeze holds: releases that would begin, and traffic that would grow. Going back never waits."""

from dataclasses import replace

from policies import approving, settle
from policies.effects import Effect, Wake
from policies.events import HoldsChanged
from policies.release import Release, Target
from policies.split import Decision
from policies.windows import Frozen


def of(release: Release, freeze: Frozen | None, at: float) -> Frozen | None:
    """The freeze that is for this release; None for one that goes back, changes nothing, or that an admin
    lets go on."""
    passes = release.switch or release.only_watched or approving.waived(release, at)
    return None if passes else freeze


def wait(release: Release, target: Target, freeze: Frozen) -> Decision:
    """Stay as it is, say until when, and come back then."""
    if release.waits == freeze.why:
        return Decision(release, target)
    release = replace(release, waits=freeze.why)
    wakes: tuple[Effect, ...] = () if freeze.until is None else (Wake(freeze.until),)
    return Decision(release, target, (*wakes, *settle.announce(release)))


def changed(release: Release, target: Target, event: HoldsChanged) -> Decision:
    """What holds it is what the protected branch says now. Whether it goes on the next event tells."""
    environment = replace(release.environment, freeze=event.freeze, budget=event.budget)
    return Decision(replace(release, environment=environment), target)


def holds(release: Release) -> bool:
    """Whether a freeze, or a spent budget, is what it waits for."""
    return release.waits.startswith(("the freeze ", "the error budget "))
