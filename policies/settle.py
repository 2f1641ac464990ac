"""What a release leaves behind: reports to the commit, aliases and tags, workloads that may end.

Pure functions from states to effects; the words for people are those of `policies.messages`.
"""

from policies import messages, summary, written
from policies.effects import Effect, MoveAlias, ReportCommit, Settle, StopWorkload
from policies.release import Phase, Release, Target

CHAMPION = "champion"
GOOD = frozenset({Phase.PROMOTED, Phase.ALREADY_THERE})


def announce(release: Release) -> tuple[Effect, ...]:
    """Where the commit's status says how far its release is."""
    return _report(release, "pending")


def ended(release: Release) -> tuple[Effect, ...]:
    """A release that never had traffic."""
    state = "success" if release.phase in GOOD else "failure"
    if release.only_watched:
        return _report(release, state)
    return (*_report(release, state), *written.back(release))


def taken_back(release: Release, target: Target) -> tuple[Effect, ...]:
    """A release whose candidate lost its traffic: its workload ends, its alias goes."""
    effects: list[Effect] = [*ended(release), *_settled(target), *stopped(release, target)]
    cause = release.cause
    if cause.registry and cause.registered and cause.alias and cause.alias != CHAMPION:
        model, version = cause.registered
        effects.append(MoveAlias(cause.registry, model, cause.alias, None, expected=version))
    return tuple(effects)


def stopped(release: Release, target: Target) -> tuple[Effect, ...]:
    """The workload ends unless the target names it: an earlier release may have started it for nobody.

    Whoever performs it looks once more whether anybody needs it.
    """
    warm = {s.backend for s in (target.stable, target.previous) if s is not None}
    nobody = release.batch or release.only_watched or release.backend in warm
    return () if nobody else (StopWorkload(release.backend, release.place),)


def _settled(target: Target) -> tuple[Effect, ...]:
    """In a cluster, where versions have several copies: what held their numbers lets go."""
    backends = tuple(s.backend for s in (target.stable, target.previous) if s is not None)
    if target.place.cluster is None or not backends:
        return ()
    return (Settle(backends, target.place),)


def promoted(release: Release, before: Target, after: Target) -> tuple[Effect, ...]:
    """A release that now serves: what was kept warm until now and is not any more may end."""
    if release.only_watched:
        return ended(release)
    effects: list[Effect] = [*ended(release), *_settled(after)]
    warm = {s.backend for s in (after.stable, after.previous) if s is not None}
    old = before.previous
    if old is not None and old.backend not in warm:
        effects.append(StopWorkload(old.backend, before.place))
    cause = release.cause
    if cause.registry and cause.registered:
        model, version = cause.registered
        effects.append(MoveAlias(cause.registry, model, CHAMPION, version))
    effects += written.replaced(release, before, after)
    return tuple(effects)


def _report(release: Release, state: str) -> tuple[Effect, ...]:
    cause = release.cause
    if cause.source is None or cause.commit is None:
        return ()
    if release.only_watched:
        state = "success"  # any other may keep somebody from merging
    title = messages.title(release)
    text = messages.explanation(release)
    key = f"segue/{release.target}"
    told = (cause.source, cause.commit, key, state, title, text, release.name)
    return (ReportCommit(*told, rows=summary.rows(release)),)
