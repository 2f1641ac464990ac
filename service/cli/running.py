"""`up`, `down` and `doctor`: the installation itself."""

import os
import signal
import time
from pathlib import Path

import click
import structlog
from rich.console import Console
from rich.text import Text

from service import up
from service.cli import doctor
from service.cli.context import EXIT_FAILED, as_json, chosen, console, print_json
from service.client import client_of
from service.machine import installation, logs, shim
from service.machine.ending import stop_on_signals
from service.settings import Settings

log = structlog.get_logger()
DOWN_SECONDS = 20.0


@click.command("up")
@click.option(
    "--broker",
    type=click.Choice(["embedded", "none"]),
    default="embedded",
    show_default=True,
    help="embedded: start Valkey. none: workers poll the store. Without effect if SEGUE_BROKER is set.",
)
def start(broker: str) -> None:
    """Start Segue on this machine, in the foreground.

    Starts the router and the broker, or adopts them if they run already, and runs intake, web, workers,
    reconciler and observer until Ctrl-C. After that the router and the models go on serving.
    """
    settings = chosen()
    tell = _in_lines() if settings.logs == "stdout" else _on(console(), settings)
    up.up(settings, "none" if broker == "none" else "embedded", stop_on_signals(), tell)


def _in_lines() -> up.Tell:
    """What it tells, as its processes log: nothing else stands on the output that is theirs, too."""
    logs.to_stdout("up")
    return lambda line: log.info("up", said=line)


def _on(out: Console, settings: Settings) -> up.Tell:
    began = time.monotonic()

    def tell(line: str) -> None:
        out.print(Text.assemble((f"{time.monotonic() - began:5.1f} s", "dim"), f"  {line}"))
        if line == "ready":
            where = installation.place(installation.with_ports(settings))
            out.print(f"         hooks   {where.intake}/hooks/<source>")
            out.print(f"         API     {where.web}/api/v1")
            out.print(f"         page    {_way_in(settings, out)}")
            if not settings.clusters_only:
                out.print(f"         models  {where.router}/<model>/<environment>")
            out.print(f"         home    {settings.home}")

    return tell


def _way_in(settings: Settings, out: Console) -> str:
    """The page's address; for somebody who reads it now, with a login that works once. Never into a file."""
    if not out.is_terminal:
        return f"{installation.place(installation.with_ports(settings)).web}/; log in by: segue open"
    link: str = client_of(settings).login_link()["link"]
    return f"{link} (once, within ten minutes; another: segue open)"


@click.command()
@click.option("--all", "everything", is_flag=True, help="Stop the router and all models, too.")
@click.option("--yes", is_flag=True, help="Do not ask before --all.")
def down(*, everything: bool, yes: bool) -> None:
    """Stop Segue.

    The router and the models go on serving, unless --all is given.
    """
    settings, out = chosen(), console()
    _stop_segue(settings.home, out)
    folders = _data_plane(settings.home)
    if not folders:
        out.print("no router and no model runs")
        return
    if not everything:
        out.print("the router and the models go on serving; stop them with: segue down --all")
        return
    out.print("this stops: " + ", ".join(name for name, _ in folders))
    if not yes:
        click.confirm("Their users will get no answer. Go on?", abort=True)
    for name, folder in folders:
        shim.stop(folder)
        out.print(f"stopped {name}")


def _stop_segue(home: Path, out: Console) -> None:
    found = installation.running(home, "up")
    if found is None:
        out.print("Segue is not running here")
        return
    os.kill(found.pid, signal.SIGTERM)
    until = time.monotonic() + DOWN_SECONDS
    while found.alive and time.monotonic() < until:
        time.sleep(0.05)
    if found.alive:
        raise click.ClickException(f"process {found.pid} does not end; end it with: kill -9 {found.pid}")
    out.print("Segue is stopped")


def _data_plane(home: Path) -> list[tuple[str, Path]]:
    """Everything that a shim keeps, models first, the router last."""
    daemons = (up.daemon_folder(home, name) for name in ("recorder", "traefik"))
    places = [*sorted((home / "workloads").glob("*")), *daemons]
    return [(folder.name, folder) for folder in places if folder.is_dir() and shim.status(folder).running]


@click.command("doctor")
@click.option("--cluster", metavar="NAME", help="Look at a connected cluster instead of this machine.")
@as_json
def examine(cluster: str | None, *, wants_json: bool) -> None:
    """Say what is missing or wrong, and how to mend it.

    Changes nothing. Exit code 1 if anything is amiss.
    """
    findings = doctor.examine(chosen()) if cluster is None else doctor.examine_cluster(chosen(), cluster)
    if wants_json:
        print_json([{"check": f.check, "ok": f.ok, "detail": f.detail, "mend": f.mend} for f in findings])
    else:
        out = console()
        for found in findings:
            mark = ("ok     ", "green") if found.ok else ("trouble", "red")
            out.print(Text.assemble(mark, f"  {found.check}: {found.detail}"))
            if not found.ok:
                out.print(Text(f"         {found.mend}", style="bold"))
    if not all(found.ok for found in findings):
        raise click.exceptions.Exit(EXIT_FAILED)


COMMANDS = (start, down, examine)
