"""What commands were answered, for those who may know: who gave them, and who may see everything.

Deliveries are numbered, so anybody could count through the answers to others.
"""

import json
from typing import Any

from service.bootstrap import Parts
from service.identity.callers import Caller


def of(parts: Parts, caller: Caller, delivery: str) -> Any:
    """The answer; None while there is none, and for somebody else's command."""
    return parts.store.answer(delivery) if _theirs(parts, caller, delivery) else None


def _theirs(parts: Parts, caller: Caller, delivery: str) -> bool:
    if caller.rights.may_everywhere("see"):
        return True
    known = delivery.isascii() and delivery.isdigit() and len(delivery) < 10
    stored = parts.inbox.get(int(delivery)) if known else None
    if stored is None or stored.source != "people":
        return False
    told = json.loads(stored.body)
    who = (told["actor"], told.get("authority", [])[:1])
    return who == (caller.name, list(caller.holders[:1]))
