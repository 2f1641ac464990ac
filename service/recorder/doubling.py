"""The recorder as a pod of a cluster: it passes each request to stable, and then asks the candidate itself.

No router is asked to copy: not every data plane can, and one that cannot may answer nobody any more. Copies
are made while somebody takes the notes; a user's answer waits for none.
"""

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from aiohttp import web

from policies.place import SERVED_BY, served_by
from service.recorder import between
from service.recorder.kept import Kept, marks
from service.recorder.noting import Noting
from service.recorder.orders import ALIVE
from service.recorder.pairing import Answered
from service.recorder.passing import REQUEST_ID, Asked, Models, read, server
from service.recorder.proxy import answered

MOST_COPIES = 64  # that wait for the candidate; what comes beyond is not copied, and counted as lost
LOOKED_SECONDS = 60.0  # after which a look is too old for copies to be worth making
_REACH_SECONDS = 2.0
_KEPT_OPEN = 3600.0  # seconds: whoever asks closes first, and sends into no connection that is closing
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ends once it is told to, in seconds: when nobody has sent it a request for `quiet`, or `most`
    have passed. Then it has `grace` to finish what is in hand."""

    quiet: float
    most: float
    grace: float


class Doubling:
    """One pair of versions."""

    def __init__(self, order: between.Order, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds, for when it was last used."""
        self._clock = clock
        self._used = -math.inf
        self._order = order
        self._target = order.stable.target
        self._noting = Noting(b"")
        self._kept = Kept()
        self._looked: float | None = None
        self._reached = False
        self._copies: set[asyncio.Task[None]] = set()
        self.models = Models(hides_502=False)

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
        return self._looked is not None and time.monotonic() - self._looked < LOOKED_SECONDS

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
        """Whether it lives, has reached both versions, and what it noted."""
        match request.path:
            case path if path == ALIVE:
                return web.Response(text="alive\n")
            case between.READY:
                return await self._ready()
            case between.NOTES:
                return self._notes(request)
            case _:
                return web.Response(status=404, text="there is nothing here\n")

    async def _ready(self) -> web.Response:
        """Once both were reached it stays so: it stands before stable, whatever becomes of the candidate."""
        for leg in () if self._reached else (self._order.stable, self._order.candidate):
            if not await _reachable(leg.url):
                return web.Response(status=503, text=f"{leg.backend} cannot be reached at {leg.url}\n")
        self._reached = True
        return web.Response(text="ready\n")

    def _notes(self, request: web.BaseRequest) -> web.Response:
        token = request.headers.get(between.TOKEN, "")
        if not between.shows(self._order, token):
            return web.Response(status=403, text="only Segue takes notes\n")
        self._looked, self._noting.key = time.monotonic(), between.key_of(token)
        notes = self._noting.take(time.time())
        if not self._kept.add(notes):
            self._noting.lost(notes)
        heard, stored = (marks(request.query.get(name, "")) for name in ("heard", "stored"))
        name = self._kept.name
        return web.json_response(self._kept.tell(heard.get(name, 0), stored.get(name, 0)))


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


async def serve(doubling: Doubling, ports: tuple[int, int], stop: asyncio.Event, ending: Ending) -> None:
    """Listen for users, and for Segue, until told to stop and nobody sends any more; then what is in hand is
    finished."""
    await doubling.models.open()
    runners = []
    for port, handle in zip(ports, (doubling.handle, doubling.control), strict=True):
        listening = server(handle, keepalive_timeout=_KEPT_OPEN)
        runners.append(web.ServerRunner(listening, shutdown_timeout=ending.grace))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], None, port, backlog=1024).start()
    await stop.wait()
    await doubling.unused(ending)
    for runner in runners:
        await runner.cleanup()
    await doubling.models.close()
