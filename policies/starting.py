"""A release that has just got its target: its workload starts, its preview is asked; no user sees it yet.

An absolute write begins the new epoch, and the last thing here is the first step that may give it traffic.
"""

from dataclasses import replace

from policies import freezing, shifting, split
from policies.effects import Adopt, CheckPreview, StartWorkload
from policies.events import Adopted, WorkloadReady
from policies.release import Phase, Release, Serving, Target
from policies.spec.declaration import Strategy
from policies.split import Decision
from policies.windows import Frozen


def begin(release: Release, target: Target, at: float) -> Decision:
    """Handover: holder and epoch change together. What serves there but is not ours is taken over first."""
    epoch = target.epoch + 1
    target = replace(target, holder=release.name, epoch=epoch, newest=release.number, place=release.place)
    release = replace(release, phase=Phase.STARTING, epoch=epoch, since=at)
    if target.stable is None and release.place.deployment is not None:
        release = replace(release, step=f"adopt-{epoch}")
        return Decision(release, target, (Adopt(release.step, release.target, release.place),))
    return _start(release, target)


def take_over(release: Release, target: Target, event: Adopted) -> Decision:
    """What Segue found serving is stable from now on; it has no release and no version of ours."""
    found = Serving(
        release="",
        number=0,
        version="",
        image=event.image,
        backend=event.backend,
        url=event.url,
        since=event.at,
    )
    return _start(release, replace(target, stable=found))


def _start(release: Release, target: Target) -> Decision:
    release = replace(release, step="start-1", waits="")
    start = StartWorkload(release.step, release.version, release.backend, release.target, release.place)
    if target.stable is None:
        return Decision(release, target, (start,))
    return Decision(release, target, (split.split_of(release, target, "open", 0.0), start))


def show_preview(release: Release, target: Target, event: WorkloadReady) -> Decision:
    """The candidate's place in the router, without traffic; on a first release there is none yet."""
    release = replace(release, phase=Phase.CHECKING, url=event.url, since=event.at, waits="")
    if target.stable is None:
        return _ask(release, target)
    release = replace(release, step=f"preview-{release.epoch}")
    return Decision(release, target, (split.split_of(release, target, release.step, 0.0),))


def look_at_preview(release: Release, target: Target, at: float, freeze: Frozen | None) -> Decision:
    """Ask the candidate for an answer, where there is one to be had.

    The copy of a Deployment that was found is ready by its own probe, which asks what its people want asked:
    of that nobody knows more, but for a shadow's recorded requests.
    """
    if release.place.deployment is not None and release.environment.strategy is not Strategy.SHADOW:
        return checked(replace(release, step="", position=0), target, at, freeze)
    return _ask(release, target)


def _ask(release: Release, target: Target) -> Decision:
    release = replace(release, step=f"check-{release.epoch}")
    asked = target.stable is not None and release.environment.strategy is Strategy.SHADOW
    check = CheckPreview(
        release.step,
        release.target,
        release.version,
        release.backend,
        release.url,
        release.place,
        release.environment.shadow.requests if asked else "",
    )
    return Decision(release, target, (check,))


def checked(release: Release, target: Target, at: float, freeze: Frozen | None) -> Decision:
    """All that goes before traffic is done; a release that is paused, or frozen, waits here."""
    if release.paused:
        return Decision(release, target)
    if freeze is not None:
        return freezing.wait(release, target, freeze)
    return shifting.enter(replace(release, waits=""), target, at)


def unheld(release: Release, target: Target, at: float, freeze: Frozen | None) -> Decision:
    """Go on after a pause before any traffic, from where it is by now."""
    done = release.phase is Phase.CHECKING and not release.step
    return checked(release, target, at, freeze) if done else Decision(release, target)
