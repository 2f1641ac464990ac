"""What is known of targets' error budgets, as the store holds it."""

from dataclasses import asdict

from sqlalchemy import delete, insert, select

from policies.budgets import Known
from service.store.change import Change
from service.store.reading import Reading
from service.store.tables import budget


def known(read: Reading, target: str) -> Known | None:
    """What is known of this target's; None before there was any answer."""
    row = read.connection.execute(select(budget).where(budget.c.target == target)).one_or_none()
    return None if row is None else Known(row.left, row.at, row.since, row.trouble)


def save(change: Change, target: str, new: Known) -> None:
    """Store it in place of what was known."""
    change.connection.execute(delete(budget).where(budget.c.target == target))
    change.connection.execute(insert(budget).values({"target": target, **asdict(new)}))
