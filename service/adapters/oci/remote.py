"""One image registry over HTTP: its address, logins and tokens, time limits, what each refusal means.

The OCI distribution API with `requests` and nothing else. A login goes to the registry, or to the
token service that it names, and never into a message or to another host.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import requests

from service.adapters.oci.challenges import Challenge, Login, basic, challenges, login_of
from service.adapters.reach import Elsewhere, Own, Reach
from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.loopback import leads_here
from service.ports.outcomes import Refused, Retry

__all__ = ["Login", "Missing", "Remote", "address", "login_of"]

Body = bytes | BinaryIO

_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_MOST_MOVES = 3
_LONGEST_WAIT = 300.0
_LARGEST_TOKEN = 1 << 20


class Missing(Refused):
    """The registry has nothing of that name."""


class Remote:
    """A registry, asked for one purpose: `actions` is what its tokens shall allow (pull, or pull,push)."""

    def __init__(
        self,
        url: str,
        login: Login | Callable[[], Login | None] | None,
        *,
        actions: str,
        seconds: tuple[float, float],
        store: str,
    ) -> None:
        """`seconds` to connect, and between two pieces of an answer; `store` says where a login belongs.

        A `login` that is asked for may change, as that of a registry whose passwords last for hours.
        Raises `Refused` for what is no address.
        """
        self.url = address(url)
        self._login = login if callable(login) else lambda: login
        self._used: dict[str, Login | None] = {}  # repository to the login that its pass was got with
        self._actions = actions
        self._seconds = seconds
        self._store = store
        self._passes: dict[str, str] = {}  # repository to the header that it accepted
        own = Own()
        self._session, self._elsewhere = _session(own), _session(Elsewhere(own))
        if leads_here(self.url):
            self._session.trust_env = False  # no proxy is between us and this machine

    def ask(
        self,
        method: str,
        where: str,
        repository: str = "",
        *,
        allowed: frozenset[int] | set[int],
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Body] | None = None,
    ) -> requests.Response:
        """The answer, with one of the allowed statuses; the caller closes it.

        `where` is a path of the repository's, such as /tags/list, or a whole URL. `body` is called for
        each attempt. Raises `Missing` for 404, `Refused` or `Retry`.
        """
        if repository and not _REPOSITORY.fullmatch(repository):
            raise Refused(f"{repository!r} is no repository name; write lower-case words with / between them")
        url = where if "://" in where else f"{self.url}/v2/{repository}{where}"
        answer = self._sent(method, url, repository, headers, body)
        if answer.status_code == 403 and self._outdated(repository):
            answer.close()
            del self._passes[repository]
            answer = self._sent(method, url, repository, headers, body)
        if answer.status_code == 401 and 401 not in allowed and self._ours(url):
            answer.close()
            self._authorize(repository, answer.headers.get("WWW-Authenticate", ""))
            answer = self._sent(method, url, repository, headers, body)
        return self._checked(answer, allowed, repository or "its API")

    def content(self, answer: requests.Response, most: int) -> bytes:
        """The answer's body, which may have so many bytes."""
        found = bytearray()
        try:
            with answer:
                for piece in answer.iter_content(1 << 16):
                    found += piece
                    if len(found) > most:
                        raise Refused(f"{self.url} answered with more than {most >> 20} MiB")
        except requests.RequestException as error:
            raise unanswered(f"the registry {self.url} broke off", error) from error
        return bytes(found)

    def _sent(
        self,
        method: str,
        url: str,
        repository: str,
        headers: Mapping[str, str] | None,
        body: Callable[[], Body] | None,
    ) -> requests.Response:
        """The answer at the end of at most a few redirects, as storage services need them for reading."""
        for _ in range(_MOST_MOVES):
            told = dict(headers or {})
            if repository in self._passes and self._ours(url):
                told["Authorization"] = self._passes[repository]  # a storage elsewhere is not told
            answer = self._once(method, url, headers=told, data=body() if body else None)
            elsewhere = urljoin(url, answer.headers.get("Location", ""))
            if method not in {"GET", "HEAD"} or not answer.is_redirect or not _as_safe(elsewhere, url):
                return answer
            answer.close()
            url = elsewhere
        raise Refused(f"{self.url} redirects again and again")

    def _once(self, method: str, url: str, **given: Any) -> requests.Response:
        session = self._session if self._ours(url) else self._elsewhere
        try:
            return session.request(
                method, url, timeout=self._seconds, allow_redirects=False, stream=method != "HEAD", **given
            )
        except requests.RequestException as error:
            raise unanswered(f"the registry {self.url} cannot be reached", error) from error

    def _checked(
        self, answer: requests.Response, allowed: frozenset[int] | set[int], what: str
    ) -> requests.Response:
        status = answer.status_code
        if status in allowed:
            return answer
        said = "" if answer.request.method == "HEAD" else _reason(answer)
        answer.close()
        place = f"{self.url} answered {status} for {what}"
        if status >= 500 or status == 429:
            raise Retry(place, after=_wait(answer.headers.get("Retry-After", "")))
        if status in {401, 403}:
            raise Refused(f"{place}; {self._store}, or give that user the right{said}")
        raise (Missing if status == 404 else Refused)(f"{place}{said}")

    # --- logins ------------------------------------------------------------------------------

    def _ours(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self.url)[:2]

    def _outdated(self, repository: str) -> bool:
        """Whether the login has changed since: some say 403 to one that has run out, and ask for nothing."""
        return repository in self._passes and self._login() != self._used[repository]

    def _authorize(self, repository: str, header: str) -> None:
        """Do what the registry asks for: a login, or a token of the service that it names."""
        login = self._login()
        offered = {one.scheme: one for one in reversed(challenges(header))}
        bearer = offered.get("bearer")
        self._used[repository] = login
        if bearer is not None and _trusted(bearer.facts.get("realm", ""), self.url):
            self._passes[repository] = f"Bearer {self._token(bearer, repository, login)}"
        elif login and "basic" in offered:
            self._passes[repository] = basic(login)
        else:
            raise Refused(f"{self.url} wants a login; {self._store}")

    def _token(self, asked: Challenge, repository: str, login: Login | None) -> str:
        query = {"service": asked.facts.get("service", "")}
        if scope := asked.facts.get("scope") or (repository and f"repository:{repository}:{self._actions}"):
            query["scope"] = scope
        headers = {"Authorization": basic(login)} if login else {}
        answer = self._once("GET", asked.facts["realm"], params=query, headers=headers)
        return _token(self.content(self._checked(answer, {200}, "a token"), _LARGEST_TOKEN), self.url)


