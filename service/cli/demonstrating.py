"""`demo`: the main job, played on this machine."""

import click

COMMANDS: tuple[click.Command, ...] = ()
