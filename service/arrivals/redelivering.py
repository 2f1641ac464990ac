"""Has hosts send again what they could not deliver: a comment that was lost is a command that nobody answers.

What a push told is found by a sweep as well, and many comments are; this finds the others, too.
"""

import structlog

from service.arrivals import connecting
from service.bootstrap import Parts
from service.engine.deciding import decide
from service.machine import installation
from service.ports.outcomes import Refused
from service.store.queue import Work

EVERY_SECONDS = 300.0
KINDS = frozenset(
    {"github", "github-org", "gitlab", "gitlab-group"}
)  # whose host keeps what it could not deliver

log = structlog.get_logger()


def redeliver(parts: Parts, work: Work) -> None:
    """Ask the host of one source. A login that may not ask is no trouble: `segue doctor` tells of it."""
    source = next((s for s in parts.store.sources() if s.name == work.subject), None)
    if source is not None:
        address = connecting.address(source, installation.place(parts.settings).intake)
        try:
            asked = parts.redelivering(source.name).redeliver(address, parts.store.now())
        except Refused as reason:
            log.info("lost deliveries unknown", source=source.name, reason=str(reason))
        else:
            if asked:
                log.warning("lost deliveries asked for", source=source.name, count=asked)
    decide(parts.store, lambda deciding: deciding.change.finish(work))
