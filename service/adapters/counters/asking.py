"""HTTP to one metric source: its login, its time limit, and what each refusal means.

Redirects are never followed and no proxy is used, so a login and a question go where the operator said and
nowhere else. An observer waits for each answer, so a whole one has only seconds.
"""

import time
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from service.adapters.reach import Own
from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

SECONDS = 3.0  # for a whole answer
LONGEST = 32 << 20  # bytes of an answer
_PIECE = 1 << 16


class Asking:
    """One source, asked with its login: the secret file `login-NAME` (`user:password`, or a token)."""

    def __init__(self, url: str, name: str, login: bytes | None = None) -> None:
        """Raises `Refused` for an address or a login that cannot be used."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refused(f"{url!r} is not an address of a metric source; write http://host:port/…")
        if parts.username or parts.password:
            raise Refused(f"leave the login out of the address; write it into the secret file login-{name}")
        self.url = url.rstrip("/")
        self.name = name
        self._session = steady(requests.Session(), SECONDS, Own())
        self._session.trust_env = False
        self._session.headers["Accept-Encoding"] = "identity"
        if login:
            self._session.headers["Authorization"] = _authorization(login, name)

    @classmethod
    def of(cls, settings: Settings, source: Source) -> "Asking":
        return cls(source.url, source.name, settings.secret(f"login-{source.keyring}"))

    def get(self, path: str = "", params: Mapping[str, str] | None = None) -> bytes:
        """The body of a 200. Raises `Retry` where there is no answer in time, `Refused` for a no."""
        deadline = time.monotonic() + SECONDS
        try:
            with self._session.get(
                self.url + path, params=params, timeout=SECONDS, stream=True, allow_redirects=False
            ) as answer:
                body = bytearray()
                for piece in answer.iter_content(_PIECE):
                    body += piece
                    if len(body) > LONGEST or time.monotonic() > deadline:
                        raise Retry(f"the answer of {self.name} has no end", after=5)
        except (requests.RequestException, OSError) as error:
            raise unanswered(f"{self.name} does not answer", error) from error
        if answer.status_code != 200:
            raise self._refusal(answer.status_code, bytes(body))
        return bytes(body)

    def _refusal(self, status: int, body: bytes) -> Refused | Retry:
        if status == 429 or status >= 500:
            return Retry(f"{self.name} answered {status}", after=5)
        if status in {401, 403}:
            return Refused(
                f"{self.name} answered {status}; write `user:password` or a token into the secret file"
                f" login-{self.name}"
            )
        said = body[:200].decode("utf-8", "replace").strip()
        return Refused(f"{self.name} answered {status}: {said or 'without a reason'}")


def _authorization(login: bytes, name: str) -> str:
    if b":" in login:
        return "Basic " + b64encode(login).decode()
    token = login.decode("ascii", "replace")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Refused(f"the secret file login-{name} holds neither `user:password` nor a token")
    return f"Bearer {token}"
