"""The recorder behind the router of this machine: who asks whom, by a header that the router sets.

A user's answer is written before anything is noted of it, and no error in noting reaches it.
"""

import asyncio
import uuid

from aiohttp import web

from service.recorder.noting import Noting
from service.recorder.orders import ALIVE, LEG, Followed, Leg
from service.recorder.pairing import Answered
from service.recorder.passing import REQUEST_ID, Asked, Models, Passed, read, server


class Proxy:
    """All legs."""

    def __init__(self, orders: Followed, noting: Noting) -> None:
        self._orders = orders
        self._noting = noting
        self.models = Models(hides_502=True)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request of the router."""
        kind, _, backend = request.headers.get(LEG, "").partition(" ")
        if not kind and request.path == ALIVE:
            return web.Response(text="alive\n")
        leg = self._orders.find(backend)
        if leg is None or kind not in {"answer", "copy"}:
            return web.Response(status=503, text="the recorder does not know this version\n")
        asked = await read(request)
        passed = await (self._copy if kind == "copy" else self._answer)(request, leg, asked)
        assert passed.response is not None  # noqa: S101  it was asked for by a request
        return passed.response

    async def _answer(self, request: web.BaseRequest, leg: Leg, asked: Asked) -> Passed:
        name = asked.given or uuid.uuid4().hex
        asked.headers[REQUEST_ID] = name
        more = {} if asked.given else {REQUEST_ID: name}
        passed = await self.models.answer(request, leg.url, asked, more)
        try:
            self._noting.answered(leg, asked.key, answered(self._noting, leg, name, passed))
        except Exception:  # noqa: BLE001  whatever it is, the user has the answer
            self._noting.missed(leg.target)
        return passed

    async def _copy(self, request: web.BaseRequest, leg: Leg, asked: Asked) -> Passed:
        name = self._noting.request_of(leg, asked.key) or asked.given
        if name:
            asked.headers[REQUEST_ID] = name
        passed = await self.models.answer(request, leg.url, asked, {})
        try:
            one = answered(self._noting, leg, name, passed)
            self._noting.copied(leg, asked.key, one, asked.body or b"")
        except Exception:  # noqa: BLE001  a copy more or less
            self._noting.missed(leg.target)
        return passed


def answered(noting: Noting, leg: Leg, name: str, passed: Passed) -> Answered:
    """What there is to note of an answer."""
    said, score, body = noting.heard(leg.recording, passed.body or b"", passed.encoding)
    if passed.body is None:
        said = score = None
    return Answered(name, leg.backend, passed.at, passed.status, passed.seconds, said, score, body)


async def serve(proxy: Proxy, port: int, stop: asyncio.Event, grace: float) -> int:
    """Listen on loopback until told to stop; then what is in hand is finished, for so many seconds."""
    await proxy.models.open()
    runner = web.ServerRunner(server(proxy.handle), shutdown_timeout=grace)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await stop.wait()
    await runner.cleanup()
    await proxy.models.close()
    return 0
