"""A bell beside each store on this machine: who stored work rings it, who waits for work hears it at once.

To ring is to touch a file, after the commit; to hear is inotify(7). Nobody has to look at a store ten times
a second to find that nothing happened. A ring says that it is worth to look, never what happened, so that
too many do no harm. A database that other hosts use has no bell: who waits for that one looks often.
"""

import ctypes
import os
import select
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

log = structlog.get_logger()
DEAF_SECONDS = 0.1  # between two looks of those who can hear nothing
TURN_SECONDS = 1.0  # how soon a stop is seen
_IN_ATTRIB, _IN_NONBLOCK, _IN_CLOEXEC = 0x4, os.O_NONBLOCK, os.O_CLOEXEC  # from <sys/inotify.h>
_libc = ctypes.CDLL(None, use_errno=True)


def ring(bell: Path | None) -> None:
    """Wake those who wait; None: nobody can be woken."""
    if bell is None:
        return
    try:
        os.utime(bell)
    except FileNotFoundError:
        bell.touch(mode=0o600)
    except OSError:
        log.warning("bell does not ring", bell=str(bell), exc_info=True)


class Ear:
    """Hears the bells from its making on, also while nobody waits."""

    def __init__(self, bells: Iterable[Path | None]) -> None:
        self._descriptor = _listen(list(bells))
        self._poll = select.poll()
        if self._descriptor is not None:
            self._poll.register(self._descriptor, select.POLLIN)

    @property
    def deaf(self) -> bool:
        """Whether there is no bell, or no way to hear one: looking often is what is left."""
        return self._descriptor is None

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Until a bell has rung since the last call, it is time, or somebody says stop.

        Whether one has rung, or might have without being heard.
        """
        if self._descriptor is None:
            return not stop.wait(min(seconds, DEAF_SECONDS))
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._poll.poll(min(left, TURN_SECONDS) * 1000):
                os.read(self._descriptor, 1 << 16)
                return True
        return False

    def rung(self) -> bool:
        """The same of now, without a wait."""
        if self._descriptor is None:
            return True
        heard = bool(self._poll.poll(0))
        if heard:
            os.read(self._descriptor, 1 << 16)
        return heard

    def close(self) -> None:
        """Hear no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _listen(bells: list[Path | None]) -> int | None:
    """An inotify descriptor for all the bells; None where one of them cannot be heard."""
    known = [bell for bell in bells if bell is not None]
    if not known or len(known) < len(bells):
        return None
    descriptor: int = _libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
    if descriptor < 0:
        log.warning("no inotify: the store is looked at often", reason=os.strerror(ctypes.get_errno()))
        return None
    for bell in known:
        bell.touch(mode=0o600)
        if _libc.inotify_add_watch(descriptor, os.fsencode(bell), _IN_ATTRIB) < 0:
            log.warning("bell cannot be heard", bell=str(bell), reason=os.strerror(ctypes.get_errno()))
            os.close(descriptor)
            return None
    return descriptor
