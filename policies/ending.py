"""How a release ends: promoted, taken back, or never begun. Final only once the router has confirmed."""

from dataclasses import replace

from policies import settle, split
from policies.events import Command
from policies.release import Phase, Release, Serving, Target
from policies.split import Decision


def restore(release: Release, target: Target, outcome: Phase, reason: str, at: float) -> Decision:
    """Take the candidate's traffic back; final only once the router has confirmed it."""
    release = replace(
        release,
        phase=Phase.RESTORING,
        outcome=outcome,
        reason=reason,
        wanted=0.0,
        copied=False,
        since=at,
        waits="",
    )
    return split.write(release, target)


def restored(release: Release, target: Target, at: float) -> Decision:
    """The candidate has no traffic any more: the end that was asked for, and the target is free."""
    outcome = release.outcome or Phase.FAILED
    release = replace(release, phase=outcome, ended=at)
    target = replace(target, holder=None)
    return Decision(release, target, settle.taken_back(release, target))


def finish(release: Release, target: Target, at: float) -> Decision:
    """Promotion: the candidate is stable; the version before stays warm, the one before it goes."""
    release = replace(release, phase=Phase.PROMOTED, ended=at)
    if release.batch:
        return Decision(release, target, settle.promoted(release, target, target))
    after = replace(target, holder=None, stable=_serving(release, at), previous=target.stable)
    if target.stable is not None and target.stable.backend == release.backend:
        after = replace(after, previous=target.previous)
    return Decision(release, after, settle.promoted(release, target, after))


def _serving(release: Release, at: float) -> Serving:
    return Serving(
        release=release.name,
        number=release.number,
        version=release.version,
        image=release.image,
        backend=release.backend,
        url=release.url,
        since=at,
        metrics=release.metrics,
        registered=release.cause.registered,
        registry=release.cause.registry,
    )


def end(release: Release, target: Target, phase: Phase, reason: str, at: float) -> Decision:
    """The end of a release that never had traffic."""
    release = replace(release, phase=phase, reason=reason, ended=at, waits="")
    return Decision(release, target, (*settle.ended(release), *settle.stopped(release, target)))


def by(command: Command, did: str) -> str:
    """Who did it, and why, as a reason."""
    return f"{command.actor} {did}" + (f": {command.reason}" if command.reason else "")
