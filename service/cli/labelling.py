"""`labels`, `add-labels`: true labels that come after the predictions, and what is known of each version."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from handlers.errors import Malformed
from handlers.labels import MOST, Batch, Label, body_of, rows_of_csv, rows_of_lines
from service.cli.context import api, as_json, console, print_json
from service.showing import terminal

_READERS: dict[str, Callable[[str], Iterator[tuple[int, Label]]]] = {
    ".csv": rows_of_csv,
    ".jsonl": rows_of_lines,
    ".ndjson": rows_of_lines,
}
_BATCH = min(MOST, 2_000)


@click.command()
@click.argument("model")
@as_json
def labels(model: str, *, wants_json: bool) -> None:
    """Show which true labels came for a model's answers.

    For each table and version: how many answers have a label, how many of them were wrong, and of when
    the answers are. A version is named as the answers name it, in their header X-Segue-Served-By.
    """
    found = list(api().labels(model))
    if wants_json:
        print_json({"labels": found})
    else:
        console().print(terminal.labels(found))


@click.command("add-labels")
@click.argument("model")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--table", required=True, metavar="TABLE", help="As the guard's `labels:` says: warehouse.labels."
)
@as_json
def add_labels(model: str, file: Path, table: str, *, wants_json: bool) -> None:
    """Add true labels from a file.

    FILE is .csv with a header, or .jsonl with one object a line. Its columns:

    \b
      request     the request's id; a second label of one request changes nothing
      at          when it was answered: 2026-01-31T14:03:00Z, or Unix seconds
      version     the answer's header X-Segue-Served-By; a version nobody knows counts for none
      wrong       true or false; or, instead:
      prediction, label   wrong is where they differ
      segment.tenant      in which tenant's segment the request was; any name, up to six

    Every row is checked before the first is sent. The same file sent again adds nothing.
    """
    rows = _read(file)
    client = api()
    progress = Console(stderr=True)
    told = track(_batches(model, table, rows), "labels", console=progress, disable=len(rows) <= _BATCH)
    stored = [client.add_labels(body_of(batch)) for batch in told]
    if wants_json:
        print_json({"rows": len(rows), "deliveries": [one["delivery"] for one in stored]})
    else:
        console().print(f"{len(rows)} labels are stored; see: segue labels {model}")


def _read(file: Path) -> list[Label]:
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise click.UsageError(f"{file}: name the file .csv or .jsonl, after what it holds")
    try:
        rows = [label for _, label in reader(file.read_text(encoding="utf-8-sig"))]
    except (Malformed, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from None
    if not rows:
        raise click.ClickException(f"{file}: there is no row in it")
    return rows


def _batches(model: str, table: str, rows: list[Label]) -> list[Batch]:
    left = iter(rows)
    parts: Iterator[Any] = iter(lambda: tuple(islice(left, _BATCH)), ())
    return [Batch(model, table, part) for part in parts]


COMMANDS = (labels, add_labels)
