"""A release in a table: what it has behind it and to come, its approvals, gates and guards, and how it ended.

Each row is a part, a name and what is said of it, as plain text; who shows it knows in which markup.
"""

from collections.abc import Iterator

from policies import messages
from policies.release import HOLDING, Phase, Release
from policies.strategy import Shadow, Shift, Step, Watch

Row = tuple[str, str, str]


def rows(release: Release) -> tuple[Row, ...]:
    """The whole table, in the order in which things happen."""
    return (*_gates(release), *_approvals(release), *_stages(release), *_guards(release), *_outcome(release))


def _gates(release: Release) -> Iterator[Row]:
    for line in release.gates:
        name, _, said = line.partition(" ")
        yield "gate", name, said


def _approvals(release: Release) -> Iterator[Row]:
    rule = release.environment.approvals
    given = [one.actor for one in release.approvals if one.plan == release.plan]
    if rule.count:
        yield "approvals", f"{len(given)} of {rule.count}", ", ".join(given)
    if release.override is not None:
        yield "override", release.override.actor, release.override.reason


def _stages(release: Release) -> Iterator[Row]:
    for number, step in enumerate(release.steps):
        match step:
            case Shift(weights=weights):
                for weight in weights:
                    yield "stage", f"{weight:g} %", _at_weight(release, weight)
            case Shadow():
                yield "stage", "copies of requests", _at_step(release, number, step)
            case Watch():
                yield "stage", "watched", _at_step(release, number, step)


def _at_weight(release: Release, weight: float) -> str:
    if release.phase is Phase.PROMOTED:
        return "done"
    if release.phase is Phase.SHIFTING and weight == release.wanted:
        return f"now: {release.observed:g} % of requests"
    return "done" if weight <= release.peak else _ahead(release)


def _at_step(release: Release, number: int, step: Step) -> str:
    now = Phase.SHADOWING if isinstance(step, Shadow) else Phase.WATCHING
    if release.phase is now and number == release.position:
        return "now"
    begun = release.phase in HOLDING or release.peak > 0 or release.phase is Phase.PROMOTED
    done = release.phase is Phase.PROMOTED or (begun and number < release.position)
    return "done" if done else _ahead(release)


def _ahead(release: Release) -> str:
    return "left out" if release.final or release.phase is Phase.RESTORING else "to come"


def _guards(release: Release) -> Iterator[Row]:
    for found in release.evidence.findings if release.evidence is not None else ():
        yield "guard", found.guard, messages.finding(found).removeprefix(f"{found.guard}: ")


def _outcome(release: Release) -> Iterator[Row]:
    if release.final:
        yield "outcome", release.phase.value, release.reason or messages.proof(release)
    elif release.waits or release.reason:
        yield "now", release.phase.value, release.waits or release.reason
