"""Who may override rules: the one place that knows who is an admin."""

from handlers.commands import BY_TOKEN
from policies.events import Command
from service import tokens
from service.bootstrap import Parts
from service.obeying.reply import Reply
from service.ports.git import Permission
from service.sources import CHAT_KINDS


def refusal(parts: Parts, command: Command) -> Reply | None:
    """Why this person may not override; None where they may, or where nothing is to be overridden. Raises
    `Retry` where the host cannot be asked."""
    if command.verb != "override" or _is_admin(parts, command):
        return None
    return Reply(
        ok=False, text=f"{command.actor}: only admins override; a host's admin, or a token that is one"
    )


def _is_admin(parts: Parts, command: Command) -> bool:
    """By the host's own word where it was said there; every token that commands is an admin's by now."""
    if command.where is None:
        known = tokens.valid(parts.store, command.actor, parts.store.now())
        return command.channel in BY_TOKEN and known
    if parts.source(command.channel).kind in CHAT_KINDS:
        return False  # a chat's list says who may command, and not who is an admin
    login = command.actor.partition(":")[2]
    return parts.git(command.channel).may(login) is Permission.ADMIN
