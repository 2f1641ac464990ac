"""JSON sent to a server that the operator named, with the login of a secret file.

Redirects are never followed, so the login goes to no other server; an answer's body is not read.
"""

from base64 import b64encode

import requests

from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.loopback import leads_here
from service.ports.outcomes import Refused, Retry

_SECONDS = (5, 20)  # to connect; between two pieces of an answer


class Sender:
    """One server; `file` is the secret file that holds `user:password`, or a token."""

    def __init__(self, address: str, file: str, login: bytes | None) -> None:
        """Raises `Refused` for a login that cannot be a header."""
        self._address, self._file = address.rstrip("/"), file
        self._session = steady(requests.Session())
        self._session.auth = lambda asked: asked  # ours is a header; a .netrc file is none of our business
        self._session.trust_env = not leads_here(address)  # proxies, certificates
        self._session.headers.update({"User-Agent": "segue", "Accept-Encoding": "identity"})
        if login:
            self._session.headers["Authorization"] = _authorization(login, file)

    def send(self, method: str, content: bytes, path: str = "", **headers: str) -> int:
        """The status of the answer: a good one, or one that says nothing about whether it may. Raises `Retry`
        where it cannot be sent now, `Refused` for a login that may not."""
        told = {"Content-Type": "application/json", **headers}
        try:
            with self._session.request(
                method, self._address + path, data=content, headers=told, timeout=_SECONDS,
                allow_redirects=False, stream=True,
            ) as answer:  # fmt: skip
                status = answer.status_code
        except requests.RequestException as error:
            raise unanswered(f"{self._address} does not answer", error, after=30) from None
        if status in {408, 425, 429} or status >= 500:
            raise Retry(f"{self._address} answered {status}", after=30)
        if status in {401, 403}:
            raise Refused(
                f"{self._address} answered {status}; write `user:password` or a token that may write there"
                f" into the secret file {self._file}"
            )
        return status


def _authorization(login: bytes, file: str) -> str:
    if b":" in login:
        return "Basic " + b64encode(login).decode()
    token = login.decode("ascii", "replace")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Refused(f"the secret file {file} holds neither `user:password` nor a token")
    return f"Bearer {token}"
