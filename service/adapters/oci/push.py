"""Pushes an image to a registry: what it has already is not sent again.

Speaks the OCI distribution API with `requests` and nothing else. A login is given by the caller; it
goes to the registry, or to the token service that the registry names, and never into a message.
"""

import re
from base64 import b64encode
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests

from service.adapters.oci.blobs import MANIFEST, Layout
from service.adapters.oci.layout import open_image
from service.ports import Refused, Retry

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_SECONDS = (10, 300)

Login = tuple[str, str]


def push(
    home: Path, digest: str, registry: str, repository: str, *, tag: str = "", login: Login | None = None
) -> str:
    """Send the image; returns its reference `host/repository@digest`.

    `registry` is a URL such as https://registry.example. Raises `Refused` where the registry says
    no, `Retry` where it cannot be reached or is busy.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise Refused(f"{repository!r} is no repository name; write lower-case words with / between them")
    image, layout = open_image(home, digest), Layout(home)
    try:
        with requests.Session() as session:
            remote = _Remote(session, registry.rstrip("/"), repository, login)
            for blob in [image.manifest["config"], *image.manifest["layers"]]:
                remote.send_blob(layout.blob(blob["digest"]), blob["digest"])
            content = layout.blob(digest).read_bytes()
            for reference in filter(None, (digest, tag)):
                remote.send_manifest(reference, content)
    except requests.RequestException as error:
        raise Retry(f"the registry {registry} cannot be reached: {type(error).__name__}", after=5) from error
    return f"{urlsplit(registry).netloc}/{repository}@{digest}"


class _Remote:
    """One repository of a registry, with the token that it asked for."""

    def __init__(
        self, session: requests.Session, registry: str, repository: str, login: Login | None
    ) -> None:
        self._session = session
        self._registry = registry
        self._repository = repository
        self._login = login
        self._headers: dict[str, str] = {}
        session.auth = _NoLogin()  # ours is set by hand; a .netrc file is none of our business

    def send_blob(self, path: Path, digest: str) -> None:
        """Upload a blob, unless the registry has it."""
        if self._ask("HEAD", f"/blobs/{digest}", allowed={200, 404}).status_code == 200:
            return
        begun = self._ask("POST", "/blobs/uploads/", allowed={202})
        place = urljoin(begun.url, begun.headers["Location"])
        if urlsplit(place).netloc != urlsplit(self._registry).netloc:
            self._headers.pop("Authorization", None)  # a storage service elsewhere is not told our token
        mark = "&" if urlsplit(place).query else "?"
        headers = {"Content-Type": "application/octet-stream"}
        self._ask("PUT", f"{place}{mark}digest={digest}", allowed={201, 204}, path=path, headers=headers)

    def send_manifest(self, reference: str, content: bytes) -> None:
        """Write the manifest under a digest or tag."""
        headers = {"Content-Type": MANIFEST}
        self._ask("PUT", f"/manifests/{reference}", allowed={201}, headers=headers, data=content)

    def _ask(
        self,
        method: str,
        where: str,
        *,
        allowed: set[int],
        path: Path | None = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> requests.Response:
        url = where if "://" in where else f"{self._registry}/v2/{self._repository}{where}"
        for attempt in range(2):
            with _opened(path) as file:
                answer = self._session.request(
                    method,
                    url,
                    headers={**self._headers, **(headers or {})},
                    data=file or data,
                    timeout=_SECONDS,
                    allow_redirects=method == "HEAD",
                )
            if answer.status_code != 401 or attempt:
                break
            self._authorize(answer.headers.get("WWW-Authenticate", ""))
        return self._checked(answer, allowed)

    def _checked(self, answer: requests.Response, allowed: set[int]) -> requests.Response:
        if answer.status_code in allowed:
            return answer
        place = f"{self._registry} answered {answer.status_code} for {self._repository}"
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Retry(place, after=5)
        raise Refused(f"{place}: {answer.text[:200]}")

    def _authorize(self, challenge: str) -> None:
        scheme = challenge.partition(" ")[0].lower()
        if scheme == "basic" and self._login:
            self._headers["Authorization"] = "Basic " + b64encode(":".join(self._login).encode()).decode()
            return
        facts = dict(_CHALLENGE.findall(challenge))
        if scheme != "bearer" or not _trusted(facts.get("realm", ""), self._registry):
            raise Refused(f"{self._registry} wants a login; store one for this source")
        scope = facts.get("scope") or f"repository:{self._repository}:pull,push"
        query = {"service": facts.get("service", ""), "scope": scope}
        answer = self._session.get(facts["realm"], params=query, auth=self._login, timeout=_SECONDS)
        found: dict[str, Any] = self._checked(answer, {200}).json()
        self._headers["Authorization"] = f"Bearer {found.get('token') or found.get('access_token')}"


class _NoLogin(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _trusted(realm: str, registry: str) -> bool:
    """A login goes over HTTPS, or back to the very host that asked."""
    return realm.startswith("https://") or urlsplit(realm).hostname == urlsplit(registry).hostname


def _opened(path: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    """The file itself: from it, unlike from its chunks, `requests` sends the length and nothing else.

    A length together with `Transfer-Encoding: chunked` lets a registry wait for chunks for ever.
    """
    return path.open("rb") if path else nullcontext()
