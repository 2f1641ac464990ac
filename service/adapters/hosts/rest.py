"""A host's REST API over HTTP: one server, its login, its pages, its limits, and what a refusal means.

Redirects are never followed and links of pages never gone to, so a login reaches no other server.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.loopback import leads_here
from service.ports.outcomes import Refused, Retry

_SECONDS = (5, 20)  # to connect; between two pieces of an answer
_LARGEST = 16 << 20  # bytes of one answer
_PAGES = 100  # of one list
_PIECE = 1 << 16
_LONGEST_WAIT = 3_600.0
_SECONDARY_WAIT = 60.0  # what GitHub asks for where a secondary limit says nothing: at least a minute
_NEXT = re.compile(r'<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel="next"')
_UNPERMITTED = b"AuthorisationException"  # Bitbucket Data Center's 401 to a login that it knows
_TOO_COSTLY = 555  # Bitbucket Cloud's


class Missing(Refused):
    """The host knows nothing there, or hides it from this login."""


class Forbidden(Refused):
    """The host knows the login, which may not do that."""


class Moved(Refused):
    """What lies there has another address by now."""


class Outdated(Refused):
    """What lies there was changed since it was read."""


class TooLong(Refused):
    """A list that has more pages than are read."""


class Costly(Retry):
    """An answer that takes the host longer than it allows itself: what is asked for must be less."""


class Rest:
    """One server. `login` is asked for the value of the header `Authorization` before each request."""

    def __init__(self, root: str, source: str, login: Callable[[], str], **headers: str) -> None:
        """`root` is where all paths begin, such as https://git.example/api/v1."""
        self.root = root
        self._source = source
        self._login = login
        self._session = steady(requests.Session())
        self._session.auth = _NoLogin()  # ours is a header; a .netrc file is none of our business
        self._session.trust_env = not leads_here(root)  # proxies, certificates
        self._session.headers.update({"Accept-Encoding": "identity", "User-Agent": "segue", **headers})

    def around(self) -> tuple[str, str]:
        """The proxy on the way to the server, and the file of certificates that check it; "" for none."""
        if not self._session.trust_env:
            return "", ""
        found = self._session.merge_environment_settings(self.root, {}, None, None, None)
        verify = found["verify"]
        proxy = found["proxies"].get(urlsplit(self.root).scheme) or ""
        return proxy, verify if isinstance(verify, str) else ""

    def get(self, path: str, login: str | None = None, **query: str) -> dict[str, Any]:
        """The JSON object at the path. `login` in place of the usual one. Raises `Missing`, `Refused` or
        `Retry`."""
        found = self._answered("GET", path, login, params=query)[0]
        if not isinstance(found, dict):
            raise self._strange(path)
        return found

    def all(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The objects of a list that comes at once."""
        found = self._answered("GET", path, params=query)[0]
        if not isinstance(found, list):
            raise self._strange(path)
        return [one for one in found if isinstance(one, dict)]

    def send(self, method: str, path: str, body: Any = None, login: str | None = None) -> Any:
        """The JSON answer to a body; None where there is none. `login` in place of the usual one."""
        return self._answered(method, path, json=body, login=login)[0]

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """The objects of a list that comes in pages, by their numbers. Raises as `get` does."""
        for page in range(1, _PAGES + 1):
            found, links = self._answered("GET", path, params={**query, "page": str(page)})
            if not isinstance(found, list):
                raise self._strange(path)
            yield from (one for one in found if isinstance(one, dict))
            if not found or 'rel="next"' not in links:
                return
        raise TooLong(f"{self.root}{path} has more than {_PAGES} pages")

    def following(
        self, path: str, most: int, login: str | None = None, **query: str
    ) -> Iterator[dict[str, Any]]:
        """The objects of a list whose pages name the next one by a `cursor`; of at most so many pages."""
        for _ in range(most):
            found, links = self._answered("GET", path, login, params=query)
            if not isinstance(found, list):
                raise self._strange(path)
            yield from (one for one in found if isinstance(one, dict))
            following = _NEXT.search(links)
            if not found or following is None:
                return
            query["cursor"] = unquote(following[1])

    def listed(self, key: str, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """The same where a page is an object that holds them under a key, and the last one none."""
        for page in range(1, _PAGES + 1):
            found = self.get(path, **query, page=str(page)).get(key)
            if not isinstance(found, list):
                raise self._strange(path)
            yield from (one for one in found if isinstance(one, dict))
            if not found:
                return
        raise TooLong(f"{self.root}{path} has more than {_PAGES} pages")

    def values(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """The same where the object says whether another page follows, as Bitbucket's does."""
        for page in range(1, _PAGES + 1):
            found = self.get(path, **query, page=str(page))
            listed = found.get("values")
            if not isinstance(listed, list):
                raise self._strange(path)
            yield from (one for one in listed if isinstance(one, dict))
            if not listed or not found.get("next"):
                return
        raise TooLong(f"{self.root}{path} has more than {_PAGES} pages")

    def starting(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """The same where the object says at which place the next page starts, as a Data Center's does."""
        start = 0
        for _ in range(_PAGES):
            found = self.get(path, **query, start=str(start))
            listed, following = found.get("values"), found.get("nextPageStart")
            if not isinstance(listed, list):
                raise self._strange(path)
            yield from (one for one in listed if isinstance(one, dict))
            if found.get("isLastPage") is not False or not isinstance(following, int) or following <= start:
                return
            start = following
        raise TooLong(f"{self.root}{path} has more than {_PAGES} pages")

    def _answered(self, method: str, path: str, login: str | None = None, **given: Any) -> tuple[Any, str]:
        value = self._login() if login is None else login
        headers = {"Authorization": value} if value else {}
        try:
            answer = self._session.request(
                method, self.root + path, headers=headers, timeout=_SECONDS, allow_redirects=False,
                stream=True, **given,
            )  # fmt: skip
            with closing(answer):
                content = self._content(answer)
        except requests.RequestException as error:
            raise unanswered(f"{self.root} does not answer", error) from None
        if not 200 <= answer.status_code < 300:
            raise self._error(answer, path, content)
        try:
            return (json.loads(content) if content else None), answer.headers.get("Link", "")
        except (ValueError, RecursionError):
            raise self._strange(path) from None

    def _strange(self, path: str) -> Retry:
        return Retry(f"{self.root}{path} answered in a form that nobody expects there", after=30)

    def _content(self, answer: requests.Response) -> bytes:
        content = bytearray()
        for piece in answer.iter_content(_PIECE):
            content += piece
            if len(content) > _LARGEST:
                raise Retry(f"{self.root} answered with more than {_LARGEST >> 20} MiB", after=60)
        return bytes(content)

    def _error(self, answer: requests.Response, path: str, content: bytes) -> Refused | Retry:
        """What an answer means that is no success."""
        status, place, said = answer.status_code, f"{self.root}{path}", _said(content)
        wait = limited(status, answer.headers, said, time.time())
        if wait is not None:
            return Retry(f"{self.root} limits how often it is asked ({status}: {said})", after=wait)
        if status >= 500:
            later = Costly if status == _TOO_COSTLY else Retry
            return later(f"{place} answered {status}: {said}", after=10)
        if 300 <= status < 400:
            return Moved(
                f"{place} answered {status}: it moved; connect the repository at its present address"
            )
        if status == 403 or (status == 401 and _UNPERMITTED in content):
            return Forbidden(
                f"the login of {self._source} may not do that ({place} answered {status}: {said})"
            )
        if status == 401:
            return Refused(
                f"{self.root} does not know the login (401: {said}); write a valid token into the secret file"
                f" login-{self._source}"
            )
        if status in {404, 410}:
            return Missing(
                f"{place} answered {status}: it is gone, or hidden from the login of {self._source}"
            )
        kind = Outdated if status == 409 else Refused
        return kind(f"{place} answered {status}: {said}")


class _NoLogin(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def limited(status: int, headers: Any, said: str, now: float) -> float | None:
    """Seconds to wait where a limit of rate was met; None where this is another refusal.

    GitHub answers 403 or 429: with `Retry-After`, or with `X-RateLimit-Remaining: 0` and the moment at
    which it ends, or, of its secondary limits, with no more than words. GitLab answers 429 with
    `Retry-After`. Sources: docs.github.com "Rate limits for the REST API", docs.gitlab.com "Rate limits".
    """
    if status not in {403, 429} and not (status == 503 and "Retry-After" in headers):
        return None
    after = headers.get("Retry-After", "")
    if after.isascii() and after.isdigit() and len(after) < 9:
        return min(max(float(after), 1.0), _LONGEST_WAIT)
    reset = headers.get("X-RateLimit-Reset", "")
    if (
        headers.get("X-RateLimit-Remaining") == "0"
        and reset.isascii()
        and reset.isdigit()
        and len(reset) < 12
    ):
        return min(max(float(reset) - now, 1.0), _LONGEST_WAIT)
    if status != 403 or "secondary rate limit" in said.lower() or "abuse" in said.lower():
        return _SECONDARY_WAIT
    return None


def _said(content: bytes) -> str:
    """What the answer says for people, in one short line."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return "without a reason"
    found = (told.get("message") or told.get("error")) if isinstance(told, dict) else None
    if isinstance(told, dict) and isinstance(told.get("errors"), list):  # Bitbucket Data Center's
        found = found or next(iter(told["errors"]), None)
    if isinstance(found, dict):  # Bitbucket's, both
        found = found.get("message")
    text = " ".join(str(found or "without a reason").split())
    return "".join(letter for letter in text if letter.isprintable())[:300]
