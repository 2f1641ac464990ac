"""Malformed requests, as raw bytes over real connections, to the real intake process."""

import http.client
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from handlers import signing
from service import processes, settings
from service.identity import tokens
from service.ports.connections import Source
from service.settings import Settings
from service.store.store import Store
from tests.running import free_port, wait_until

TOKEN = "a-token-of-the-fuzz-harness"
SECRET = b"a secret of at least thirty-two bytes"
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
BODY = b'{"pusher": "ann", "changes": []}'
METHODS = (
    b"POST",
    b"GET",
    b"PUT",
    b"HEAD",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"",
    b"P\0ST",
    b"\xff\xfe",
    b"post",
    b"A" * 300,
)
PATHS = (
    b"/hooks/code", b"/hooks/nobody", b"/hooks/", b"/hooks/people", b"/hooks/%00", b"/hooks/..%2f..", b"/hooks/\xff", b"//hooks/code",
    b"/api/v1/commands", b"/api/v1/labels", b"/metrics", b"/healthz", b"/", b"*", b"", b"http://x/hooks/code", b"/hooks/" + b"a" * 9_000, b"/hooks/code?" + b"a=1&" * 500,
    b"/hooks/%ff%fe", b"/hooks/code/extra", b"/hooks/\xe2\x80\xae", b"/%2e%2e/hooks", b"/hooks/code#x", b"/hooks/co de",
)  # fmt: skip
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"", b"HTTP/1.1 x", b"FTP/1.1", b"http/1.1")
LENGTHS = (
    b"%d" % len(BODY), b"0", b"-1", b"+5", b"1e3", b"99999999999999999999", b"9999999", b"", b"5, 5", b"0x10", b"\xb2", b" 3 ", b"5\r\nContent-Length: 6",
)  # fmt: skip
OTHERS = (
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: \x0bchunked", b"Content-Encoding: gzip",
    b"Expect: 100-continue", b"Expect: 200", b"Connection: upgrade", b"Upgrade: h2c", b"X: " + b"a" * 20_000, b": no name", b"no colon",
    b" folded: 1", b"X\0Y: 1", b"X: \0", b"X: \xff\xfe", b"Host: a\r\nHost: b", b"Authorization: Bearer \xff", b"Authorization: Bearer",
    b"Idempotency-Key: " + b"k" * 5_000, b"webhook-id: \xe9", b"webhook-timestamp: 99999999999999", b"webhook-signature: v1," + b"A" * 5_000,
    b"X-Forwarded-For: " + b"1.2.3.4, " * 300, b"Cookie: " + b"a=b; " * 300, b"Range: bytes=0-", b"Trailer: x", b"Content-Type: \x00", b"Date: x",
)  # fmt: skip
BODIES = (
    BODY,
    b"",
    b"{",
    b"\0" * 100,
    b"\xff" * 1_000,
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"FFFFFFFFF\r\n",
    b"-1\r\n",
    b"[" * 5_000,
    b"5;x=" + b"y" * 9_000,
)
STRANGE = (
    b"", b"\r\n\r\n", b"\0", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /\r\n", b"GET\r\n\r\n",
    b"POST /hooks/code HTTP/1.1", b"\r\n" * 1_000, b"A" * 70_000, b"*1\r\n$4\r\nPING\r\n", b"SSH-2.0-x\r\n",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What requests to a process are usually, and where else they go."""

    name: str
    method: bytes
    path: bytes
    paths: tuple[bytes, ...]
    bad: frozenset[str] = frozenset({"500", "502"})


INTAKE = Kind("intake", b"POST", b"/hooks/code", PATHS)
NAMES = (
    b"rel-1",
    b"rel-99999999999999999999999",
    b"rel--1",
    b"rel-%00",
    b"rel-\xb2",
    b"..",
    b"%2e%2e",
    b"\xff\xfe",
    b"",
    b"a" * 5_000,
)
API = (
    b"releases/%s", b"releases/%s/logs", b"releases/%s/report", b"releases/%s/increments", b"events/%s", b"commands/%s",
    b"models/%s/labels", b"releases?before=%s", b"releases?target=%s&model=%s", b"events?before=%s", b"events?source=%s&failed",
    b"record?after=%s", b"record?after=1&after=%s", b"targets/%s", b"%s",
)  # fmt: skip
READ = (
    *(b"/api/v1/" + one.replace(b"%s", name) for one in API for name in NAMES),
    b"/api/v1/targets",
    b"/readyz",
    *PATHS,
)
# Whatever goes wrong within it is 503 there, and its store is well.
WEB = Kind("web", b"GET", b"/api/v1/releases", READ, frozenset({"500", "502", "503"}))


def made(chance: random.Random, kind: Kind = INTAKE) -> bytes:
    """A request with at least one thing wrong, or no request at all."""
    if chance.random() < 0.1:
        return chance.choice((*STRANGE, chance.randbytes(chance.randrange(400))))
    usual = chance.random
    parts = (
        chance.choice(METHODS) if usual() < 0.3 else kind.method,
        chance.choice(kind.paths) if usual() < 0.6 else kind.path,
        chance.choice(VERSIONS) if usual() < 0.2 else b"HTTP/1.1",
    )
    end = chance.choice((b"\n", b"\r", b"\r\r\n")) if usual() < 0.05 else b"\r\n"
    headers = [b"Host: a", *chance.sample(OTHERS, chance.randrange(4))]
    if kind is WEB and usual() < 0.9:
        headers.append(b"Authorization: Bearer " + TOKEN.encode())
    body = chance.choice(BODIES)
    if usual() < 0.9:
        length = b"%d" % len(body) if usual() < 0.6 else chance.choice(LENGTHS)
        headers.insert(chance.randrange(len(headers) + 1), b"Content-Length: " + length)
    data = b" ".join(parts) + end + end.join(headers) + end + end + body
    if usual() < 0.1:
        at = chance.randrange(len(data))
        data = data[:at] + chance.randbytes(1) + data[at + 1 :]
    return data[: chance.randrange(len(data))] if usual() < 0.05 else data


class Process:
    """A process in a home of its own, with one source and one token that it knows."""

    def __init__(self, home: Path, kind: Kind) -> None:
        self.kind, self.port = kind, free_port()
        port = {f"{kind.name}_port": self.port}
        self.chosen = Settings(home=home, body_bytes=100_000, **port)  # type: ignore[arg-type]
        secrets = home / "secrets"
        secrets.mkdir(parents=True)
        (secrets / "hook-code").write_bytes(SECRET)
        store = Store.open(self.chosen.store_url("engine"))
        with store.change() as change:
            change.save_source(Source("code", "bare", "/srv/code.git"))
        tokens.take(store, "fuzz", TOKEN)
        store.close()
        environ = {"PATH": os.environ["PATH"], **settings.environ_of(self.chosen)}
        self.log = (home / "printed.log").open("wb")
        command = [sys.executable, "-m", processes.__name__, kind.name]
        self.process = subprocess.Popen(command, env=environ, stdout=self.log, stderr=self.log)
        wait_until(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, f"the {self.kind.name} ended"
        try:
            return self._ask("GET", "/healthz", None, {}) == 200
        except OSError:
            return False

    def takes(self, name: str) -> bool:
        """Whether a delivery that is signed well is stored, and what is read well answered."""
        if self.kind is WEB:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            return self._ask("GET", "/api/v1/releases", None, headers) == 200
        stamp = f"{time.time():.0f}"
        signature = signing.sign(SECRET, f"{name}.{stamp}.".encode() + BODY)
        headers = {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}
        return self._ask("POST", "/hooks/code", BODY, headers) == 202

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def send(self, data: bytes) -> str:
        """The status of the answer, the worst where there are several; "closed" where there is none."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as raw:
            answer = b""
            try:
                raw.sendall(data)
                raw.shutdown(socket.SHUT_WR)
                while more := raw.recv(65_536):
                    answer += more
            except OSError:
                pass  # it closed before it had read all of it
        statuses = STATUS.findall(answer)
        return max(statuses).decode() if statuses else "closed"

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def run(count: int, seed: str, kind: Kind = INTAKE) -> bool:
    """Send so many; whether there was no 500 and the process went on as if nothing had been."""
    with tempfile.TemporaryDirectory(prefix="segue-fuzz-") as folder:
        intake = Process(Path(folder), kind)
        try:
            statuses, bad = _send_all(intake, count, seed)
            alive = intake.process.poll() is None and intake.takes("after")
        finally:
            intake.end()
        traces = (Path(folder) / "printed.log").read_text(errors="replace").count("Traceback")
    shown = ", ".join(f"{status} {n}" for status, n in statuses.most_common())
    print(
        f"{statuses.total()} malformed requests to {kind.name}: {shown}; the process {'goes on' if alive else 'IS GONE'}"
    )
    for number, data in bad:
        print(f"FAILED: request {number}, seed {seed}, was answered by an error of ours: {data[:300]!r}")
    if traces:
        print(f"FAILED: the {kind.name} logged {traces} exceptions")
    return alive and not bad and not traces and statuses.total() == count and len(statuses) > 3


def _send_all(intake: Process, count: int, seed: str) -> tuple[Counter[str], list[tuple[int, bytes]]]:
    statuses: Counter[str] = Counter()
    bad: list[tuple[int, bytes]] = []
    assert intake.takes("before"), f"the {intake.kind.name} does not take what is well"
    for number in range(count):
        data = made(random.Random(f"{seed}/request/{number}"), intake.kind)
        status = intake.send(data)
        statuses[status] += 1
        if status in intake.kind.bad and len(bad) < 10:
            bad.append((number, data))
    return statuses, bad
