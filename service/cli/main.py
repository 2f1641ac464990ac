"""`segue` itself: joins the commands, and turns what went wrong into one line and an exit code."""

import sys
from importlib import import_module

import click

from service.cli.context import EXIT_BUG, EXIT_FAILED, EXIT_USAGE, traceback_wanted
from service.client import Refusal, Unreachable
from service.errors import StartError, StoreError
from service.plugins import UnknownAdapter
from service.ports.outcomes import PortError
from service.setting_values import SettingsError

FORESEEN = (Refusal, Unreachable, StoreError, UnknownAdapter, PortError, SettingsError, StartError)
# Which module holds a command. Imported when it is typed: what starts everything is slow to import.
PLACES = {
    "up": "running", "down": "running", "doctor": "running",
    "connect": "connecting", "disconnect": "connecting", "cluster": "connecting",
    "person": "naming", "signing-key": "connecting",
    "token": "granting", "tokens": "granting", "grant": "granting", "grants": "granting",
    "whoami": "granting", "logins": "visiting",
    "init": "checking", "check": "checking", "simulate": "simulating",
    "open": "opening", "releases": "showing", "show": "showing", "watch": "showing",
    "logs": "showing", "report": "reporting", "replay": "replaying", "targets": "showing",
    "verdict": "asking", "served": "tracing", "lineage": "tracing",
    "events": "listing", "replay-event": "listing", "dismiss-event": "listing",
    "labels": "labelling", "add-labels": "labelling",
    "start": "acting", "approve": "acting", "override": "acting", "reject": "acting",
    "promote": "acting", "abort": "acting", "retry": "acting", "pause": "acting", "resume": "acting",
    "rollback": "acting", "hand-back": "acting", "repair": "acting", "adopt": "acting",
    "demo": "demonstrating", "audit": "auditing",
    "migrate": "keeping", "backup": "keeping", "restore": "keeping",
}  # fmt: skip


class Commands(click.Group):
    """All commands, in the order in which a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        place = PLACES.get(cmd_name)
        known = import_module(f"service.cli.{place}").COMMANDS if place is not None else ()
        return next((command for command in known if command.name == cmd_name), None)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="segue")
def group() -> None:
    """Event-driven progressive delivery for machine-learning models.

    A push, a tag or a promotion in MLflow starts a release: an image is built, an evaluation runs,
    people approve, traffic shifts step by step, and guards take a bad version back by themselves.

    \b
    First steps:
      segue up                      start everything on this machine
      segue init                    write a segue.yaml for your model
      segue check                   find its mistakes; needs no server
      segue connect git PATH        then push: git push
      segue open                    see releases move on the web page

    Settings come from variables named SEGUE_*; docs/reference/settings.md lists them.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 a bug of ours, 130 interrupted.
    """


def main() -> None:
    """The entry point."""
    try:
        # click returns the code of an `Exit` here, nothing else, and raises everything else.
        sys.exit(group.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.UsageError as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_FAILED)
    except FORESEEN as error:
        click.echo(f"segue: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except Exception as error:
        click.echo(f"segue: a bug: {type(error).__name__}: {error}", err=True)
        click.echo("run it again with SEGUE_TRACEBACK=1 to see where", err=True)
        if traceback_wanted():
            raise
        sys.exit(EXIT_BUG)
