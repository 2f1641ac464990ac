"""Ends answers over HTTP that only trickle: a time limit between two pieces never ends those.

A server that sends a byte a second, in its headers or its body, is neither silent nor ever done, and would
hold a worker for good. A session that is `steady` waits for what keeps coming at some pace, however large.
"""

import http.client
import io
import socket
import time
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from service.adapters.reach import Reach

GRACE = 60.0  # seconds that any answer may take
PACE = 4096.0  # bytes a second that one which takes longer must have brought


def steady(
    session: requests.Session, grace: float | None = None, reach: Reach | None = None
) -> requests.Session:
    """The session, whose reading of an answer below that pace fails as a time limit does.

    `grace`: other seconds than the usual ones. `reach`: says where it connects to; through a proxy that
    is the proxy's to say.
    """
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(GRACE if grace is None else grace, reach))
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
    def __init__(self, grace: float, reach: Reach | None) -> None:
        self._grace, self._reach = grace, reach
        super().__init__()

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = _pools(self._grace, self._reach)

    def proxy_manager_for(self, *given: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*given, **named)
        manager.pool_classes_by_scheme = _pools(self._grace, None)
        return manager


def _pools(grace: float, reach: Reach | None) -> dict[str, type[HTTPConnectionPool]]:
    """Pools of connections that are made and read so, by scheme."""

    class Answer(http.client.HTTPResponse):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.fp = io.BufferedReader(_Raw(self.fp.detach(), grace))

    class Plain(HTTPConnection):
        response_class = Answer

        def _new_conn(self) -> socket.socket:
            return _connected(self, super()._new_conn, reach)

    class Secure(HTTPSConnection):
        response_class = Answer

        def _new_conn(self) -> socket.socket:
            return _connected(self, super()._new_conn, reach)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _connected(
    connection: HTTPConnection, connect: Callable[[], socket.socket], reach: Reach | None
) -> socket.socket:
    """A socket to the first address that can be connected to, of those in reach.

    urllib3 resolves `_dns_host`, and nothing else uses it meanwhile: the certificate is checked, and the
    request sent, for the name.
    """
    if reach is None:
        return connect()
    named = connection._dns_host  # noqa: SLF001
    failed: HTTPError = NewConnectionError(connection, "its name has no address")
    try:
        for address in reach.addresses(named, connection.port):
            connection._dns_host = address  # noqa: SLF001
            try:
                made = connect()
            except HTTPError as error:
                failed = error
            else:
                reach.reached(made)
                return made
    except socket.gaierror as error:
        failed = NameResolutionError(named, connection, error)
    finally:
        connection._dns_host = named  # noqa: SLF001
    raise failed
