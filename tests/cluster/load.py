"""Load at a steady rate: each request has a time at which it is due, however slow answers are.

Open loop: a slow server does not lower the rate until all workers wait for it, and then `behind`
tells so. Nothing is tried again; what fails is counted under status 0.
"""

import http.client
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

FAILED = 0
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was sent (seconds since the begin), who answered, how, how long it took."""

    at: float
    version: str
    status: int
    seconds: float
    error: str = ""


class Load:
    """Requests until the `with` block is left. `headers` are sent with each, Host among them.

    `version_header` is where an answer says which version gave it.
    """

    def __init__(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        *,
        rate: float = 100,
        path: str = "/predict",
        version_header: str = "X-Version",
        workers: int = 32,
    ) -> None:
        self._where = urlsplit(url)
        self._headers = headers or {}
        self._rate = rate
        self._version_header = version_header
        self._path = self._where.path.rstrip("/") + path
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        self.answers: list[Answer] = []
        self.behind = 0.0  # the longest that a request was sent after its time, in seconds

    def __enter__(self) -> Self:
        self._begin = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(2 * _PATIENCE)

    def counts(self, since: float = 0) -> Counter[tuple[str, int]]:
        """Answers by version and status, of requests sent at or after `since`."""
        return Counter((a.version, a.status) for a in list(self.answers) if a.at >= since)

    def lost(self) -> list[Answer]:
        """Requests that no model answered: no answer at all, or the proxy's own complaint."""
        return [a for a in list(self.answers) if not a.version]

    def story(self, since: float = 0) -> str:
        """When requests were lost and how, a line for each second: what a test says that lost some."""
        seconds = Counter((int(a.at), a.status, a.error) for a in self.lost() if a.at >= since)
        return "\n".join(
            f"{at:5} s: {n} x {status} {why}" for (at, status, why), n in sorted(seconds.items())
        )

    def now(self) -> float:
        """Seconds since the begin."""
        return time.monotonic() - self._begin

    def _work(self) -> None:
        host, port = self._where.hostname or "", self._where.port
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        while True:
            due = next(self._numbers) / self._rate
            if self._ended.wait(max(0.0, due - self.now())):
                break
            self.behind = max(self.behind, self.now() - due)
            self.answers.append(self._ask(connection))
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> Answer:
        at = self.now()
        try:
            connection.request("GET", self._path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Answer(at, "", FAILED, self.now() - at, repr(error))
        version = answer.getheader(self._version_header) or ""
        return Answer(at, version, answer.status, self.now() - at)
