"""Asks metric sources what is left of error budgets, for each target that has one."""

from collections.abc import Callable, Iterator
from functools import partial

import structlog

from policies import budgets
from policies.spec import selector
from policies.spec.declaration import Budget
from service.bootstrap import Parts
from service.engine import holding
from service.engine.deciding import Deciding, decide
from service.ports.counts import GaugeSource
from service.ports.outcomes import PortError, Refused, Retry
from service.store.queue import Work
from service.store.states import model_of

log = structlog.get_logger()


def look(parts: Parts, work: Work) -> None:
    """Everything once. A source that does not answer is not asked again in the same round."""
    silent: dict[str | None, str] = {}
    for target, budget in _wanted(parts):
        decide(parts.store, _answer(parts, target, budget, silent))
    decide(parts.store, lambda deciding: deciding.change.finish(work))


def _wanted(parts: Parts) -> Iterator[tuple[str, Budget]]:
    for model in map(model_of, parts.store.models()):
        for one in model.environments:
            if one.budget is not None:
                yield f"{model.name}/{one.name}", one.budget


def _answer(
    parts: Parts, target: str, budget: Budget, silent: dict[str | None, str]
) -> Callable[[Deciding], None]:
    trouble = silent.get(budget.source, "")
    try:
        left = None if trouble else budgets.worst(_ask(parts, target, budget))
    except PortError as error:
        log.warning("error budget unknown", target=target, reason=str(error))
        trouble = str(error)
        if isinstance(error, Retry):
            silent[budget.source] = trouble
    if trouble:
        return partial(holding.miss_budget, target=target, budget=budget, trouble=trouble)
    return partial(holding.learn_budget, target=target, budget=budget, left=left)


def _ask(parts: Parts, target: str, budget: Budget) -> tuple[float, ...]:
    """Raises `Refused` where the source is not there, or tells counters alone, `Retry` where it is away."""
    source = parts.counters(budget.source, target)
    if not isinstance(source, GaugeSource):
        raise Refused("an error budget is read from a Prometheus; write `from:` with the name of one")
    return source.values(selector.read(budget.query), parts.store.now())
