"""Passes requests on to models, and answers back, as they are; the only module that speaks HTTP here.

A user's answer is written before anything is noted of it, and no error in noting reaches it. A model that
cannot be reached is 503, and so is a model's own 502: the router's 502 then always means that the recorder
itself is away, which no version is to blame for.
"""

import asyncio
import contextlib
import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

from service.recorder.answers import MOST
from service.recorder.noting import Noting
from service.recorder.orders import ALIVE, LEG, MOST_ASKED, Followed, Leg
from service.recorder.pairing import Answered

REQUEST_ID = "X-Request-Id"
MOST_ID = 200  # characters of an id that somebody gave
_KEPT_OPEN = 1.0  # seconds: shorter than model servers keep a connection that nobody uses
_OURS = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", LEG.lower()}
_AS_THEY_ARE = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # or aiohttp adds its own


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it came."""

    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes | None  # None: too long to be held; it is passed on as it comes
    given: str  # its id, if somebody gave one

    @property
    def key(self) -> str:
        """By which its copy is known."""
        if self.given:
            return self.given
        asked = hashlib.blake2b(self.body or b"", digest_size=16)
        asked.update(f"{self.method} {self.path}".encode())
        return asked.hexdigest()


class Proxy:
    """All legs; `open` and `close` belong to one running loop."""

    def __init__(self, orders: Followed, noting: Noting) -> None:
        self._orders = orders
        self._noting = noting
        self._session: ClientSession | None = None

    async def open(self) -> None:
        """Make the connections' pool."""
        self._session = ClientSession(
            connector=TCPConnector(limit=0, keepalive_timeout=_KEPT_OPEN),
            timeout=ClientTimeout(total=None, sock_connect=2.0),
            auto_decompress=False,
            skip_auto_headers=_AS_THEY_ARE,
        )

    async def close(self) -> None:
        """Close all connections to models."""
        if self._session is not None:
            await self._session.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request of the router."""
        kind, _, backend = request.headers.get(LEG, "").partition(" ")
        if not kind and request.path == ALIVE:
            return web.Response(text="alive\n")
        leg = self._orders.find(backend)
        if leg is None or kind not in {"answer", "copy"}:
            return web.Response(status=503, text="the recorder does not know this version\n")
        asked = await _read(request)
        if kind == "copy":
            return await self._copy(request, leg, asked)
        return await self._answer(request, leg, asked)

    async def _answer(self, request: web.BaseRequest, leg: Leg, asked: _Asked) -> web.StreamResponse:
        name = asked.given or uuid.uuid4().hex
        asked.headers[REQUEST_ID] = name
        passed = await self._pass(request, leg, asked, {} if asked.given else {REQUEST_ID: name})
        try:
            self._noting.answered(leg, asked.key, self._answered(leg, name, passed))
        except Exception:  # noqa: BLE001  whatever it is, the user has the answer
            self._noting.missed(leg.target)
        return passed.response

    async def _copy(self, request: web.BaseRequest, leg: Leg, asked: _Asked) -> web.StreamResponse:
        name = self._noting.request_of(leg, asked.key) or asked.given
        if name:
            asked.headers[REQUEST_ID] = name
        passed = await self._pass(request, leg, asked, {})
        try:
            self._noting.copied(leg, asked.key, self._answered(leg, name, passed), asked.body or b"")
        except Exception:  # noqa: BLE001  a copy more or less
            self._noting.missed(leg.target)
        return passed.response

    def _answered(self, leg: Leg, name: str, passed: "_Passed") -> Answered:
        said, score, body = self._noting.heard(leg.recording, passed.body or b"", passed.encoding)
        if passed.body is None:
            said = score = None
        return Answered(name, leg.backend, passed.at, passed.status, passed.seconds, said, score, body)

    async def _pass(
        self, request: web.BaseRequest, leg: Leg, asked: _Asked, more: Mapping[str, str]
    ) -> "_Passed":
        assert self._session is not None  # noqa: S101  `open` was called
        began = time.perf_counter()
        data = (asked.body or None) if asked.body is not None else request.content
        url = URL(leg.url.rstrip("/") + asked.path, encoded=True)
        try:
            async with self._session.request(
                asked.method, url, headers=asked.headers, data=data, allow_redirects=False
            ) as found:
                return await _answer_with(request, found, more, began)
        except (ClientError, OSError, TimeoutError):
            told = web.Response(status=503, text="the model does not answer\n", headers=dict(more))
            await _write(request, told)
            return _Passed(told, 0, time.time(), time.perf_counter() - began, None, "")


@dataclass(frozen=True, slots=True)
class _Passed:
    """What became of a request. `body` is None where it was too long to be looked at."""

    response: web.StreamResponse
    status: int
    at: float
    seconds: float
    body: bytes | None
    encoding: str


async def _read(request: web.BaseRequest) -> _Asked:
    headers: CIMultiDict[str] = CIMultiDict(
        (name, value) for name, value in request.headers.items() if name.lower() not in _OURS
    )
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = request.content_length
    held = not request.body_exists or (length is not None and length <= MOST_ASKED)
    body = await request.content.read() if held else None
    given = request.headers.get(REQUEST_ID, "")[:MOST_ID]
    return _Asked(request.method, request.raw_path, headers, body, given)


async def _answer_with(
    request: web.BaseRequest, found: ClientResponse, more: Mapping[str, str], began: float
) -> _Passed:
    """Give the model's answer to whoever asked: whole where it is short, else piece by piece."""
    status = 503 if found.status == 502 else found.status
    headers = CIMultiDict((name, value) for name, value in found.headers.items() if name.lower() not in _OURS)
    headers.update(more)
    encoding = found.headers.get("Content-Encoding", "").strip().lower()
    length = found.content_length
    if length is not None and length <= MOST and request.method != "HEAD":
        body = await found.read()
        seconds = time.perf_counter() - began
        headers.pop("Content-Length", None)
        whole = web.Response(status=status, reason=found.reason, body=body, headers=headers)
        await _write(request, whole)
        return _Passed(whole, found.status, time.time(), seconds, body, encoding)
    streamed = web.StreamResponse(status=status, reason=found.reason, headers=headers)
    seen = await _stream(request, found, streamed)
    return _Passed(streamed, found.status, time.time(), time.perf_counter() - began, seen, encoding)


async def _write(request: web.BaseRequest, whole: web.Response) -> None:
    """To whoever asked, before anything else is done; they may have left."""
    with contextlib.suppress(ConnectionError):
        await whole.prepare(request)
        await whole.write_eof()


async def _stream(
    request: web.BaseRequest, found: ClientResponse, streamed: web.StreamResponse
) -> bytes | None:
    """All of the body; None where it was too long to be held."""
    seen, size = bytearray(), 0
    with contextlib.suppress(ConnectionError):  # whoever asked may have left
        await streamed.prepare(request)
        async for piece in found.content.iter_any():
            size += len(piece)
            if size <= MOST:
                seen += piece
            await streamed.write(piece)
        await streamed.write_eof()
        return bytes(seen) if size <= MOST else None
    return None


async def serve(proxy: Proxy, port: int, stop: asyncio.Event, grace: float) -> int:
    """Listen on loopback until told to stop; then what is in hand is finished, for so many seconds."""
    await proxy.open()
    runner = web.ServerRunner(web.Server(proxy.handle, access_log=None), shutdown_timeout=grace)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await stop.wait()
    await runner.cleanup()
    await proxy.close()
    return 0
