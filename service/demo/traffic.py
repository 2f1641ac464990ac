"""Users of the demo: a steady stream of requests through the router, and what came back.

Requests leave on a fixed schedule, whatever the answers do. Every answer is kept, with the version
that says it gave it, so that afterwards each can be explained or not.
"""

import http.client
import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from service.demo.pace import Pace

VERSION_HEADER = "X-Model-Version"
THREADS = 6


COUNTRIES = (
    "it",
    "fr",
    "it",
    "es",
    "it",
    "fr",
    "it",
    "pt",
    "fr",
    "it",
)  # of users, each as often as it stands here


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request: where to, and what is sent. `target` is model and environment."""

    target: str
    url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request; Unix seconds. `status` 0: no answer, and `version` "" then."""

    target: str
    sent: float
    done: float
    status: int
    version: str

    @property
    def failed(self) -> bool:
        return self.status == 0 or self.status >= 500


def request_of(target: str, address: str, path: str, body: object) -> Request:
    """A request with a JSON body to a path below a target's address."""
    return Request(target, f"{address}/{path}", json.dumps(body).encode())


@dataclass(slots=True)
class Traffic:
    """A stream of `rate` requests per second."""

    request: Request
    rate: float
    answers: list[Answer] = field(default_factory=list)
    _pace: Pace = field(init=False)
    # In turn they would go in step with a router that deals in turn: one version might never meet a country.
    _dice: list[random.Random] = field(init=False)

    def __post_init__(self) -> None:
        self._dice = [random.Random(number) for number in range(THREADS)]  # noqa: S311  a play
        self._pace = Pace(self.request.url, self.rate, THREADS, self._ask)

    def start(self) -> None:
        """Begin to send."""
        self._pace.start()

    def end(self) -> None:
        """Send no more, and wait for the answers that are under way."""
        self._pace.end()

    def recent(self) -> list[Answer]:
        """The newest answers, more than enough for a summary of the last seconds."""
        return self.answers[-int(self.rate * 10) :]

    def _ask(self, connection: http.client.HTTPConnection, number: int, _count: int) -> None:
        country = self._dice[number].choice(COUNTRIES)
        sent = time.time()
        status, version = 0, ""
        try:
            headers = {"Content-Type": "application/json", "X-Country": country}
            connection.request("POST", urlsplit(self.request.url).path, self.request.body, headers)
            response = connection.getresponse()
            response.read()
            status, version = response.status, response.headers.get(VERSION_HEADER, "")
        except (OSError, http.client.HTTPException):
            connection.close()
        self.answers.append(Answer(self.request.target, sent, time.time(), status, version))


@dataclass(frozen=True, slots=True)
class Second:
    """What users met in the last whole seconds: requests per second, failures, shares by version."""

    rate: float
    failed: int
    shares: tuple[tuple[str, float], ...]


def lately(answers: Iterable[Answer], now: float, seconds: float = 2.0) -> Second:
    """A summary of what was answered in the last seconds."""
    recent = [a for a in answers if now - seconds <= a.done <= now]
    counted = Counter(a.version for a in recent if a.version)
    total = sum(counted.values()) or 1
    shares = tuple((name, count / total) for name, count in counted.most_common())
    return Second(len(recent) / seconds, sum(a.failed for a in recent), shares)
