"""An image registry as a source: its tags, the digests that they name, and when images were made.

Speaks the pull half of the OCI distribution API (distribution-spec 1.1); a registry of Docker's older
media types answers the same calls. Images are never fetched, only manifests and configs.
"""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from service.adapters.oci.remote import Login, Missing, Remote, login_of
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SECONDS = (5.0, 30.0)
_LARGEST = 8 << 20  # bytes of one page of tags, one manifest, one config
_PAGE = 1000
_MOST_PAGES = 100
_HUB, _HUB_API = "docker.io", "registry-1.docker.io"  # Docker Hub answers under another name than its own
_REMEMBERED = 4096


class OciRegistry:
    """One registry."""

    def __init__(self, remote: Remote, *, login: bool) -> None:
        self._remote = remote
        self._login = login
        self._created: dict[str, float | None] = {}  # by digest, which pins it for ever

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The registry behind a source; its login is the secret `login-<source>`."""
        remote = remote_of(settings, source, actions="pull", seconds=_SECONDS)
        return cls(remote, login=settings.secret(f"login-{source.name}") is not None)

    def check(self) -> None:
        """Raise unless a registry answers, and knows our login where there is one."""
        check(self._remote, login=self._login)

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags, a page at a time; none where there is no such repository."""
        found: list[str] = []
        where = f"/tags/list?n={_PAGE}"
        for _ in range(_MOST_PAGES):
            try:
                answer = self._remote.ask("GET", where, repository, allowed={200})
            except Missing:
                return ()
            following = answer.links.get("next", {}).get("url")
            found += _tags(self._json(answer), f"{self._remote.url}/{repository}")
            if not following:
                return tuple(found)
            where = urljoin(answer.url, following)
            if urlsplit(where)[:2] != urlsplit(self._remote.url)[:2]:
                raise Refused(
                    f"{self._remote.url} has the rest of its tags elsewhere: {urlsplit(where).netloc}"
                )
        raise Refused(f"{repository} has more than {_MOST_PAGES * _PAGE} tags; remove old ones")

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest that a tag names now; None where it is not there."""
        try:
            answer = self._remote.ask(
                "HEAD", f"/manifests/{reference}", repository, allowed={200}, headers=_ACCEPT
            )
        except Missing:
            return None
        found = answer.headers.get("Docker-Content-Digest", "")
        if not found:  # the specification says that it may be missing
            answer = self._remote.ask(
                "GET", f"/manifests/{reference}", repository, allowed={200}, headers=_ACCEPT
            )
            found = f"sha256:{hashlib.sha256(self._remote.content(answer, _LARGEST)).hexdigest()}"
        if not _DIGEST.fullmatch(found):
            named = f"{repository}:{reference} by {found[:80]!r}"
            raise Refused(f"{self._remote.url} names {named}, which is no sha256 digest")
        return found

    def created(self, repository: str, digest: str) -> float | None:
        """When the image was made; of several platforms, the first one's time."""
        if digest not in self._created:
            if len(self._created) >= _REMEMBERED:
                self._created.clear()
            self._created[digest] = self._asked_created(repository, digest)
        return self._created[digest]

    def _asked_created(self, repository: str, digest: str) -> float | None:
        manifest = self._pinned(repository, "manifests", digest)
        listed = manifest.get("manifests")
        if isinstance(listed, list):
            first = next((one for one in listed if _of_a_platform(one)), None)
            manifest = self._pinned(repository, "manifests", _named(first))
        return _time(self._pinned(repository, "blobs", _named(manifest.get("config"))).get("created"))

    def _pinned(self, repository: str, kind: str, digest: str | None) -> dict[str, Any]:
        """The JSON that a digest names, an empty object for no digest."""
        if digest is None:
            return {}
        answer = self._remote.ask("GET", f"/{kind}/{digest}", repository, allowed={200}, headers=_ACCEPT)
        raw = self._remote.content(answer, _LARGEST)
        if digest != f"sha256:{hashlib.sha256(raw).hexdigest()}":
            raise Retry(f"{self._remote.url} answered with other bytes than {digest[:19]} names", after=10)
        return self._object(raw, repository)

    def _json(self, answer: Any) -> dict[str, Any]:
        place = urlsplit(answer.url).path
        return self._object(self._remote.content(answer, _LARGEST), place)

    def _object(self, raw: bytes, what: str) -> dict[str, Any]:
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Retry(f"{self._remote.url} answered something else than JSON for {what}", after=10)
        return found


def remote_of(settings: Settings, source: Source, *, actions: str, seconds: tuple[float, float]) -> Remote:
    """The registry behind a source, to be asked for `actions`; its login is the secret `login-<source>`."""
    parts = urlsplit(source.url)
    url = f"{parts.scheme}://{_HUB_API}" if parts.netloc == _HUB else source.url

    def login() -> Login | None:
        return login_of(settings.secret(f"login-{source.name}"))

    store = f"write `user:password` into the secret file login-{source.name}"
    return Remote(url, login, actions=actions, seconds=seconds, store=store)


def check(remote: Remote, *, login: bool) -> None:
    """Raise unless a registry answers, and knows our login where there is one."""
    # Without a login a refusal is fine: some answer nobody here, and everybody for public images.
    allowed = {200} if login else {200, 401, 403}
    try:
        remote.ask("GET", "", allowed=allowed).close()
    except Missing as error:
        raise Refused(f"{remote.url}/v2/ is not there; is it an image registry?") from error


def _tags(found: dict[str, Any], place: str) -> list[str]:
    """The list; some registries write null where it is empty."""
    listed = found.get("tags")
    if listed is None and "name" in found:
        return []
    if not isinstance(listed, list) or not all(isinstance(tag, str) for tag in listed):
        raise Retry(f"{place} answered with something else than a list of tags", after=10)
    return listed


def _named(descriptor: Any) -> str | None:
    """The digest that a descriptor names; None where there is no descriptor of the form we know."""
    digest = str(descriptor.get("digest")) if isinstance(descriptor, dict) else ""
    return digest if _DIGEST.fullmatch(digest) else None


def _of_a_platform(entry: Any) -> bool:
    """Whether an index's entry is an image, and not what a builder says about one."""
    platform = entry.get("platform") if isinstance(entry, dict) else None
    return isinstance(entry, dict) and (not isinstance(platform, dict) or platform.get("os") != "unknown")


def _time(text: Any) -> float | None:
    """RFC 3339 as seconds; the beginning of 1970 is what reproducible builds write, and no time."""
    try:
        found = datetime.fromisoformat(text)
        at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return at if at > 0 else None
