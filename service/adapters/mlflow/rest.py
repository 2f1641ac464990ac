"""HTTP to one MLflow server: logins, time limits, pages, streams, and what each refusal means.

The REST API is used directly, see docs/decisions/mlflow-over-rest.md. Redirects are never followed,
so a login never reaches another host; neither a login nor a webhook's secret gets into a message.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.loopback import leads_here
from service.ports.outcomes import Refused, Retry

API = "/api/2.0/mlflow"
_SECONDS = (5, 30)  # to connect; between two pieces of an answer
_LARGEST = 32 << 20  # bytes of one JSON answer
_PIECE = 1 << 20
_BESIDE = frozenset({"next_page_token", "root_uri"})  # what stands beside an empty list
_LONGEST_WAIT = 300.0


class Missing(Refused):
    """The server knows nothing of that name."""


class Broken(Retry):
    """The server answered 500: it broke, rather than being busy."""


class Rest:
    """One server, asked in the name of one source."""

    def __init__(self, url: str, source: str, login: bytes | None) -> None:
        """Raises `Refused` for an address or a login that cannot be used."""
        self.url = _address(url)
        self._source = source
        self._session = steady(requests.Session())
        self._session.auth = _NoLogin()  # ours is a header; a .netrc file is none of our business
        self._session.trust_env = not leads_here(self.url)  # proxies, certificates
        self._session.headers["Accept-Encoding"] = "identity"
        if login:
            self._session.headers["Authorization"] = _authorization(login, source)

    def get(self, path: str, part: str = "", **query: str) -> dict[str, Any]:
        """The JSON object at `path` below the API, or a part of it.

        Raises `Missing`, `Refused` or `Retry`.
        """
        found = self._asked("GET", API + path, params=query)
        inner = found.get(part) if part else found
        if not isinstance(inner, dict):
            raise Retry(f"{self.url}{API}{path} answered without {part!r}", after=10)
        return inner

    def send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The same, with a body."""
        return self._asked(method, API + path, json=body)

    def pages(self, path: str, key: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """All objects of a list that comes in pages; `path` begins at the server's root."""
        seen: set[str] = set()
        token = ""
        while True:
            found = self._asked("GET", path, params={**query, "page_token": token} if token else query)
            yield from _objects(found, key, f"{self.url}{path}")
            token = str(found.get("next_page_token") or "")
            if not token:
                return
            if token in seen:
                raise Retry(f"{self.url} repeats a page of {path}", after=30)
            seen.add(token)

    def stream(self, path: str, query: Mapping[str, str]) -> Iterator[bytes]:
        """The bytes at `path` below the root, in pieces of at most 1 MiB."""
        with self._request("GET", path, params=query) as answer:
            yield from self._pieces(answer)

    def _asked(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        with self._request(method, path, **given) as answer:
            found = _object(self._content(answer))
        if found is None:
            raise Retry(
                f"{self.url}{path} answered something else than JSON; is it an MLflow server?", after=10
            )
        return found

    def _request(self, method: str, path: str, **given: Any) -> requests.Response:
        try:
            answer = self._session.request(
                method, self.url + path, timeout=_SECONDS, allow_redirects=False, stream=True, **given
            )
        except requests.RequestException as error:
            raise unanswered(f"{self.url} does not answer", error) from error
        if answer.status_code == 200:
            return answer
        with answer:
            raise self._error(answer, path)

    def _error(self, answer: requests.Response, path: str) -> Refused | Retry:
        """What an answer other than 200 means."""
        status, place = answer.status_code, f"{self.url}{path}"
        if status == 429 or status >= 500:
            kind = Broken if status == 500 else Retry
            return kind(f"{place} answered {status}", after=_wait(answer.headers.get("Retry-After", "")))
        if 300 <= status < 400:
            elsewhere = _host(answer.headers.get("Location", ""))
            return Refused(f"{place} redirects{elsewhere}; connect the address that answers by itself")
        content = self._content(answer)
        told = _object(content)
        reason = str((told or {}).get("message", ""))[:300]
        if b"Invalid Host header" in content:
            host = urlsplit(self.url).netloc
            return Refused(
                f"{self.url} answers nobody who calls it so; give mlflow server --allowed-hosts {host}"
            )
        if status in {401, 403}:
            return Refused(
                f"{self.url} answered {status}; write `user:password` or a token into the secret file"
                f" login-{self._source}, or give that user the permission"
            )
        if status == 404 and (told or {}).get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return Missing(reason)
        if status == 404 and told is None:
            return Refused(f"{place} is not there (404); is {self.url} the address of an MLflow server?")
        return Refused(f"{place} answered {status}: {reason or 'without a reason'}")

    def _content(self, answer: requests.Response) -> bytes:
        content = bytearray()
        for piece in self._pieces(answer):
            content += piece
            if len(content) > _LARGEST:
                raise Retry(f"{self.url} answered with more than {_LARGEST >> 20} MiB", after=60)
        return bytes(content)

    def _pieces(self, answer: requests.Response) -> Iterator[bytes]:
        try:
            yield from answer.iter_content(_PIECE)
        except requests.RequestException as error:
            raise unanswered(f"{self.url} broke off", error) from error


class _NoLogin(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise Refused(
            f"{_without_login(url)!r} is not the address of an MLflow server; write http://host:5000"
        )
    if parts.username or parts.password:
        raise Refused(
            f"leave the login out of {_without_login(url)}; write `user:password` into the secret file"
            " login-<source>"
        )
    return url.rstrip("/")


def _without_login(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else url.rpartition("@")[2]


def _authorization(login: bytes, source: str) -> str:
    """The header for `user:password`, or for a token."""
    if b":" in login:
        return "Basic " + b64encode(login).decode()
    token = login.decode("ascii", "replace")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Refused(
            f"the secret file login-{source} holds neither `user:password` nor a token of ASCII letters"
        )
    return f"Bearer {token}"


def _object(content: bytes) -> dict[str, Any] | None:
    """The JSON object; None where it is something else."""
    try:
        found = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _objects(found: dict[str, Any], key: str, place: str) -> list[dict[str, Any]]:
    """The list under the key. It is left out where it is empty, but then nothing strange is there."""
    listed = found.get(key, [])
    strange = key not in found and found.keys() - _BESIDE
    if strange or not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Retry(f"{place} answered with something else than a list of {key}", after=10)
    return listed


def _host(location: str) -> str:
    host = urlsplit(location).hostname
    return f" to {host}" if host else ""


def _wait(header: str) -> float:
    """Seconds to wait, from a Retry-After header in either form; 5 where it says nothing usable."""
    if header.isascii() and header.isdigit():
        return min(float(header), _LONGEST_WAIT)
    try:
        seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 5.0
    return min(max(seconds, 1.0), _LONGEST_WAIT)
