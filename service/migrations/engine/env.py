"""Alembic asks for this file; the work is done in `service.migrate`."""

from service.migrate import run

run("engine")
