"""How a recorder's pod tells what it noted, to who shows that it is Segue; and whether it lives."""

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from service.recorder import between
from service.recorder.kept import Kept, marks
from service.recorder.noting import Noting
from service.recorder.orders import ALIVE

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Telling:
    """What one pod noted, until it is taken. `looked` is when that was tried last, by the monotonic clock."""

    def __init__(self, proof: str) -> None:
        """`proof` is the digest of the token that takes notes."""
        self._proof = proof
        self._kept = Kept()
        self.noting = Noting(b"")
        self.looked: float | None = None

    @property
    def name(self) -> str:
        """Of this process: new with each start."""
        return self._kept.name

    async def control(self, request: web.BaseRequest, ready: Answering) -> web.StreamResponse:
        """What is asked of the pod itself."""
        match request.path:
            case path if path == ALIVE:
                return web.Response(text="alive\n")
            case between.READY:
                return await ready(request)
            case between.NOTES:
                return self._notes(request)
            case _:
                return web.Response(status=404, text="there is nothing here\n")

    def knows(self, request: web.BaseRequest) -> bool:
        """Whether it is Segue that asks; whose token says the key of digests, too."""
        token = request.headers.get(between.TOKEN, "")
        if not between.shows(self._proof, token):
            return False
        self.noting.key = between.key_of(token)
        return True

    def _notes(self, request: web.BaseRequest) -> web.Response:
        if not self.knows(request):
            return web.Response(status=403, text="only Segue takes notes\n")
        self.looked = time.monotonic()
        notes = self.noting.take(time.time())
        if not self._kept.add(notes):
            self.noting.lost(notes)
        heard, stored = (marks(request.query.get(name, "")) for name in ("heard", "stored"))
        return web.json_response(self._kept.tell(heard.get(self.name, 0), stored.get(self.name, 0)))
