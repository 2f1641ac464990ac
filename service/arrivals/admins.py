"""Who is an admin, and so may override rules or go around them: the one place that knows."""

from policies.approvals import Override
from service.bootstrap import Parts
from service.identity import callers
from service.identity.callers import OF_TOKEN
from service.ports.git import Permission
from service.sources import CHAT_KINDS


def may_override(parts: Parts, said: Override, at: float, target: str | None = None) -> bool:
    """By the grants that are said with it, by roles that were given to its author here, else by the word of
    the host that it was said at. `target`: there, else anywhere. Raises `Retry` where the host cannot be
    asked, and `Refused` where it is not connected any more.
    """
    with parts.store.read() as read:
        if said.authority or callers.has_roles(read, said.actor) or not said.source:
            of_whom = said.actor if said.source else OF_TOKEN + said.actor
            rights = callers.rights_of(read, said.authority or (of_whom,), at)
            return rights.may_somewhere("override") if target is None else rights.may("override", target)
    if parts.source(said.source).kind in CHAT_KINDS:
        return False  # a chat's list says who may command, and not who is an admin
    return parts.git(said.source).may(said.actor.partition(":")[2]) is Permission.ADMIN
