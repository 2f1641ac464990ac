"""Names of models to addresses, for a recorder that stands before users: a name server that is away or slow
for a while fails none of their requests."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

FRESH_SECONDS = 10.0  # in which nobody asks again
WAIT_SECONDS = 0.5  # for a newer answer, where there is an older one

_Asked = tuple[str, int, socket.AddressFamily]


@dataclass(frozen=True, slots=True)
class _Answer:
    at: float
    found: list[ResolveResult]


class Remembering(AbstractResolver):
    """Asks `inner`, and remembers its last answer; `clock` gives seconds."""

    def __init__(
        self, inner: AbstractResolver | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner or ThreadedResolver()
        self._clock = clock
        self._known: dict[_Asked, _Answer] = {}
        self._asking: dict[_Asked, asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses. Raises `OSError` only for a name that was never known."""
        asked = (host, port, family)
        known = self._known.get(asked)
        if known is None:
            return await asyncio.shield(self._ask(asked))
        if self._clock() - known.at >= FRESH_SECONDS:
            with contextlib.suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.shield(self._ask(asked)), WAIT_SECONDS)
        return known.found

    def _ask(self, asked: _Asked) -> "asyncio.Task[list[ResolveResult]]":
        """One question at a time for each name; what nobody waits for any more is kept all the same."""
        task = self._asking.get(asked)
        if task is None:
            task = self._asking[asked] = asyncio.create_task(self._answer(asked))
            task.add_done_callback(lambda done: self._heard(asked, done))
        return task

    async def _answer(self, asked: _Asked) -> list[ResolveResult]:
        host, port, family = asked
        return await self._inner.resolve(host, port, family)

    def _heard(self, asked: _Asked, done: "asyncio.Task[list[ResolveResult]]") -> None:
        del self._asking[asked]
        if not done.cancelled() and done.exception() is None:
            self._known[asked] = _Answer(self._clock(), done.result())

    async def close(self) -> None:
        """Ask nothing any more."""
        for task in list(self._asking.values()):
            task.cancel()
        await self._inner.close()
