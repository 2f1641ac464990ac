"""Whether what only admins may say is taken from whoever said it."""

from handlers.commands import BY_TOKEN
from policies import approving
from policies.events import Command
from service.arrivals import admins
from service.bootstrap import Parts
from service.obeying.reply import Reply

OF_ADMINS = frozenset({"override", "adopt"})  # they go around approvals and evidence


def refusal(parts: Parts, command: Command) -> Reply | None:
    """Why this person may not override or adopt; None where they may, or where the command is another. Raises
    `Retry` where the host cannot be asked."""
    if command.verb not in OF_ADMINS:
        return None
    known = command.where is not None or bool(command.authority) or command.channel in BY_TOKEN
    if known and admins.may_override(parts, approving.said(command, ""), command.at):
        return None
    return Reply(
        ok=False,
        text=f"{command.actor}: only admins {command.verb}; a host's admin, or a token that is one",
    )
