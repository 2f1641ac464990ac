"""Who may override rules: the one place that knows who is an admin."""

from handlers.commands import BY_TOKEN
from policies.events import Command
from service.bootstrap import Parts
from service.identity import callers
from service.identity.callers import OF_TOKEN
from service.obeying import authority
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
    """By the host's own word where it was said there, unless its author was given roles here."""
    with parts.store.read() as read:
        if command.authority or callers.has_roles(read, command.actor):
            return authority.rights_of(read, command).may_somewhere("override")
        if command.where is None:  # it came before commands said whose grants count
            known = callers.rights_of(read, [OF_TOKEN + command.actor], command.at)
            return command.channel in BY_TOKEN and known.may_everywhere("override")
    if parts.source(command.channel).kind in CHAT_KINDS:
        return False  # a chat's list says who may command, and not who is an admin
    login = command.actor.partition(":")[2]
    return parts.git(command.channel).may(login) is Permission.ADMIN
