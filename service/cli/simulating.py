"""`simulate`: a policy tried on simulated traffic, before it is trusted. Needs no server."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from policies.guards import coarse
from policies.guards.coarse import Coarse, Usual
from policies.spec.amounts import DURATION, GROWTH, SHARE
from policies.spec.declaration import Environment
from policies.spec.support import BOUNDS
from service import segue_yaml
from service.cli.amounts import Amount
from service.cli.context import as_json, chosen, console, print_json
from service.cli.reporting import drawn_by
from service.rehearsing import offered, simulated_shown
from service.rehearsing.offered import NoPolicy, NothingToTry
from service.rehearsing.simulating import Expected, Forecast, Kind, fed, kinds_of, simulate
from service.worlds.latency import Latency


@click.command(name="simulate")
@click.argument("path", type=click.Path(path_type=Path, exists=True), default=".")
@click.option("--rate", type=click.FloatRange(0.001, 1e6), required=True, help="Requests per second, in all.")
@click.option(
    "--errors", type=Amount(SHARE), default="0.1%", show_default=True, help="Stable's failed share."
)
@click.option(
    "--median", type=Amount(DURATION), default="80ms", show_default=True, help="Stable's median duration."
)
@click.option(
    "--tail", "p99", type=Amount(DURATION), default="400ms", show_default=True, help="Stable's p99."
)
@click.option(
    "--history",
    type=Amount(DURATION),
    default="24h",
    show_default=True,
    help="How long stable serves already.",
)
@click.option(
    "--worse",
    type=click.FloatRange(1, 1000, min_open=True),
    multiple=True,
    default=(2.0, 10.0),
    show_default=True,
    help="Try a version with so many times the errors; may be given again.",
)
@click.option(
    "--slower",
    type=Amount(GROWTH),
    multiple=True,
    help="Try a version that is so much slower, as 25%; may be given again.",
)
@click.option(
    "--bounds",
    type=Amount(DURATION),
    multiple=True,
    default=BOUNDS,
    show_default="those of this machine's router",
    help="The router counts durations up to so long; give all its bounds.",
)
@click.option("--model", help="Which model of a file with several.")
@click.option("--environment", "place", help="Which environment. Default: the last one.")
@click.option(
    "--runs", type=click.IntRange(20, 5000), default=200, show_default=True, help="Rollouts of each kind."
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The dice: the same seed, the same numbers."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw it: .svg or .png.",
)
@as_json
def command(  # noqa: PLR0917 - click gives each option by its name
    path: Path,
    rate: float,
    errors: float,
    median: float,
    p99: float,
    history: float,
    worse: tuple[float, ...],
    slower: tuple[float, ...],
    bounds: tuple[float, ...],
    model: str | None,
    place: str | None,
    runs: int,
    seed: int,
    output: Path | None,
    *,
    wants_json: bool,
) -> None:
    """Try a policy on simulated traffic.

    PATH is a segue.yaml or its folder. Hundreds of rollouts are played with the file's steps, guards and
    budget: of a version as good as stable, and of worse ones. Told are how long a good version takes and
    how often it is rolled back by mistake, and of worse ones how surely they are caught and how many
    requests fail until then. Nothing is asked and nothing is changed.
    """
    if output is not None and output.suffix.lower() not in {".svg", ".png"}:
        raise click.BadParameter(f"{output.name} must end in .svg or .png")
    if p99 <= median:
        raise click.BadParameter("--tail must be longer than --median")
    name, environment, left_out = _chosen(path, model, place)
    expected = Expected(rate, errors, Latency.like(median, p99), history)
    bounds = tuple(sorted(set(bounds)))
    hidden = list(coarse.coarse(environment.guards, bounds, Usual(median, p99)))
    kinds = kinds_of(expected, worse, slower)
    forecasts = _played(environment, expected, kinds, runs=runs, seed=seed, bounds=bounds)
    title = simulated_shown.title(name, environment, rate, errors)
    if output is not None:
        _draw(output, title, forecasts)
    if wants_json:
        numbers = [one.as_json() for one in forecasts]
        print_json(simulated_shown.values(title, seed, left_out, hidden, numbers))
        return
    console().print(f"{title}\n{runs} simulated rollouts of each kind (seed {seed})")
    for line in (*_careful(left_out, hidden), *simulated_shown.lines(forecasts, environment.false_rollbacks)):
        console().print(line)


def _played(environment: Environment, expected: Expected, kinds: list[Kind], **how: Any) -> list[Forecast]:
    """The forecasts; where somebody looks, how far it is stands in one line meanwhile."""
    found = simulate(environment, expected, kinds, told=_progress, **how)
    if sys.stderr.isatty():
        click.echo("\r" + " " * 78 + "\r", nl=False, err=True)
    return found


def _careful(left_out: list[str], hidden: list[Coarse]) -> Iterator[str]:
    """What the numbers do not tell."""
    for guard in left_out:
        yield f"left out: the guard {guard}, whose numbers the router does not count"
    for found in hidden:
        yield f"careful: {coarse.words(found)}"


def _chosen(path: Path, model: str | None, place: str | None) -> tuple[str, Environment, list[str]]:
    """The model's name and its environment, without guards that no simulated router feeds."""
    file = path / segue_yaml.NAME if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from error
    checked = segue_yaml.check(data, file.parent.resolve().name, segue_yaml.capabilities(chosen()))
    if checked.mistakes:
        raise click.ClickException(f"{file} has mistakes; see them with: segue check {file}")
    try:
        name, environment = offered.of(checked.models, model, place)
    except NothingToTry as reason:
        raise click.ClickException(str(reason)) from None
    except NoPolicy as reason:
        raise click.UsageError(f"{reason} (--model, --environment)") from None
    return name, *fed(environment)


def _progress(words: str, share: float) -> None:
    if sys.stderr.isatty():
        click.echo(
            f"\rsimulating {words}: {100 * min(share, 1):3.0f} % of the time it may take   ",
            nl=False,
            err=True,
        )


def _draw(output: Path, title: str, forecasts: list[Forecast]) -> None:
    drawing = drawn_by("service.showing.drawing")
    draw = drawing.png if output.suffix.lower() == ".png" else drawing.svg
    output.write_bytes(
        draw(title, "Simulated rollouts: what became of them, and when.", simulated_shown.panels(forecasts))
    )


COMMANDS = (command,)
