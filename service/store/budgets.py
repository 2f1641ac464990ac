"""What is known of targets' error budgets, as the store holds it."""

from dataclasses import asdict

from sqlalchemy import delete, insert, select

from policies.budgets import Known
from policies.spec.declaration import Budget
from service.store.change import Change
from service.store.reading import Reading
from service.store.tables import budget


def known(read: Reading, target: str, told: Budget) -> Known | None:
    """What is known of this target's; None before there was any answer to that very query."""
    row = read.connection.execute(select(budget).where(budget.c.target == _key(target, told))).one_or_none()
    return None if row is None else Known(row.left, row.at, row.since, row.trouble)


def save(change: Change, target: str, told: Budget, new: Known) -> None:
    """Store it in place of what was known."""
    key = _key(target, told)
    change.connection.execute(delete(budget).where(budget.c.target == key))
    change.connection.execute(insert(budget).values({"target": key, **asdict(new)}))


def _key(target: str, told: Budget) -> str:
    """An answer to another query, or of another source, says nothing of this one."""
    return f"{target} {told.source or '*'} {told.query}"
