"""Whether an override is taken from whoever said it."""

from handlers.commands import BY_TOKEN
from policies import approving
from policies.events import Command
from service.arrivals import admins
from service.bootstrap import Parts
from service.obeying.reply import Reply


def refusal(parts: Parts, command: Command) -> Reply | None:
    """Why this person may not override; None where they may, or where nothing is to be overridden. Raises
    `Retry` where the host cannot be asked."""
    if command.verb != "override":
        return None
    known = command.where is not None or bool(command.authority) or command.channel in BY_TOKEN
    if known and admins.may_override(parts, approving.said(command, ""), command.at):
        return None
    return Reply(
        ok=False, text=f"{command.actor}: only admins override; a host's admin, or a token that is one"
    )
