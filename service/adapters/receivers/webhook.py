"""Webhooks to whoever wants them: one POST for each notice, signed in the Standard Webhooks way (1.0).

Headers `webhook-id` (the same each time one is sent), `webhook-timestamp` (of this try) and
`webhook-signature`: one `v1,<base64 HMAC-SHA256>` for each live secret, so that a secret can be changed
without a gap. Whoever wants a token besides gets the secret file `login-<source>` as `Authorization: Bearer`.
No redirect is followed, and nothing of an answer but its status is looked at.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Self
from urllib.parse import urlsplit

import requests

from handlers import signing
from policies.notices import Notice
from service.adapters.chat.answers import wait
from service.adapters.reach import Chosen
from service.adapters.receivers import payload
from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.loopback import leads_here
from service.machine import installation
from service.ports.connections import Source
from service.ports.outcomes import PortError, Refused, Retry
from service.settings import Settings

_SECONDS = (5, 20)  # to connect; for an answer
_LATER = frozenset({408, 425, 429})  # statuses that say "not now", beside those from 500 on
_MOST_LOGIN = 4096


class Webhook:
    """One receiver. `now` gives Unix seconds."""

    def __init__(self, settings: Settings, source: Source, now: Callable[[], float] = time.time) -> None:
        self._settings, self._source, self._now = settings, source, now
        self._session = steady(requests.Session(), reach=Chosen())
        self._session.auth = _nobody  # a .netrc file is none of our business
        self._session.trust_env = not leads_here(source.url)  # proxies, certificates

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The receiver at that source's address."""
        return cls(settings, source)

    def check(self) -> str:
        return address(self._source.url)

    def tell(self, notice: Notice, _to: str = "") -> None:
        told = payload.document(notice, installation.place(self._settings).web)
        body = json.dumps(told, separators=(",", ":")).encode()
        try:
            with self._session.post(
                self.check(), data=body, headers=self._headers(notice, body), timeout=_SECONDS,
                allow_redirects=False, stream=True,
            ) as answer:  # fmt: skip
                status, asked = answer.status_code, answer.headers
        except requests.RequestException as error:
            raise unanswered(f"{self._source.name} does not answer", error) from None
        if not 200 <= status < 300:
            raise self._refusal(status, asked)

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        file = f"hook-{self._source.name}"
        name, stamp = payload.identity(self._source, notice), f"{self._now():.0f}"
        signed = signing.signed(self._settings.live(file), name, stamp, body)
        if not signed["webhook-signature"]:
            raise Refused(
                f"there is no secret to sign with; write whsec_<base64> into the secret file {file}"
            )
        login = self._login()
        own = {"Content-Type": "application/json", "User-Agent": "segue", "Accept-Encoding": "identity"}
        return own | signed | ({"Authorization": f"Bearer {login}"} if login else {})

    def _login(self) -> str:
        text = (self._settings.secret(f"login-{self._source.name}") or b"").decode("ascii", "replace")
        if len(text) > _MOST_LOGIN or not text.isascii() or not text.isprintable() or " " in text:
            raise Refused(f"the secret file login-{self._source.name} holds no token; write one word into it")
        return text

    def _refusal(self, status: int, headers: Mapping[str, str]) -> PortError:
        said = f"{self._source.name} answered {status}"
        if status in _LATER or status >= 500:
            return Retry(said, after=wait(headers, None) if status in {429, 503} else 10)
        if status < 400:
            return Refused(f"{said}: it leads elsewhere; connect the address that it leads to")
        if status in {401, 403}:
            return Refused(
                f"{said}; let it verify with the secret in secrets/hook-{self._source.name}; a token that it"
                f" wants besides goes into the secret file login-{self._source.name}"
            )
        return Refused(f"{said}, which will not change by itself; mend it there, then try again")


def address(url: str) -> str:
    """A receiver's address, if it is one: stored and shown, it must not hold a secret. Raises `Refused`."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or set(url) & {" ", "\\"}:
        raise Refused("that is no receiver's address; write one such as https://hooks.example/segue")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise Refused(
            "leave out what stands before @, after ? and after #: an address is stored and shown; a receiver"
            " verifies the signature, and a token goes into the secret file login-<name>"
        )
    return url


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
