"""Approvals, gates, guards, freezes and budgets come from the protected branch, whatever a commit says."""

from collections.abc import Iterable
from dataclasses import replace

from policies.release import Release
from policies.spec.declaration import Environment, Evaluate, Model
from service.bootstrap import Parts
from service.store.reading import Reading
from service.store.rows import ModelRow
from service.store.states import model_of


def by_protected_branch(parts: Parts, model: Model) -> Model:
    """Approvals, gates, guards and budgets as the default branch has them, whatever the commit says."""
    known = next((model_of(row) for row in parts.store.models() if row.name == model.name), None)
    if known is None:
        return model
    environments = tuple(_ruled(e, known) for e in model.environments)
    return replace(model, environments=environments, evaluate=_gated(model, known))


def under_present_rules(release: Release, known: Iterable[ModelRow]) -> Release:
    """An ended release as the default branch would have it today: trying again is no way around a rule."""
    model = next((model_of(row) for row in known if row.name == release.model), None)
    if model is None:
        return release
    gates = model.evaluate.gates if model.evaluate else ()
    return replace(release, environment=_ruled(release.environment, model), rules=gates or release.rules)


def held_as_now(read: Reading, release: Release) -> Release:
    """A release that begins, held by what the default branch says in this very moment: a push that came in
    while it was planned is no way around a freeze."""
    row = read.model(release.model)
    rules = None if row is None else model_of(row).environment(release.environment.name)
    if rules is None:
        return release
    return replace(
        release, environment=replace(release.environment, freeze=rules.freeze, budget=rules.budget)
    )


def _gated(model: Model, known: Model) -> Evaluate | None:
    """The commit's own way to measure, held to the gates of the default branch where it has any."""
    if known.evaluate is None or not known.evaluate.gates:
        return model.evaluate
    return replace(model.evaluate or known.evaluate, gates=known.evaluate.gates)


def _ruled(environment: Environment, known: Model) -> Environment:
    rules = known.environment(environment.name)
    if rules is None:
        return environment
    return replace(
        environment,
        approvals=rules.approvals,
        guards=rules.guards,
        false_rollbacks=rules.false_rollbacks,
        risk=rules.risk,
        when_undecided=rules.when_undecided,
        when_newer=rules.when_newer,
        mode=rules.mode,
        freeze=rules.freeze,
        budget=rules.budget,
    )
