"""The command line's side of the API: reads, and commands that wait for their reply."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from service.machine import installation
from service.machine.installation import TOKEN, place
from service.settings import Settings

TIMEOUT = (2.0, 10.0)
REPLY_SECONDS = 30.0
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})  # this machine, to which no proxy leads


class Unreachable(Exception):
    """Segue does not answer."""


class Refusal(Exception):
    """Segue says no, and why."""


@dataclass(frozen=True, slots=True)
class Client:
    """One installation's API with a person's token."""

    intake: str
    web: str
    token: str

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """What `/api/v1/<path>` answers. Raises `Unreachable` or `Refusal`."""
        return self._ask("GET", f"{self.web}/api/v1/{path}", params=query)

    def lines(self, path: str, **query: str) -> Iterator[bytes]:
        """What `/api/v1/<path>` answers as a file, a piece at a time. Raises as `get` does, at any piece."""
        once = {"Connection": "close"}  # else it stays open for as long as somebody holds what was raised
        answer = self._answered("GET", f"{self.web}/api/v1/{path}", params=query, headers=once, stream=True)
        with closing(answer):
            if not answer.ok:
                self._read(answer)
            try:
                yield from answer.iter_content(1 << 16)
            except requests.RequestException as error:
                raise Unreachable(f"Segue stopped answering at {self.web}; ask again") from error

    def command(
        self,
        verb: str,
        subject: str | None = None,
        *,
        digest: str | None = None,
        reason: str | None = None,
        **arguments: str,
    ) -> dict[str, Any]:
        """Store a command and wait for its reply: `ok`, `text`, `release`."""
        told = {"verb": verb, "subject": subject, "digest": digest, "reason": reason, "channel": "cli"}
        body = {key: value for key, value in told.items() if value is not None}
        stored = self._ask("POST", f"{self.intake}/api/v1/commands", json={**body, "arguments": arguments})
        until = time.monotonic() + REPLY_SECONDS
        while time.monotonic() < until:
            answer = self.get(f"commands/{stored['delivery']}")["answer"]
            if answer is not None:
                return dict(answer)
            time.sleep(0.05)
        raise Unreachable(
            f"the command is stored as delivery {stored['delivery']}, but nothing obeyed it within"
            f" {REPLY_SECONDS:g} s; see: segue doctor"
        )

    def login_link(self) -> dict[str, Any]:
        """A `link` that opens the page logged in, once, within so many `seconds`."""
        return self._ask("POST", f"{self.web}/api/v1/links")

    def labels(self, batch: bytes) -> dict[str, Any]:
        """Store a batch of true labels; what it was stored as. The same batch sent twice is one."""
        headers = {"Idempotency-Key": hashlib.sha256(batch).hexdigest()}
        return self._ask("POST", f"{self.intake}/api/v1/labels", data=batch, headers=headers)

    def _ask(self, method: str, url: str, **given: Any) -> dict[str, Any]:
        return self._read(self._answered(method, url, **given))

    def _answered(self, method: str, url: str, **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        session = requests.Session()
        session.auth = _NoLogin()  # the token is a header; a .netrc file is none of our business
        session.trust_env = urlsplit(url).hostname not in _HERE  # proxies, certificates
        try:
            return session.request(method, url, headers=headers, timeout=TIMEOUT, **given)
        except requests.RequestException as error:
            way = "start it with: segue up" if urlsplit(url).hostname in _HERE else "is the address right?"
            raise Unreachable(f"Segue does not answer at {url}; {way}") from error

    def _read(self, answer: requests.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError as error:
            raise Refusal(
                f"{answer.url} answered {answer.status_code} with something else than JSON"
            ) from error
        if answer.status_code == 401:
            raise Refusal("Segue does not know this token; make one for SEGUE_TOKEN with: segue token NAME")
        if not answer.ok:
            raise Refusal(str(body.get("detail", f"answered {answer.status_code}")))
        return dict(body)


class _NoLogin(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def client_of(settings: Settings, token: str | None = None) -> Client:
    """The client of the installation at `SEGUE_HOME`, with its operator's token unless one is given.

    With SEGUE_INTAKE_URL, SEGUE_WEB_URL and a token nothing of it need be on this machine.
    """
    where = place(installation.with_ports(settings))
    found = token or (settings.secret(TOKEN) or b"").decode()
    if not found:
        raise Unreachable(f"there is no installation in {settings.home} yet; start one with: segue up")
    return Client(where.intake, where.web, found)
