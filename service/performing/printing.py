"""Keeps what builds and evaluations print while they run."""

import time
from dataclasses import dataclass

from service.bootstrap import Parts
from service.ports.outcomes import PortError
from service.ports.printing import Printing
from service.store import kept_logs


@dataclass(frozen=True, slots=True)
class Run:
    """What prints: `build` or `evaluation`, and the name under which it runs."""

    kind: str
    name: str

    @property
    def key(self) -> str:
        """The name under which what it prints is kept."""
        return f"{self.kind}/{self.name}"


def keep_printed(parts: Parts, run: Run, printing: Printing, *, ended: bool) -> None:
    """Read on what it prints, now and then; what cannot be read now holds nothing up."""
    now = time.monotonic()
    if not ended and now < parts.read.get(run.key, 0.0) + kept_logs.EVERY_SECONDS:
        return
    parts.read[run.key] = now
    try:
        kept_logs.keep(parts.store, run.key, printing, run.name)
    except PortError:  # the next look reads on
        return
    finally:
        if ended:
            del parts.read[run.key]
