"""A decision of the release machine, and the one effect that moves traffic.

The whole split is written each time, absolute, under the release's epoch: repeating it is harmless.
"""

from dataclasses import dataclass, replace

from policies import settle
from policies.effects import Effect, SetTraffic, Share
from policies.recording import Recording
from policies.release import Release, Target


@dataclass(frozen=True, slots=True)
class Decision:
    """The next states, and what to do about them, in order."""

    release: Release
    target: Target
    effects: tuple[Effect, ...] = ()


def write(release: Release, target: Target) -> Decision:
    """Ask the router for `wanted`, under a step name of its own."""
    attempt = release.attempt + 1
    release = replace(release, attempt=attempt, step=f"traffic-{release.epoch}-{attempt}")
    effect = split_of(release, target, release.step, release.wanted)
    return Decision(release, target, (effect, *settle.announce(release)))


def split_of(release: Release, target: Target, step: str, weight: float) -> SetTraffic:
    """The target's whole split with the candidate at `weight` percent; stable has the rest."""
    candidate = Share(release.backend, release.url, weight)
    stable = target.stable
    shares: tuple[Share, ...] = ()
    if stable is not None and stable.backend != release.backend:
        shares = (Share(stable.backend, stable.url, 100.0 - weight),)
    if release.url and (shares or weight == 100.0):
        shares = (*shares, candidate)
    return SetTraffic(
        step,
        target.name,
        release.epoch,
        release.backend,
        shares,
        release.environment.sticky,
        release.attempt,
        release.place,
        _recording(release),
    )


def _recording(release: Release) -> Recording | None:
    """What its policy asks for, here and now; None: answers go straight to users."""
    environment = release.environment
    assigns = any(guard.by_request for guard in environment.guards)
    if not (assigns or release.copied):
        return None
    asked = environment.shadow
    found = Recording(assigns, release.copied, asked.answer, asked.score, asked.keep, asked.sample)
    if release.copied and asked.requests:
        return replace(found, requests=asked.requests, rate=asked.rate)
    return found
