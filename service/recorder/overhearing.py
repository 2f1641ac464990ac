"""The recorder that stands in nobody's way: it notes who answered which request from a data plane's spans.

The data plane sends them after the answer, on its own time, and goes on where nobody takes them. Of a request
nothing is kept but its id, the stamp of the version that answered it, and when.
"""

import time

from aiohttp import web

from service.recorder import between, otlp
from service.recorder.otlp import Answered
from service.recorder.serving import Ending
from service.recorder.spool import Assigned
from service.recorder.telling import Telling

MOST_BYTES = 16 << 20  # of one message, when it is unpacked: some thousand spans


class Overhearing:
    """Those of some targets."""

    def __init__(self, order: between.Listening) -> None:
        self._targets = frozenset(order.targets)
        self._telling = Telling(order.proof)
        self._heard = dict.fromkeys(between.HEARD, 0)

    async def open(self) -> None:
        """It needs nobody."""

    async def close(self) -> None:
        """It has nothing open."""

    async def unused(self, ending: Ending) -> None:
        """Nobody's request waits for it: what sends spans finds another pod when this one is gone."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """A data plane's message."""
        if request.path != between.SPANS or request.method != "POST":
            return web.Response(status=404, text=f"spans are taken at {between.SPANS}\n")
        if request.content_type != otlp.TYPE:
            return web.Response(status=415, text=f"spans are taken as {otlp.TYPE}\n")
        message = bytearray()
        async for piece in request.content.iter_any():
            message += piece
            if len(message) > MOST_BYTES:
                return web.Response(status=413, text="that is too long\n")
        try:
            self._note(otlp.answered(bytes(message)), time.time())
        except ValueError as error:
            return web.Response(status=400, text=f"no spans: {error}\n")
        return web.Response(content_type=otlp.TYPE)  # an answer that says nothing is no byte

    async def control(self, request: web.BaseRequest) -> web.StreamResponse:
        """Whether it lives, what it noted, and of how many requests it was told."""
        if request.path == between.TOLD:
            return web.json_response({between.RECORDER: self._telling.name, **self._heard})
        return await self._telling.control(request, _ready)

    def _note(self, spans: list[Answered], now: float) -> None:
        for one in spans:
            target = "/".join(one.path.split("/")[1:3])
            if target not in self._targets:
                continue
            self._heard[between.REQUESTS] += 1
            self._heard[between.NAMED] += bool(one.request)
            self._heard[between.STAMPED] += bool(one.stamp)
            if one.stamp and one.request.isprintable() and one.request:
                self._telling.noting.assigned(
                    Assigned(target, one.request, one.stamp, min(one.at, now) or now)
                )


async def _ready(request: web.BaseRequest) -> web.StreamResponse:  # noqa: ARG001
    return web.Response(text="ready\n")
