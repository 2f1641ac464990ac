"""Checkpoints of the record, kept elsewhere."""

import structlog

from policies.effects import KeepCheckpoint
from service import keys
from service.bootstrap import Parts
from service.engine import checkpoints
from service.engine.trusting import KEY
from service.performing.outcomes import Done
from service.ports.outcomes import Refused, Retry
from service.store.chain import Head

log = structlog.get_logger()


def keep(parts: Parts, effect: KeepCheckpoint) -> Done:
    """Sign it, and have the place keep it. A head that the record has no more is never signed."""
    head = Head(effect.size, effect.hash, effect.at)
    with parts.store.read() as read:
        if not read.record_holds(head):
            log.error("record changed", entry=head.size)
            raise Refused(
                f"entry {head.size} of the record is not what it was: somebody changed the record; see:"
                " segue audit verify"
            )
    parts.open_archive(effect.place).put(checkpoints.name(head), _signed(parts, head))
    return Done()


def _signed(parts: Parts, head: Head) -> bytes:
    private = parts.settings.secret(KEY)
    if private is None:
        raise Retry("there is no key to sign checkpoints with; make it with: segue signing-key", after=60)
    try:
        return checkpoints.sign(head, private)
    except keys.KeyProblem as reason:
        raise Refused(f"the secret file {KEY} cannot be used: {reason}") from reason
