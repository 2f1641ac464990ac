"""`report`: a release's evidence as a page or a picture, for people who were not there."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from service.cli.context import api, as_json, console, print_json
from service.reporting import panels

KINDS = (".html", ".png", ".svg")


def picture_file(_ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
    """The file to write; its ending says what is drawn."""
    if value is not None and value.suffix.lower() not in KINDS:
        raise click.BadParameter(f"{value.name} must end in {', '.join(KINDS)}")
    return value


output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=picture_file,
    metavar="FILE",
    help="The file to write, whose ending says what: .html, .png or .svg.",
)


def drawn_by(module: str) -> Any:
    """A module that draws. It is loaded here, and only now: matplotlib is an extra, and slow to load."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != "matplotlib":
            raise
        raise click.ClickException(
            "pictures are drawn by matplotlib, which is not installed; install it: pip install"
            " 'segue[pictures]'. The numbers alone: --json"
        ) from missing


@click.command()
@click.argument("release")
@output
@as_json
def report(release: str, output: Path | None, *, wants_json: bool) -> None:
    """Write a release's report, as a page or a picture.

    RELEASE is a name such as rel-7. Shown are its weights over time, the evidence against it and where
    that means a rollback, the rates of both versions with their intervals, durations, and what it cost in
    failed requests. An .html file holds everything it needs and can be sent to anybody.
    """
    if output is None and not wants_json:
        raise click.UsageError(f"say where to: segue report {release} -o {release}.html")
    found = api().report(release)
    if output is not None:
        output.write_bytes(_drawn(output.suffix.lower(), found))
        if not wants_json:
            console().print(f"wrote {output}: {found['sentence']}")
    if wants_json:
        print_json(found)


def _drawn(kind: str, found: Mapping[str, Any]) -> bytes:
    one, pictures = found["release"], panels.of(found)
    title = f"{one['name']}: {one['target']}, {one['phase']}"
    if kind == ".html":
        page: str = drawn_by("service.reporting.page").of(title, found, pictures)
        return page.encode()
    if not pictures:
        raise click.ClickException(f"{one['name']} has nothing to draw: {found['sentence']}")
    drawing = drawn_by("service.showing.drawing")
    draw = drawing.png if kind == ".png" else drawing.svg
    drawn: bytes = draw(title, found["sentence"], pictures)
    return drawn


COMMANDS = (report,)
