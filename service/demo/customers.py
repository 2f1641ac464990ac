"""Users whose answers turn out right or wrong: each sends its own request, and later it is known who left.

What comes true does not depend on what was answered: who calls often for so short a time leaves, but for
some whom nobody could foresee.
"""

import csv
import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

THREADS = 4
TIMEOUT = 5.0
UNFORESEEN = 0.08  # of all: even a perfect model is wrong about them
SERVED_BY = "X-Segue-Served-By"


@dataclass(frozen=True, slots=True)
class Told:
    """One answer, and what came true. `status` 0: no answer. `by` is the version's stamp."""

    request: str
    at: float
    status: int
    said: str
    truth: str
    by: str


@dataclass(slots=True)
class Customers:
    """So many requests per second to one address, until told to end."""

    address: str
    rate: float
    told: list[Told] = field(default_factory=list)
    _labelled: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to send."""
        for number in range(THREADS):
            thread = threading.Thread(target=self._send, args=(number,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self) -> None:
        """Send no more, and wait for what is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT * 2)

    def write_labels(self, path: Path) -> int:
        """What came true since the last time, as rows that name the request alone; how many."""
        fresh = self.told[self._labelled :]
        self._labelled += len(fresh)
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["request", "at", "prediction", "label"])
            rows.writerows([one.request, one.at, one.said, one.truth] for one in fresh if one.said)
        return len(fresh)

    def _send(self, number: int) -> None:
        gap, dice = THREADS / self.rate, random.Random(number)  # noqa: S311  a play
        due, count = time.monotonic() + gap * number / THREADS, 0
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            count += 1
            self.told.append(_ask(connection, f"{parts.path}/predict", f"c{number}-{count}", dice))
            due += gap
        connection.close()


def _ask(connection: http.client.HTTPConnection, path: str, request: str, dice: random.Random) -> Told:
    months, calls = dice.randrange(60), dice.randrange(10)
    leaves = (6 * calls > months) != (dice.random() < UNFORESEEN)
    status, said, by = 0, "", ""
    try:
        body = json.dumps({"months": months, "calls": calls})
        connection.request("POST", path, body, {"X-Request-Id": request})
        response = connection.getresponse()
        answer = json.loads(response.read())
        status, by = response.status, response.headers.get(SERVED_BY, "")
        said = str(answer["predictions"][0]) if status == 200 else ""
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        connection.close()
    return Told(request, time.time(), status, said, "leaves" if leaves else "stays", by)
