"""S9: hundreds of clients that send a byte now and then hold up nobody who sends properly."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from handlers import signing
from tests.faults.harness import scaled, seed_of_this_run, told
from tests.running import free_port, wait_until

SLOW = 900
SECRET = b"a secret of at least thirty-two bytes"
LIMIT = 0.1  # seconds that the slowest of a hundred good requests may take; printed, not asserted
SERVED = """
import sys, threading
from pathlib import Path
from service.machine import ending, serving
from service.store.inbox import Inbox
from service.intake import Door, create_intake
from service.settings import Settings

home, port, secret = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
settings = Settings(home=home)
inbox = Inbox.open(settings.store_url("inbox"))
app = create_intake(settings, inbox, {"git": Door("bare", (secret,))}.get, lambda _: None)
serving.serve(app, "127.0.0.1", port, ending.stop_on_signals())
inbox.close()
"""


@pytest.fixture
def intake(tmp_path):
    """Intake as its own process serves it; its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVED, str(tmp_path), str(port), SECRET.decode()])
    try:
        wait_until(lambda: answers(port), 60)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def answers(port):
    try:
        return ask(port, "GET", "/healthz", None)[0] == 200
    except OSError:
        return False


def ask(port, method, path, body, headers=None):
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers or {})
    status = connection.getresponse().status
    connection.close()
    return status, time.monotonic() - began


def good(port, number):
    body, stamp = b'{"pusher": "ann", "changes": []}', f"{time.time():.0f}"
    name = f"{os.getpid()}-{number}"
    signature = signing.sign(SECRET, f"{name}.{stamp}.".encode() + body)
    headers = {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}
    return ask(port, "POST", "/hooks/git", body, headers)


def slow(port, dice):
    """A client that has begun one of several ways, and goes on a byte at a time."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=30)
    begun = (
        b"POST /hooks/git HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
        b"POST /api/v1/commands HTTP/1.1\r\nHost: a\r\nContent-Le",
        b"G",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ",
    )
    raw.sendall(begun[dice % len(begun)])
    return raw


@pytest.mark.faults
@pytest.mark.timeout(scaled(300, 1800))
def test_slow_clients_hold_up_nobody(intake):
    times = scaled(200, 2_000)
    alone = sorted(good(intake, f"alone-{n}")[1] for n in range(100))
    clients = [slow(intake, number) for number in range(SLOW)]
    held, results = 0, []
    for number in range(times):
        results.append(good(intake, number))
        for raw in clients[number % 100 :: 100]:
            try:
                raw.sendall(b"x")
                held += 1
            except OSError:
                pass  # it was given up
    for raw in clients:
        raw.close()
    p99 = sorted(seconds for _, seconds in results)[int(0.99 * times) - 1]
    told(
        "slow clients",
        seed=seed_of_this_run(),
        slow=SLOW,
        bytes_they_sent=held,
        good=len(results),
        p99=f"{p99 * 1000:.0f} ms",
        to_its_limit=f"{p99 / LIMIT:.2f}",
        p99_without_them=f"{alone[98] * 1000:.0f} ms",
    )
    assert {status for status, _ in results} == {202}
    assert held > SLOW
