"""One request as it came, and what a model answered: how both are read, passed on and written.

A user's answer is written before anything is noted of it. A model that cannot be reached is 503.
"""

import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from service.recorder.answers import MOST
from service.recorder.orders import LEG, MOST_ASKED
from service.recorder.resolving import Remembering

REQUEST_ID = "X-Request-Id"
MOST_ID = 200  # characters of an id that somebody gave
COPY_SECONDS = 60.0  # in which a copy that nobody waits for is to be answered
MOST_LINE = 1 << 16  # bytes of a header, or of a path: no fewer than models take
_KEPT_OPEN = 1.0  # seconds: shorter than model servers keep a connection that nobody uses
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_OURS = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", LEG.lower()}
_NEEDED = {"content-length", "host"}  # to read the message at all, whatever somebody says of them
_AS_THEY_ARE = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # or aiohttp adds its own


@dataclass(frozen=True, slots=True)
class Asked:
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


@dataclass(frozen=True, slots=True)
class Passed:
    """What became of a request. `status` 0: no answer. `body` None: it was too long to be looked at."""

    status: int
    at: float
    seconds: float
    body: bytes | None
    encoding: str
    response: web.StreamResponse | None = None  # what whoever asked was given


class Models:
    """The connections to models; `open` and `close` belong to one running loop.

    `hides_502`: a model's own 502 is passed on as 503, because the router's 502 then always means that the
    recorder itself is away.
    """

    def __init__(self, *, hides_502: bool) -> None:
        self._hides_502 = hides_502
        self._session: ClientSession | None = None
        self._resolver: Remembering | None = None

    async def open(self) -> None:
        """Make the connections' pool."""
        self._resolver = Remembering()
        self._session = ClientSession(
            connector=TCPConnector(
                limit=0, keepalive_timeout=_KEPT_OPEN, use_dns_cache=False, resolver=self._resolver
            ),
            timeout=ClientTimeout(total=None, sock_connect=2.0),
            auto_decompress=False,
            skip_auto_headers=_AS_THEY_ARE,
            max_line_size=MOST_LINE,
            max_field_size=MOST_LINE,
        )

    async def close(self) -> None:
        """Close all connections to models."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    async def answer(
        self, request: web.BaseRequest, url: str, asked: Asked, more: Mapping[str, str]
    ) -> Passed:
        """Ask the model, and answer whoever asked, with these headers, too."""
        assert self._session is not None  # noqa: S101  `open` was called
        began = time.perf_counter()
        data = (asked.body or None) if asked.body is not None else request.content
        try:
            async with self._session.request(
                asked.method, _at(url, asked), headers=asked.headers, data=data, allow_redirects=False
            ) as found:
                return await self._answer_with(request, found, more, began)
        except (ClientError, OSError, TimeoutError):
            told = web.Response(status=503, text="the model does not answer\n", headers=dict(more))
            await _write(request, told)
            return Passed(0, time.time(), time.perf_counter() - began, None, "", told)

    async def copy(self, url: str, asked: Asked) -> Passed:
        """Ask the model what somebody else was answered already."""
        assert self._session is not None  # noqa: S101  `open` was called
        began = time.perf_counter()
        status, body, encoding = 0, None, ""
        with contextlib.suppress(ClientError, OSError, TimeoutError):
            async with self._session.request(
                asked.method,
                _at(url, asked),
                headers=asked.headers,
                data=asked.body or None,
                allow_redirects=False,
                timeout=ClientTimeout(total=COPY_SECONDS, sock_connect=2.0),
            ) as found:
                body = await _held(found)
                status, encoding = found.status, _encoding(found)
        return Passed(status, time.time(), time.perf_counter() - began, body, encoding)

    async def _answer_with(
        self, request: web.BaseRequest, found: ClientResponse, more: Mapping[str, str], began: float
    ) -> Passed:
        """Give the model's answer to whoever asked: whole where it is short, else piece by piece."""
        status = 503 if found.status == 502 and self._hides_502 else found.status
        headers = _passed_on(found.headers)
        headers.update(more)
        length = found.content_length
        if length is not None and length <= MOST and request.method != "HEAD":
            body = await found.read()
            seconds = time.perf_counter() - began
            headers.pop("Content-Length", None)
            whole = web.Response(status=status, reason=found.reason, body=body, headers=headers)
            await _write(request, whole)
            return Passed(found.status, time.time(), seconds, body, _encoding(found), whole)
        streamed = web.StreamResponse(status=status, reason=found.reason, headers=headers)
        try:
            seen = await _stream(request, found, streamed)
        except (ClientError, OSError, TimeoutError):  # its head is written, so that only an end tells it
            if request.transport is not None:
                request.transport.abort()
            return Passed(0, time.time(), time.perf_counter() - began, None, "", streamed)
        took = time.perf_counter() - began
        return Passed(found.status, time.time(), took, seen, _encoding(found), streamed)


def server(handle: Handler, **also: Any) -> web.Server:
    """What listens, and takes what models take."""
    return web.Server(handle, access_log=None, max_line_size=MOST_LINE, max_field_size=MOST_LINE, **also)


async def read(request: web.BaseRequest) -> Asked:
    """The request, held whole where it is not too long.

    Raises `HTTPBadRequest` for what names no path: behind a model's address, it could name another host.
    """
    if not request.raw_path.startswith("/"):
        raise web.HTTPBadRequest(text="only paths are passed on\n")
    headers = _passed_on(request.headers)
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = request.content_length
    held = not request.body_exists or (length is not None and length <= MOST_ASKED)
    body = await request.content.read() if held else None
    given = request.headers.get(REQUEST_ID, "")[:MOST_ID]
    return Asked(request.method, request.raw_path, headers, body, given)


def _passed_on(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Without what is between the ends of one connection, and what `Connection` says is (RFC 9110, 7.6.1)."""
    told = (name.strip().lower() for line in headers.getall("Connection", ()) for name in line.split(","))
    dropped = _OURS | (set(told) - _NEEDED)
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def _at(url: str, asked: Asked) -> URL:
    return URL(url.rstrip("/") + asked.path, encoded=True)


def _encoding(found: ClientResponse) -> str:
    return found.headers.get("Content-Encoding", "").strip().lower()


async def _write(request: web.BaseRequest, whole: web.Response) -> None:
    """To whoever asked, before anything else is done; they may have left."""
    with contextlib.suppress(ConnectionError):
        await whole.prepare(request)
        await whole.write_eof()


async def _held(found: ClientResponse) -> bytes | None:
    """All of an answer; None where it is too long to be held."""
    seen = bytearray()
    async for piece in found.content.iter_any():
        if len(seen) <= MOST:
            seen += piece
    return bytes(seen) if len(seen) <= MOST else None


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
