"""Artifacts in a registry that are no images: documents about an image, as its referrers (OCI 1.1: a
manifest with a `subject`), and blobs that a tag keeps.

A registry that does not list referrers itself gets the index under the fallback tag that the
specification names; who reads asks for it in the same way.
https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-manifests-with-subject
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from service.adapters.oci.blobs import MANIFEST, canonical
from service.adapters.oci.push import send_blob
from service.adapters.oci.remote import Missing, Remote

_INDEX = "application/vnd.oci.image.index.v1+json"
_EMPTY, _NOTHING = "application/vnd.oci.empty.v1+json", b"{}"
_LARGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document about an image; `notes` are annotations of its manifest."""

    kind: str  # its media type, which is the artifact's type
    content: dict[str, Any]
    notes: tuple[tuple[str, str], ...] = ()


def attach(remote: Remote, repository: str, subject: dict[str, Any], document: Document) -> str:
    """Push the document; the digest of its manifest. `subject` is the image's descriptor.

    The same document attached twice is there once. Raises `Refused` or `Retry`.
    """
    content = canonical(document.content)
    for blob in (_NOTHING, content):
        _send(remote, repository, blob)
    body = _manifest(document.kind, descriptor(document.kind, content))
    manifest = canonical({**body, "subject": subject, "annotations": dict(document.notes)})
    digest = digest_of(manifest)
    if not _put(remote, repository, digest, MANIFEST, manifest):
        told = {"artifactType": document.kind, "annotations": dict(document.notes)}
        _list_by_tag(remote, repository, subject["digest"], {**descriptor(MANIFEST, manifest), **told})
    return digest


def keep(remote: Remote, repository: str, tag: str, kind: str, blob: dict[str, Any]) -> None:
    """Have the tag name an artifact of one blob that is there already: what no manifest names, a registry
    cleans away. Raises `Refused` or `Retry`."""
    _send(remote, repository, _NOTHING)
    _put(remote, repository, tag, MANIFEST, canonical(_manifest(kind, blob)))


def _manifest(kind: str, blob: dict[str, Any]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": descriptor(_EMPTY, _NOTHING),
        "layers": [blob],
    }


def _list_by_tag(remote: Remote, repository: str, image: str, entry: dict[str, Any]) -> None:
    """Two builds of one image at once may each miss the other's entry; both then list the same documents."""
    tag = image.replace(":", "-")
    known = _listed(remote, repository, tag)
    if entry["digest"] in {one.get("digest") for one in known}:
        return
    index = canonical({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [*known, entry]})
    _put(remote, repository, tag, _INDEX, index)


def _listed(remote: Remote, repository: str, tag: str) -> list[dict[str, Any]]:
    try:
        answer = remote.ask("GET", f"/manifests/{tag}", repository, allowed={200}, headers={"Accept": _INDEX})
    except Missing:
        return []
    try:
        found = json.loads(remote.content(answer, _LARGEST))
    except ValueError:
        return []
    listed = found.get("manifests") if isinstance(found, dict) else None
    return listed if isinstance(listed, list) else []


def _send(remote: Remote, repository: str, content: bytes) -> None:
    send_blob(remote, repository, digest_of(content), lambda: content)


def _put(remote: Remote, repository: str, reference: str, kind: str, content: bytes) -> bool:
    """Whether the registry lists the manifest at its subject by itself."""
    where, headers = f"/manifests/{reference}", {"Content-Type": kind}
    with remote.ask("PUT", where, repository, allowed={201}, headers=headers, body=lambda: content) as answer:
        return "OCI-Subject" in answer.headers


def descriptor(kind: str, content: bytes) -> dict[str, Any]:
    """What a manifest calls this content."""
    return {"mediaType": kind, "digest": digest_of(content), "size": len(content)}


def digest_of(content: bytes) -> str:
    """The name of a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
