"""An open-loop sender: each request has its moment, whatever became of those before it.

Latency counts from the moment for which a request was meant, so that waiting for a busy server is
part of it (a sender that waits for each answer before the next request hides just the bad times).
Connections are kept; a request for which none is free waits for one, and its clock runs.
"""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PATIENCE = 15.0  # seconds after the last request


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got: HTTP's status (0: the connection broke), the body, seconds since its moment.

    `late`: how much of that passed before the sender itself woke up: the machine's noise, not the server's.
    """

    status: int
    body: bytes
    seconds: float
    late: float


def send(port: int, requests: Sequence[bytes], rate: float, connections: int = 32) -> list[Answer]:
    """Send all requests, `rate` a second, and wait for their answers, but not for ever."""
    gc.collect()
    gc.disable()  # a pause of ours would count as the server's
    try:
        return asyncio.run(_send(port, requests, rate, connections))
    finally:
        gc.enable()


def percentile(seconds: Iterable[float], share: float) -> float:
    """The least time within which this share of them lies."""
    times = sorted(seconds)
    return times[min(len(times) - 1, int(len(times) * share))]


async def _send(port: int, requests: Sequence[bytes], rate: float, connections: int) -> list[Answer]:
    loop = asyncio.get_running_loop()
    pool = _Pool()
    for _ in range(connections):
        pool.free.append((await loop.create_connection(lambda: _Line(pool), "127.0.0.1", port))[1])
    answers = []
    began = time.perf_counter() + 0.05
    for number, request in enumerate(requests):
        moment = began + number / rate
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        late = time.perf_counter() - moment
        answers.append(pool.ask(_Request(request, moment, late, loop.create_future())))
    await asyncio.wait(answers, timeout=PATIENCE)
    pool.close()
    return [answer.result() if answer.done() else Answer(0, b"", PATIENCE, 0.0) for answer in answers]


@dataclass(frozen=True, slots=True)
class _Request:
    content: bytes
    moment: float
    late: float
    answer: "asyncio.Future[Answer]"

    def done(self, status: int, body: bytes) -> None:
        if not self.answer.done():
            self.answer.set_result(Answer(status, body, time.perf_counter() - self.moment, self.late))


class _Pool:
    """Connections that are free, and requests that wait for one: never both."""

    def __init__(self) -> None:
        self.free: deque[_Line] = deque()
        self.waiting: deque[_Request] = deque()

    def ask(self, request: _Request) -> "asyncio.Future[Answer]":
        if self.free:
            self.free.popleft().ask(request)
        else:
            self.waiting.append(request)
        return request.answer

    def give_back(self, line: "_Line") -> None:
        if self.waiting:
            line.ask(self.waiting.popleft())
        else:
            self.free.append(line)

    def close(self) -> None:
        for line in self.free:
            line.close()


class _Line(asyncio.Protocol):
    """A kept connection with at most one request on it."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._got = b""
        self._request: _Request | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: _Request) -> None:
        self._request, self._got = request, b""
        self._transport.write(request.content)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if end and len(body) >= _length(head) and self._request is not None:
            self._request.done(int(head[9:12]), body)
            self._request = None
            self._pool.give_back(self)

    def connection_lost(self, _error: Exception | None) -> None:
        if self in self._pool.free:
            self._pool.free.remove(self)
        if self._request is not None:
            self._request.done(0, b"")

    def close(self) -> None:
        self._transport.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
