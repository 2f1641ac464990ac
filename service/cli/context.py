"""What commands share: settings from the environment, the console, exit codes, and `--json`."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service import settings
from service.client import Client, from_environment
from service.settings import Settings

EXIT_FAILED, EXIT_USAGE, EXIT_BUG = 1, 2, 3
F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option(
    "--json", "wants_json", is_flag=True, help="Print JSON; docs/reference/cli.md has its shape."
)


def console() -> Console:
    """Where people read; no colours where nobody looks, and `[bold]` in a message is just that."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def chosen() -> Settings:
    """The settings of this environment."""
    return settings.read(os.environ)


def api() -> Client:
    """The API of the installation; `SEGUE_TOKEN` speaks for somebody else than the operator."""
    return replace(from_environment(os.environ), channel="cli")


def traceback_wanted() -> bool:
    """Whether a bug is shown with its traceback."""
    return bool(os.environ.get("SEGUE_TRACEBACK"))


def print_json(body: Any) -> None:
    """One JSON document."""
    click.echo(json.dumps(body, indent=2, sort_keys=True))


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """Rows whose texts others may have written: shown as they are, and folded where they are too long."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
