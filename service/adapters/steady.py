"""Ends answers over HTTP that only trickle: a time limit between two pieces never ends those.

A server that sends a byte a second, in its headers or its body, is neither silent nor ever done, and would
hold a worker for good. A session that is `steady` waits for what keeps coming at some pace, however large.
"""

import http.client
import io
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

GRACE = 60.0  # seconds that any answer may take
PACE = 4096.0  # bytes a second that one which takes longer must have brought


def steady(session: requests.Session, grace: float | None = None) -> requests.Session:
    """The session, whose reading of an answer below that pace fails as a time limit does.

    `grace`: other seconds than the usual ones.
    """
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(grace))
    return session


class _Raw(io.RawIOBase):
    """What a connection's socket brings for one answer."""

    def __init__(self, raw: io.RawIOBase, grace: float) -> None:
        super().__init__()
        self._raw, self._grace = raw, grace
        self._began, self._brought = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        if time.monotonic() - self._began > self._grace + self._brought / PACE:
            raise TimeoutError("the answer only trickles")
        count = self._raw.readinto(buffer)
        self._brought += count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Adapter(HTTPAdapter):
    def __init__(self, grace: float | None) -> None:
        self._pools = _pools(GRACE if grace is None else grace)
        super().__init__()

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, *given: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*given, **named)
        self._bound(manager)
        return manager

    def _bound(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = self._pools


def _pools(grace: float) -> dict[str, type[HTTPConnectionPool]]:
    """Pools of connections whose answers are read so, by scheme."""

    class Answer(http.client.HTTPResponse):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.fp = io.BufferedReader(_Raw(self.fp.detach(), grace))

    class Plain(HTTPConnection):
        response_class = Answer

    class Secure(HTTPSConnection):
        response_class = Answer

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
