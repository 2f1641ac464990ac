"""The recorder as a pod of a cluster: it passes each request to stable, and then asks the candidate itself.

No router is asked to copy: not every data plane can, and one that cannot may answer nobody any more. Copies
are made while somebody takes the notes; a user's answer waits for none. Lines of recorded requests are sent
to it, and asked of both.
"""

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from aiohttp import web

from policies.place import SERVED_BY, served_by
from service.recorder import between
from service.recorder import requests as recorded
from service.recorder.asking import Asking
from service.recorder.pairing import Answered
from service.recorder.passing import REQUEST_ID, Asked, Models, read
from service.recorder.proxy import answered
from service.recorder.serving import Ending
from service.recorder.telling import Telling

MOST_COPIES = 64  # that wait for the candidate; what comes beyond is not copied, and counted as lost
LOOKED_SECONDS = 60.0  # after which a look is too old for copies to be worth making
_REACH_SECONDS = 2.0
_LOOK_SECONDS = 0.1


class Doubling:
    """One pair of versions."""

    def __init__(self, order: between.Order, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, for when it was last used."""
        self._clock = clock
        self._used = -math.inf
        self._order = order
        self._target = order.stable.target
        self._telling = Telling(order.proof)
        self._noting = self._telling.noting
        self._reached = False
        self._copies: set[asyncio.Task[None]] = set()
        self.models = Models(hides_502=False)
        self._asking = Asking(self.models, self._noting)
        self._asked: asyncio.Task[None] | None = None  # the recorded requests that were sent last

    async def open(self) -> None:
        """Make the connections' pool."""
        await self.models.open()

    async def close(self) -> None:
        """Close all connections to models."""
        if self._asked is not None:
            self._asked.cancel()
            await asyncio.gather(self._asked, return_exceptions=True)
        await self.models.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request of a user."""
        self._used = self._clock()
        asked = await read(request)
        stable = self._order.stable
        name = asked.given or uuid.uuid4().hex
        asked.headers[REQUEST_ID] = name
        asked.headers[SERVED_BY] = served_by(stable.backend)
        more = {SERVED_BY: served_by(stable.backend)} | ({} if asked.given else {REQUEST_ID: name})
        passed = await self.models.answer(request, stable.url, asked, more)
        if self._is_looked_at():
            try:
                self._double(asked, answered(self._noting, stable, name, passed))
            except Exception:  # noqa: BLE001  whatever it is, the user has the answer
                self._noting.missed(self._target)
        assert passed.response is not None  # noqa: S101  it was asked for by a request
        return passed.response

    async def unused(self, ending: Ending) -> None:
        """Wait until whoever sends requests has forgotten it: seen by that none comes any more."""
        until = self._clock() + ending.most
        while self._used + ending.quiet > self._clock() < until:  # noqa: ASYNC110 (time passes, nobody tells it)
            await asyncio.sleep(_LOOK_SECONDS)

    def _is_looked_at(self) -> bool:
        looked = self._telling.looked
        return looked is not None and time.monotonic() - looked < LOOKED_SECONDS

    def _double(self, asked: Asked, users: Answered) -> None:
        if asked.body is None or len(self._copies) >= MOST_COPIES:
            self._noting.missed(self._target)
            return
        copying = asyncio.create_task(self._copy(asked, users))
        self._copies.add(copying)
        copying.add_done_callback(self._copies.discard)

    async def _copy(self, asked: Asked, users: Answered) -> None:
        leg = self._order.candidate
        headers = asked.headers.copy()
        headers[SERVED_BY] = served_by(leg.backend)
        passed = await self.models.copy(leg.url, replace(asked, headers=headers))
        try:
            one = answered(self._noting, leg, users.request, passed)
            self._noting.paired(leg, users, one, asked.body or b"")
        except Exception:  # noqa: BLE001  a copy more or less
            self._noting.missed(self._target)

    # --- what is asked of itself ----------------------------------------------------------------

    async def control(self, request: web.BaseRequest) -> web.StreamResponse:
        """Whether it lives, has reached both versions, and what it noted; and what it is to ask."""
        if request.path == between.LINES:
            return await self._take_requests(request)
        return await self._telling.control(request, self._ready)

    async def _take_requests(self, request: web.BaseRequest) -> web.Response:
        """Lines of recorded requests; 429 while it still asks those that it was sent before."""
        if not self._telling.knows(request):
            return web.Response(status=403, text="only Segue sends requests\n")
        if self._asked is not None and not self._asked.done():
            return web.Response(status=429, text="it still asks those before\n")
        first, rate = (_positive(request.query.get(name, "")) for name in (between.FIRST, between.RATE))
        if not (first and rate):
            return web.Response(status=400, text=f"say {between.FIRST} and {between.RATE}, above 0\n")
        lines = recorded.of_part(await request.content.read(), int(first))
        both = self._order.stable, self._order.candidate
        self._asked = asyncio.create_task(self._asking.all(*both, lines, rate))
        return web.Response(status=202, text=f"asks {len(lines)}\n")

    async def _ready(self, request: web.BaseRequest) -> web.StreamResponse:  # noqa: ARG002
        """Once both were reached it stays so: it stands before stable, whatever becomes of the candidate."""
        for leg in () if self._reached else (self._order.stable, self._order.candidate):
            if not await _reachable(leg.url):
                return web.Response(status=503, text=f"{leg.backend} cannot be reached at {leg.url}\n")
        self._reached = True
        return web.Response(text="ready\n")


def _positive(said: str) -> float:
    """The number; 0 where it is none."""
    try:
        number = float(said)
    except ValueError:
        return 0.0
    return number if 0 < number < math.inf else 0.0


async def _reachable(url: str) -> bool:
    parts = urlsplit(url)
    try:
        opening = asyncio.open_connection(parts.hostname, parts.port or 80)
        _, writer = await asyncio.wait_for(opening, _REACH_SECONDS)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
