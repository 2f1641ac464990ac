"""Alembic asks for this file; the work is done in `service.store.migrate`."""

from service.store.migrate import run

run("series")