def _session(reach: Reach) -> requests.Session:
    session = steady(requests.Session(), reach=reach)
    session.auth = _NoLogin()  # ours is set by hand; a .netrc file is none of our business
    return session


class _NoLogin(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def address(url: str) -> str:
    """The registry's address without a slash at its end. Raises `Refused` for anything else."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password or parts.path.strip("/") or parts.query:
        shown = re.sub(r"[^/]*@", "", url)
        raise Refused(f"{shown!r} is not the address of an image registry; write https://registry.example")
    return url.rstrip("/")


def _trusted(realm: str, registry: str) -> bool:
    """A login goes over HTTPS, or back to the very host that asked."""
    return realm.startswith("https://") or (
        realm.startswith("http://") and urlsplit(realm).hostname == urlsplit(registry).hostname
    )


def _as_safe(elsewhere: str, url: str) -> bool:
    """Whether a redirect may be followed: never from HTTPS to anything else."""
    return elsewhere.startswith("https://") or (elsewhere.startswith("http://") and url.startswith("http://"))


def _token(raw: bytes, registry: str) -> str:
    try:
        found = json.loads(raw)
        token = found.get("token") or found["access_token"]
    except (ValueError, AttributeError, KeyError, RecursionError) as error:
        raise Retry(f"the token service of {registry} answered without a token", after=10) from error
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise Refused(f"the token service of {registry} answered with something else than a token")
    return token


def _reason(answer: requests.Response) -> str:
    """What the registry says beside the status, shortened."""
    text = next(answer.iter_content(400), b"").decode("utf-8", "replace")
    return f": {text}" if text.strip() else ""


def _wait(retry_after: str) -> float:
    """Seconds; a date, which few registries send, counts as half a minute."""
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6:
        return min(_LONGEST_WAIT, max(1.0, float(retry_after)))
    return 30.0 if retry_after else 5.0
