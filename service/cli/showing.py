"""What is shown: releases, one of them with its reasons, live, logs, and targets."""

import time

import click
from rich.console import RenderableType
from rich.live import Live

from service.cli.context import EXIT_FAILED, api, as_json, console, print_json
from service.client import Client
from service.showing import terminal

WATCH_SECONDS = 0.5
FOLLOW_SECONDS = 1.0


@click.command()
@click.option("--target", metavar="TARGET", help="Only of this target, such as wine/production.")
@click.option("--open", "only_open", is_flag=True, help="Only those that have not ended.")
@as_json
def releases(target: str | None, *, only_open: bool, wants_json: bool) -> None:
    """List releases, newest first."""
    found = api().releases(target=target or None, only_open=only_open).page().rows
    if wants_json:
        print_json({"releases": found})
    elif (target or only_open) and not found:
        console().print("no release is like that; see all with: segue releases")
    else:
        console().print(terminal.releases(found))


@click.command()
@click.argument("release", required=False)
@as_json
def show(release: str | None, *, wants_json: bool) -> None:
    """Explain a release: where it stands, and why.

    RELEASE is a name such as rel-7; without it the newest is shown. For each guard: its rule, the
    numbers, the interval, the samples, and what would change its verdict. Then the record.
    """
    found = api().release(release or _newest())
    if wants_json:
        print_json(found)
    else:
        console().print(terminal.release(found))


def _newest() -> str:
    found = api().releases().page().rows
    if not found:
        raise click.ClickException("there is no release yet; push a commit, or see: segue doctor")
    return found[0]["name"]


@click.command()
@click.argument("release", required=False)
def watch(release: str | None) -> None:
    """Show releases live.

    Without RELEASE: all of them, until Ctrl-C. With RELEASE (such as rel-7): that one, until it ends; the
    exit code is 0 if it was promoted or served already, 1 if not.
    """
    client = api()
    with Live(console=console(), refresh_per_second=4) as live:
        while True:
            if release is None:
                live.update(_board(client))
            else:
                found = client.release(release)
                live.update(terminal.release(found))
                if found["release"]["final"]:
                    break
            time.sleep(WATCH_SECONDS)
    if found["release"]["phase"] not in {"promoted", "already there"}:
        raise click.exceptions.Exit(EXIT_FAILED)


def _board(client: Client) -> RenderableType:
    return terminal.board(client.releases().page().rows, list(client.targets()))


@click.command()
@click.argument("release", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on while the build and the evaluation print.")
@as_json
def logs(release: str | None, *, follow: bool, wants_json: bool) -> None:
    """Show the last output of a build, evaluation and model.

    RELEASE is a name such as rel-7; without it the newest is meant. With -f: all that its build and its
    evaluation print, as it comes, until both have ended.
    """
    if follow and wants_json:
        raise click.UsageError("--follow prints lines as they come, --json one value; give one of them")
    name = release or _newest()
    if follow:
        _follow(api(), name)
        return
    found = api().logs(name)
    if wants_json:
        print_json(found)
        return
    for place, text in found.items():
        click.echo(f"--- {place} ---\n{text.rstrip() or '(nothing)'}")


def _follow(client: Client, release: str) -> None:
    marks, last = {"build": "", "evaluation": ""}, ""
    while True:
        found = client.logs_behind(release, **marks)
        for place, text in found["logs"].items():
            if text:
                click.echo(f"--- {place} ---\n{text}" if place != last else text, nl=False)
                last = place
        if found["over"]:
            break
        marks = found["marks"]
        time.sleep(FOLLOW_SECONDS)


@click.command()
@as_json
def targets(*, wants_json: bool) -> None:
    """Show what serves where, and at which address.

    For each target: the version that serves, the one before it that is kept running for a rollback, and
    the address for users.
    """
    found = list(api().targets())
    if wants_json:
        print_json({"targets": found})
    else:
        console().print(terminal.targets(found))


COMMANDS = (releases, show, watch, logs, targets)
