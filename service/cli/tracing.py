"""`served`, `lineage`: what served when, and from what it came."""

from datetime import UTC, datetime
from pathlib import Path

import click

from service.cli.amounts import moment
from service.cli.context import api, as_json, console, print_json, table
from service.client.results import Served
from service.showing.lineage import Form


@click.command()
@click.argument("target")
@click.option("--at", callback=moment, metavar="TIME", help="Such as 2026-01-31T14:03:00Z, or 24h (ago).")
@as_json
def served(target: str, at: float | None, *, wants_json: bool) -> None:
    """Show what served a target at a moment.

    TARGET is a model and its environment, such as wine/production. Each release that had traffic then, with
    its share, its image, the commit or registered version it was made of, and since when it had all.
    """
    found = api().served(target, at=at)
    if wants_json:
        print_json(found)
    elif not found["served"]:
        console().print(f"nothing of Segue's served {target} at {_time(found['at'])}")
    else:
        rows = [_row(one) for one in found["served"]]
        console().print(table(("release", "share", "since", "from", "image"), rows))


def _row(one: Served) -> tuple[str, ...]:
    registered = one["registered"]
    made_of = f"models:/{registered[0]}/{registered[1]}" if registered else (one["commit"] or "")
    since = _time(one["since"]) if one["since"] else "on its way"
    return one["release"], f"{one['share']:g} %", since, made_of, one["image"] or ""


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@click.command()
@click.argument("subject")
@click.option(
    "--form",
    type=click.Choice([form.value for form in Form]),
    default=Form.OPENLINEAGE.value,
    show_default=True,
    help="Run events, one a line; or a bill of materials.",
)
@click.option("--before", metavar="RELEASE", help="Of a target: releases older than this one.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write this file.")
def lineage(subject: str, form: str, before: str | None, output: Path | None) -> None:
    """Tell other programs what served when, and from what.

    SUBJECT is a release (rel-7) or a target (wine/production), whose newest 100 releases are told.

    \b
      segue lineage wine/production -o events.ndjson
      segue lineage rel-7 --form cyclonedx -o wine.cdx.json
    """
    content = b"".join(api().lineage(subject, form, before=before))
    if output is None:
        click.echo(content, nl=False)
    else:
        output.write_bytes(content)


COMMANDS = (served, lineage)
