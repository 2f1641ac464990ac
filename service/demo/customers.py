"""Users whose answers turn out right or wrong: each sends its own request, and later it is known who left.

What comes true does not depend on what was answered: who calls often for so short a time leaves, but for
some whom nobody could foresee.
"""

import csv
import http.client
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from service.demo.pace import Pace

THREADS = 4
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
    _dice: list[random.Random] = field(init=False)
    _pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self._dice = [random.Random(number) for number in range(THREADS)]  # noqa: S311  a play
        self._pace = Pace(f"{self.address}/predict", self.rate, THREADS, self._ask)

    def start(self) -> None:
        """Begin to send."""
        self._pace.start()

    def end(self) -> None:
        """Send no more, and wait for what is under way."""
        self._pace.end()

    def write_labels(self, path: Path) -> int:
        """What came true since the last time, as rows that name the request alone; how many."""
        fresh = self.told[self._labelled :]
        self._labelled += len(fresh)
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["request", "at", "prediction", "label"])
            rows.writerows([one.request, one.at, one.said, one.truth] for one in fresh if one.said)
        return len(fresh)

    def _ask(self, connection: http.client.HTTPConnection, number: int, count: int) -> None:
        path = f"{urlsplit(self.address).path}/predict"
        self.told.append(_ask(connection, path, f"c{number}-{count + 1}", self._dice[number]))


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
