"""`migrate`, `backup` and `restore`: the stores, without anything that runs."""

from pathlib import Path

import click

from service import stores
from service.cli.context import chosen, console
from service.machine import installation


@click.command()
def migrate() -> None:
    """Make or migrate the stores, as `segue up` does at its start.

    For processes that are started by themselves: run it before the first start and before each update. The
    operator's token is taken from the secret file of that name, or made.
    """
    settings = chosen()
    installation.make_folders(settings.home)
    stores.make(settings)
    console().print("the stores are ready")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write stores and secrets into one archive, while Segue runs.

    FILE must not be there yet. It holds secrets: keep it where others cannot read it. What serves on this
    machine, the images and the router's weights, is not in it.
    """
    stores.backup(chosen(), file)
    console().print(f"everything is in {file}; it holds secrets")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def restore(file: Path) -> None:
    """Put a backup back into a SEGUE_HOME without stores.

    Segue must not run. What came after the backup is not known any more: sources are looked at anew, and a
    release that was open then goes on from where it was.
    """
    settings = chosen()
    stores.restore(settings, file)
    console().print(f"{settings.home} is as it was; start it with: segue up")


COMMANDS = (migrate, backup, restore)
