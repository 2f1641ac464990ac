"""`demo`: the main job, played on this machine."""

import signal
import sys
from pathlib import Path

import click
from rich.console import Console

from service.cli.context import EXIT_FAILED

FOLDER = Path(".demo")
MLFLOW = Path(".venvs/mlflow/bin/python")


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running, and say where to look.")
@click.option(
    "--end", "only_end", is_flag=True, help="End what an earlier demo left running, and play nothing."
)
@click.option(
    "--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Its files."
)
@click.option(
    "--examples",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("examples"),
    show_default=True,
    help="The model repositories that it pushes.",
)
@click.option(
    "--mlflow",
    type=click.Path(path_type=Path, dir_okay=False),
    default=MLFLOW,
    show_default=True,
    help="A Python with MLflow and scikit-learn; `make demo` makes it.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("demo-report.json"),
    show_default=True,
    help="Where the report goes.",
)
def demo(folder: Path, examples: Path, mlflow: Path, report: Path, *, keep: bool, only_end: bool) -> None:
    """Play nine releases on this machine, with real models.

    A real Git repository, a real MLflow server, real requests: about four minutes. Exit code 1 if
    anything ended otherwise than it should, if a version without traffic answered a request, or if a
    request failed that no version's own fault explains.
    """
    from service.demo import place, play  # noqa: PLC0415  needed by no other command

    if only_end:
        place.clear(place.Place(folder.absolute()))
        return
    if not mlflow.exists():
        raise click.ClickException(f"there is no {mlflow}; write: make demo")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started must end, too
    wishes = play.Wishes(folder, examples, mlflow.absolute(), report, keep)
    try:
        succeeded = play.play(wishes, _console())
    except play.FORESEEN as error:
        raise click.ClickException(str(error)) from error
    if not succeeded:
        raise click.exceptions.Exit(EXIT_FAILED)


def _console() -> Console:
    """As wide as the terminal; where there is none, wide enough for tables."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


COMMANDS = (demo,)
