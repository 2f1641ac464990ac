"""HTTP to a chat's server: JSON there and back, and what an answer means that is no success.

The login is a header that goes to that server and nowhere else. Addresses that an answer holds are never
gone to.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import requests

from service.adapters.reach import Reach
from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.loopback import leads_here
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

_SECONDS = (5, 20)  # to connect; between two pieces of an answer
_LARGEST = 8 << 20  # bytes of one answer
_LONGEST_WAIT = 3600.0
_PIECE = 1 << 16
Query = Mapping[str, str] | None


class Missing(Refused):
    """The chat knows nothing there, or hides it from our account."""


class Server:
    """One chat's API. `root` is where all paths begin, `login` the beginning of the secret file's name,
    `reach` says where may be connected to."""

    def __init__(
        self, settings: Settings, source: Source, root: str, login: str = "login", reach: Reach | None = None
    ) -> None:
        self.root = root
        self._name = f"{login}-{source.name}"
        self._secret: Callable[[], bytes | None] = lambda: settings.secret(self._name)
        self._session = steady(requests.Session(), reach=reach)
        self._session.auth = _NoLogin()  # ours is a header; a .netrc file is none of our business
        self._session.trust_env = not leads_here(root)  # proxies, certificates
        self._session.headers.update({"Accept-Encoding": "identity", "User-Agent": "segue"})

    def call(
        self, method: str, path: str, body: Any = None, *, query: Query = None, waits: float | None = None
    ) -> dict[str, Any]:
        """The JSON object that is answered; {} for none. `waits`: seconds for which the server may be silent,
        where it is asked to wait. Raises `Missing`, `Refused` or `Retry`."""
        found = self.answered(method, path, body, query=query, waits=waits)
        if not isinstance(found, dict):
            raise self._strange(path)
        return found

    def answered(
        self, method: str, path: str, body: Any = None, *, query: Query = None, waits: float | None = None
    ) -> Any:
        """The same, whatever JSON it is."""
        seconds = _SECONDS if waits is None else (_SECONDS[0], waits)
        try:
            answer = self._session.request(
                method, self.root + path, params=query, json=body, timeout=seconds, stream=True,
                headers={"Authorization": f"Bearer {self._login()}"}, allow_redirects=False,
            )  # fmt: skip
            with closing(answer):
                content = self._content(answer)
        except requests.RequestException as error:
            raise unanswered(f"{self.root} does not answer", error) from None
        try:
            found = json.loads(content) if content else {}
        except (ValueError, RecursionError):
            found = None
        if not 200 <= answer.status_code < 300:
            raise self._error(answer, path, found)
        if found is None:
            raise self._strange(path)
        return found

    def _login(self) -> str:
        text = (self._secret() or b"").decode("ascii", "replace")
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise Refused(f"write the account's token into the secret file {self._name}")
        return text

    def _strange(self, path: str) -> Retry:
        return Retry(f"{self.root}{path} answered in a form that nobody expects there", after=30)

    def _content(self, answer: requests.Response) -> bytes:
        content = bytearray()
        for piece in answer.iter_content(_PIECE):
            content += piece
            if len(content) > _LARGEST:
                raise Retry(f"{self.root} answered with more than {_LARGEST >> 20} MiB", after=60)
        return bytes(content)

    def _error(self, answer: requests.Response, path: str, told: Any) -> Refused | Retry:
        status, place, words = answer.status_code, f"{self.root}{path}", said(told)
        if status == 429:
            return Retry(f"{self.root} limits how often it is asked", after=wait(answer.headers, told))
        if status >= 500:
            return Retry(f"{place} answered {status}: {words}", after=10)
        if status == 401:
            return Refused(
                f"{self.root} does not know the login (401: {words}); write a valid token into the secret"
                f" file {self._name}"
            )
        kind = Missing if status in {404, 410} else Refused
        return kind(f"{place} answered {status}: {words}")


class _NoLogin(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def wait(headers: Any, told: Any) -> float:
    """Seconds to wait where a limit of rate was met: by `Retry-After`, or as Matrix says it in the answer."""
    text = headers.get("Retry-After", "")
    if text.isascii() and text.isdigit() and len(text) < 9:
        return min(max(float(text), 1.0), _LONGEST_WAIT)
    millis = told.get("retry_after_ms") if isinstance(told, dict) else None
    if isinstance(millis, int) and not isinstance(millis, bool):
        return min(max(millis / 1000, 1.0), _LONGEST_WAIT)
    return 60.0


def said(told: Any) -> str:
    """What an answer says for people, in one short line."""
    found = (told.get("message") or told.get("error")) if isinstance(told, dict) else None
    text = " ".join(str(found or "without a reason").split())
    return "".join(letter for letter in text if letter.isprintable())[:300]
