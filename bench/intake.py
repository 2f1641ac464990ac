"""How long a signed delivery takes to be stored and acknowledged, with everything else running.

Run from the repository's root: `python bench/intake.py [--json]`; about a minute. A whole `segue up`
takes deliveries of one connected repository at fixed moments (open loop), each with a signature of its
own, fsync on. Latency counts from the moment for which a delivery was meant. Then a burst comes that no
disk need keep up with: it may be refused, but only by 503. At the end every delivery that was acknowledged
is looked for in the inbox.
"""

import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

from bench.installed import Installation, installation
from bench.openloop import Answer, percentile, send
from bench.report import Row, report
from bench.repository import Repository
from handlers import signing
from service.store.inbox import Inbox

LIMITS = ((200, 0.020), (1_000, 0.050))  # deliveries a second, seconds allowed for 99 of 100
ROUNDS, SECONDS, WARM = 5, 4.0, 200
BURST, BURST_CONNECTIONS, BURST_ALLOWED = 3_000, 200, 3.0  # within one second; seconds for 99 of 100


def main() -> int:
    """Measure both rates in turn, several rounds each."""
    answers: list[Answer] = []
    rows, notes = [], []
    with installation() as place:
        place.start()
        secret = connect(place)
        answers += send(place.settings.intake_port, deliveries(place, secret, WARM), 100)
        for rate, allowed in LIMITS:
            rounds = []
            for _ in range(ROUNDS):
                batch = deliveries(place, secret, int(rate * SECONDS))
                rounds.append(send(place.settings.intake_port, batch, rate))
                answers += rounds[-1]
                time.sleep(0.5)
            rows += table(rate, allowed, rounds)
        refused = sum(answer.status != 202 for answer in answers)
        batch = deliveries(place, secret, BURST)
        burst = send(place.settings.intake_port, batch, BURST, BURST_CONNECTIONS)
        busy, odd = (sum(a.status == 503 for a in burst), sum(a.status not in {202, 503} for a in burst))
        slowest = percentile((answer.seconds for answer in burst), 0.99)
        rows.append(Row(f"{BURST} at once, p99", (slowest * 1e3,), BURST_ALLOWED * 1e3, "ms", held=True))
        notes.append(f"{BURST:,} at once: {busy} answered 503, {odd} neither that nor 202")
        lost = missing(place, answers + burst)
        notes.append(f"{len(answers):,} sent, {refused} not acknowledged, {lost} missing in the inbox")
        notes.append(
            f"one fsync of 4 kB on this disk takes {fsync(place.settings.home) * 1e3:.2f} ms (median)"
        )
    return report("intake, everything else running", rows, notes) or int(lost + refused + odd > 0)


def table(rate: int, allowed: float, rounds: list[list[Answer]]) -> list[Row]:
    """A rate's rows in milliseconds. Only 99 of 100 has a promise; the sender's own lateness shows how
    much of the rest is the machine's."""

    def row(word: str, share: float, *, held: bool = False, late: bool = False) -> Row:
        times = [[one.late if late else one.seconds for one in answers] for answers in rounds]
        values = tuple(percentile(seconds, share) * 1e3 for seconds in times)
        return Row(f"{rate}/s {word}", values, allowed * 1e3, "ms", held)

    return [
        row("p50", 0.5),
        row("p99", 0.99, held=True),
        row("max", 1.0),
        row("p99 of the sender's own lateness", 0.99, late=True),
    ]


def connect(place: Installation) -> bytes:
    """Connect a real repository; the secret with which its hook would sign."""
    repository = Repository(place.settings.home.parent)
    repository.push({"README": b"nothing to release\n"})
    place.segue("connect", "git", str(repository.bare), "--name", "bench")
    return place.settings.secret("hook-bench") or b""


def deliveries(place: Installation, secret: bytes, count: int) -> list[bytes]:
    """Whole HTTP requests, each another delivery, signed now."""
    return [_delivery(place.settings.intake_port, secret) for _ in range(count)]


def _delivery(port: int, secret: bytes) -> bytes:
    name, now = uuid.uuid4().hex, str(int(time.time()))
    change = {"ref": "refs/heads/main", "before": "0" * 40, "after": name + name[:8]}
    body = json.dumps({"pusher": "ann", "changes": [change]}).encode()
    signature = signing.sign(secret, f"{name}.{now}.".encode() + body)
    head = (
        f"POST /hooks/bench HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"webhook-id: {name}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: {signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def missing(place: Installation, answers: list[Answer]) -> int:
    """How many acknowledged deliveries are not in the inbox."""
    inbox = Inbox.open(place.settings.store_url("inbox"))
    there: set[str] = set()
    last = 0
    while rows := inbox.after(last):
        there |= {str(row.id) for row in rows}
        last = rows[-1].id
    inbox.close()
    told = [json.loads(answer.body)["delivery"] for answer in answers if answer.status == 202]
    return len(told) - len(there & set(told))


def fsync(folder: Path) -> float:
    """What the disk alone asks for, for comparison."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
