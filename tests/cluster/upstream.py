"""Connections to the API server of a kubeconfig, for a proxy; with its login or without."""

import base64
import http.client
import socket
import ssl
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from service.adapters.kubernetes import kubeconfig

SECONDS = 90.0  # the longest silence of a watch that the proxy endures


class Upstream:
    """One API server, as one login of a kubeconfig sees it. `headers`: what that login adds to a call."""

    def __init__(self, cluster: dict[str, Any], user: dict[str, Any]) -> None:
        self._address = urlsplit(cluster["server"])
        self.headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        if self._address.scheme == "https":
            self._contexts = {by_token: _context(cluster) for by_token in (False, True)}
            _identify(self._contexts[False], user)
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, path: Path) -> Self:
        """The current context of a kubeconfig; one with a credential plugin cannot be used."""
        config = kubeconfig.read(path, None).config
        return cls(config["clusters"][0]["cluster"], config["users"][0]["user"])

    def connect(self, *, by_token: bool) -> http.client.HTTPConnection:
        """A new connection; `by_token`: without the client certificate, which the server would prefer."""
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        if self._contexts:
            context = self._contexts[by_token]
            connection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
        with self._lock:
            self._open.add(connection)
        return connection

    def release(self, connection: http.client.HTTPConnection) -> None:
        """Close it."""
        connection.close()
        with self._lock:
            self._open.discard(connection)

    def close(self) -> None:
        """End all, watches included: to close what a thread reads from would wait for that thread."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    if connection.sock is not None:
                        connection.sock.shutdown(socket.SHUT_RDWR)


def _context(cluster: dict[str, Any]) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    return ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=base64.b64decode(data).decode() if data else None
    )


def _identify(context: ssl.SSLContext, user: dict[str, Any]) -> None:
    """Give the context the login's certificate; the library takes it from files only."""
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    if "client-certificate-data" in user:
        pair = user["client-certificate-data"], user["client-key-data"]
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\n".join(base64.b64decode(part) for part in pair))
            file.flush()
            context.load_cert_chain(file.name)
