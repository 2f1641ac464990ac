"""Files behind a web server that takes `PUT`: WebDAV, an artifact store, a bucket's gateway.

Redirects are never followed, so the login goes to no other server. Where the server knows conditions
(RFC 9110), it is asked to write over nothing.
"""

from base64 import b64encode
from typing import Self
from urllib.parse import urlsplit

import requests

from service.adapters.steady import steady
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

LOGIN = "login-archive"  # the secret file: `user:password`, or a token
_SECONDS = (5, 20)  # to connect; between two pieces of an answer
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})
_KEPT = 412  # it is there already


class WebArchive:
    """One address, below which files are put."""

    def __init__(self, address: str, login: bytes | None) -> None:
        """Raises `Refused` for a login that cannot be a header."""
        self._address = address.rstrip("/")
        self._session = steady(requests.Session())
        self._session.auth = lambda asked: asked  # ours is a header; a .netrc file is none of our business
        self._session.trust_env = urlsplit(address).hostname not in _HERE  # proxies, certificates
        self._session.headers.update({"User-Agent": "segue", "Accept-Encoding": "identity"})
        if login:
            self._session.headers["Authorization"] = _authorization(login)

    @classmethod
    def open(cls, settings: Settings, place: str) -> Self:
        """The address, with the login that is in its secret file now."""
        return cls(place, settings.secret(LOGIN))

    def put(self, name: str, content: bytes) -> None:
        headers = {"Content-Type": "application/json", "If-None-Match": "*"}
        try:
            with self._session.put(
                f"{self._address}/{name}", data=content, headers=headers, timeout=_SECONDS,
                allow_redirects=False, stream=True,
            ) as answer:  # fmt: skip
                status = answer.status_code
        except requests.RequestException as error:
            # Nothing of the library's words: they may repeat an address with what stands in it.
            raise Retry(f"{self._address} does not answer: {type(error).__name__}", after=30) from None
        if not (200 <= status < 300 or status == _KEPT):
            raise self._refusal(status)

    def _refusal(self, status: int) -> Refused | Retry:
        if status in {408, 425, 429} or status >= 500:
            return Retry(f"{self._address} answered {status}", after=30)
        if status in {401, 403}:
            return Refused(
                f"{self._address} answered {status}; write `user:password` or a token that may write there"
                f" into the secret file {LOGIN}"
            )
        return Refused(f"{self._address} answered {status} to PUT; it must take files below it")


def _authorization(login: bytes) -> str:
    if b":" in login:
        return "Basic " + b64encode(login).decode()
    token = login.decode("ascii", "replace")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Refused(f"the secret file {LOGIN} holds neither `user:password` nor a token")
    return f"Bearer {token}"
