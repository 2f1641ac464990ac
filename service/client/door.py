"""Requests to the API with somebody's token: sent again only where that changes nothing."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests

from service.client.errors import Refusal, Unreachable
from service.loopback import leads_here

TIMEOUT = (2.0, 10.0)  # seconds until it is connected, and between two bytes of the answer
TRIES = 3
PAUSE_SECONDS = 0.2  # before the second try, twice as long before the third
MOST_SECONDS = 6.0  # that one request waits at most because the answer said when to come again
PIECE = 1 << 16  # bytes of a file that are handed on at once
AWAY = frozenset({502, 503, 504})  # nothing was done, and may be done soon


class _NoLogin(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@dataclass(frozen=True, slots=True)
class Door:
    """Where Segue answers, for one token. Threads may share it."""

    token: str = field(repr=False)

    def get(self, url: str, query: dict[str, str]) -> dict[str, Any]:
        """What that address answers."""
        return self._json(url, self._again("GET", url, params=query))

    def post(self, url: str, key: str | None, **given: Any) -> dict[str, Any]:
        """The same of what is posted. With a key it is one request, however often it is sent."""
        if key is None:
            return self._json(url, self._send("POST", url, **given))
        return self._json(url, self._again("POST", url, headers={"Idempotency-Key": key}, **given))

    def put(self, url: str, **given: Any) -> dict[str, Any]:
        """The same of what is put in the place of what was there: it may be sent again."""
        return self._json(url, self._again("PUT", url, **given))

    def delete(self, url: str, query: dict[str, str]) -> dict[str, Any]:
        """The same of what is taken away: once, as a second time it would not be there."""
        return self._json(url, self._send("DELETE", url, params=query))

    def lines(self, url: str, query: dict[str, str]) -> Iterator[bytes]:
        """What that address answers as a file, a piece at a time. Raises `ClientError` at any of them."""
        with self.open(url, {}, TIMEOUT[1], query) as answer:
            try:
                yield from answer.iter_content(PIECE)
            except requests.RequestException as error:
                raise Unreachable(f"Segue stopped answering at {url}; ask again") from error

    def open(
        self, url: str, headers: dict[str, str], silence: float, query: dict[str, str] | None = None
    ) -> requests.Response:
        """An answer that goes on, which says something every `silence` seconds. To be closed."""
        once = {"Connection": "close"}  # else it stays open for as long as somebody holds what was raised
        timeout = (TIMEOUT[0], silence)
        answer = self._send(
            "GET", url, params=query, headers={**headers, **once}, stream=True, timeout=timeout
        )
        if not answer.ok:
            with answer:
                raise _refusal(url, answer)
        return answer

    def _again(self, method: str, url: str, **given: Any) -> requests.Response:
        """Until it is answered, some times: for what may be sent twice."""
        until = time.monotonic() + MOST_SECONDS
        for turn in range(TRIES):
            pause = PAUSE_SECONDS * 2**turn
            try:
                answer = self._send(method, url, **given)
            except Unreachable:
                if turn == TRIES - 1:
                    raise
            else:
                pause = max(pause, _retry_after(answer) or 0.0)
                if answer.status_code not in AWAY or turn == TRIES - 1 or time.monotonic() + pause > until:
                    return answer
            time.sleep(pause)
        raise AssertionError("the last turn returns or raises")

    def _send(self, method: str, url: str, **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        session = requests.Session()
        session.auth = _NoLogin()  # the token is a header; a .netrc file is none of our business
        session.trust_env = not leads_here(url)  # proxies, certificates
        try:
            return session.request(method, url, **{"timeout": TIMEOUT, **given}, headers=headers)
        except requests.RequestException as error:
            way = "start it with: segue up" if leads_here(url) else "is the address right?"
            raise Unreachable(f"Segue does not answer at {url}; {way}") from error

    def _json(self, url: str, answer: requests.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError as error:
            why = f"{url} answered {answer.status_code} with something else than JSON"
            raise Refusal(why, answer.status_code) from error
        if not answer.ok:
            raise _refusal(url, answer)
        return dict(body)


def _refusal(url: str, answer: requests.Response) -> Refusal:
    """What a problem says (RFC 9457)."""
    if answer.status_code == 401:
        why = "Segue does not know this token; make one for SEGUE_TOKEN with: segue token NAME"
        return Refusal(why, 401)
    why = f"{url} answered {answer.status_code}"
    with suppress(ValueError, AttributeError):
        why = str(answer.json().get("detail", why))
    return Refusal(why, answer.status_code, _retry_after(answer))


def _retry_after(answer: requests.Response) -> float | None:
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() else None
