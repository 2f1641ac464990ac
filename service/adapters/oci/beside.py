"""Layers under a tag beside an image, as signers keep them, and bytes that a digest pins: none verified."""

import base64
import binascii
import json
import re
from typing import Any

from service.adapters.oci.attaching import descriptor, digest_of
from service.adapters.oci.blobs import MANIFEST, canonical
from service.adapters.oci.push import send_blob
from service.adapters.oci.remote import Missing, Remote
from service.ports.outcomes import Refused, Retry

MOST = 20  # signatures of each form that are looked at; what is beside an image, many may write
LARGEST = 1 << 20
_CONFIG = "application/vnd.oci.image.config.v1+json"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NEVER = "0001-01-01T00:00:00Z"  # as signers write who give no time


class Beside:
    """What lies beside the images of one registry: two doors, since who may only read shall not be asked
    for more."""

    def __init__(self, remote: Remote, writable: Remote) -> None:
        self._remote = remote
        self._writable = writable

    def tagged(self, repository: str, tag: str) -> list[dict[str, Any]]:
        """The layers of the manifest under the tag; none where there is no such tag."""
        headers = {"Accept": MANIFEST}
        try:
            answer = self._remote.ask("GET", f"/manifests/{tag}", repository, allowed={200}, headers=headers)
        except Missing:
            return []
        return layers(an_object(self._remote.content(answer, LARGEST)))

    def add(self, repository: str, tag: str, layer: dict[str, Any], content: bytes) -> None:
        """Put the layer behind those that are there. Of two at once one may be lost: each looks again."""
        for _ in range(3):
            known = self.tagged(repository, tag)
            if layer in known:
                return
            self._send(repository, content)
            self._put(repository, tag, [*known, layer])
        raise Retry(f"somebody else writes {repository}:{tag[:19]}", after=5)

    def pinned(self, repository: str, kind: str, digest: Any, largest: int = LARGEST) -> bytes | None:
        """The bytes that a digest names; None where they are not there, or too many to be a signature.

        Raises `Retry` for other bytes than those.
        """
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            return None
        headers = {"Accept": f"{MANIFEST}, */*"}
        try:
            answer = self._remote.ask("GET", f"/{kind}/{digest}", repository, allowed={200}, headers=headers)
        except Missing:
            return None
        if _size(answer.headers.get("Content-Length", "")) > largest:
            answer.close()
            return None
        content = self._remote.content(answer, largest)
        if digest != digest_of(content):
            raise Retry(f"{self._remote.url} answered with other bytes than {digest[:19]} names", after=10)
        return content

    def _put(self, repository: str, tag: str, listed: list[dict[str, Any]]) -> None:
        rootfs = {"type": "layers", "diff_ids": [layer.get("digest") for layer in listed]}
        config = canonical({"architecture": "", "os": "", "created": _NEVER, "config": {}, "rootfs": rootfs})
        self._send(repository, config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(_CONFIG, config),
            "layers": listed,
        }
        where, headers, body = f"/manifests/{tag}", {"Content-Type": MANIFEST}, canonical(manifest)
        answer = self._writable.ask(
            "PUT", where, repository, allowed={201}, headers=headers, body=lambda: body
        )
        answer.close()

    def _send(self, repository: str, content: bytes) -> None:
        send_blob(self._writable, repository, digest_of(content), lambda: content)


def tag_of(digest: str, end: str) -> str:
    """The tag that signers keep what is about an image under. Raises `Refused` for what is no digest."""
    if not _DIGEST.fullmatch(digest):
        raise Refused(f"{digest[:80]!r} is no sha256 digest")
    return f"{digest.replace(':', '-')}.{end}"


def layers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers that a manifest names."""
    listed = manifest.get("layers")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def an_object(raw: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else, which signs nothing."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def decoded(text: Any) -> bytes:
    """Base64; empty for anything else, which is nobody's signature."""
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _size(text: str) -> int:
    """What a header says; 0 where it does not say it, and who reads then counts."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
