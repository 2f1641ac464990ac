"""What a freeze holds: releases that would begin, and traffic that would grow. Going back never waits."""

from dataclasses import replace

from policies import approving, settle
from policies.effects import Wake
from policies.release import Release, Target
from policies.split import Decision
from policies.windows import Frozen


def passes(release: Release, at: float) -> bool:
    """Whether no freeze is for it: it goes back, changes nothing, or an admin lets it go on."""
    return release.switch or release.only_watched or approving.waived(release, at)


def wait(release: Release, target: Target, freeze: Frozen) -> Decision:
    """Stay as it is, say until when, and come back then."""
    if release.waits == freeze.why:
        return Decision(release, target)
    release = replace(release, waits=freeze.why)
    return Decision(release, target, (Wake(freeze.until), *settle.announce(release)))
