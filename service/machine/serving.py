"""Serves a Flask application under waitress, which reads whole bodies before a thread is used."""

import gc
import threading
import time
from typing import Any

from flask import Flask
from waitress.server import BaseWSGIServer, create_server

# A proxy keeps connections that nobody uses (NGINX and AWS 60 s, Traefik 90 s, Google 600 s). Closed here
# first, they would lose the delivery that is being sent: a POST is not sent again, its sender gets a 502.
KEPT_SECONDS = 620
OPTIONS: dict[str, Any] = {
    "threads": 32,
    "asyncore_use_poll": True,  # select() fails for good beyond 1,024 open files
    "connection_limit": 2_000,
    "backlog": 2_048,
    "channel_timeout": KEPT_SECONDS,
    "cleanup_interval": 10,
    "max_request_header_size": 16_384,
    "max_request_body_size": 8 << 20,
    "ident": None,
    "clear_untrusted_proxy_headers": True,
}
# A signal that comes while the process stands still may be given to another thread when it goes on; Python
# tells the main thread then only once that looks by itself.
HEARD_SECONDS = 5.0
LAST_WORDS_SECONDS = 2.0


def server_of(app: Flask, host: str, port: int, *, forwarded: bool = False, **changed: Any) -> BaseWSGIServer:
    """A server that has a port. Without `forwarded` the application never sees what proxies write, or anybody
    who pretends to be one: only who asks `service.identity.forwarded` may."""
    options = {**OPTIONS, "clear_untrusted_proxy_headers": not forwarded, **changed}
    made: BaseWSGIServer = create_server(app, host=host, port=port, **options)
    return made


def serve(
    app: Flask,
    host: str,
    port: int,
    stop: threading.Event,
    threads: int = OPTIONS["threads"],
    *,
    forwarded: bool = False,
    streams: int = 0,
    largest_body: int = 0,
) -> None:
    """Serve until told to stop; what is being answered then is answered. Each of so many `streams` has a
    thread beside the others, and is told when its connection is closed. A body of `largest_body` bytes still
    reaches the application.

    What was imported until now stays for good: looking through it for garbage, again and again, would
    stop all requests for 50 ms each time.
    """
    gc.collect()
    gc.freeze()
    ahead = 1 if streams else 0  # requests that are read while one is answered: else no end would be read
    server = server_of(
        app,
        host,
        port,
        forwarded=forwarded,
        threads=threads + streams,
        channel_request_lookahead=ahead,
        max_request_body_size=max(OPTIONS["max_request_body_size"], largest_body + 1),
    )
    running = threading.Thread(target=server.run, name="waitress", daemon=True)
    running.start()
    while not stop.wait(HEARD_SECONDS):
        pass
    if streams:
        _let_end(server)
    server.close()
    server.task_dispatcher.shutdown(cancel_pending=False, timeout=10)


def _let_end(server: BaseWSGIServer) -> None:
    """Streams end by what stops the server, too: their last words want a server that still writes."""
    until = time.monotonic() + LAST_WORDS_SECONDS
    while server.task_dispatcher.active_count and time.monotonic() < until:
        time.sleep(0.05)
