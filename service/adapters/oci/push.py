"""Pushes an image to a registry: what it has already is not sent again."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from service.adapters.oci.blobs import MANIFEST, Layout
from service.adapters.oci.layout import OpenImage, open_image
from service.adapters.oci.remote import Body, Login, Remote
from service.ports.outcomes import Refused

SECONDS = (10.0, 300.0)
UNSEEN = "MANIFEST_BLOB_UNKNOWN"
# Seconds until a registry sees what it has: of a blob that another push writes at the same time Distribution
# 2.8 may say that it has it, and then that the manifest names it in vain.
SETTLING = (0.2, 1.0, 3.0)
STORE = "write `user:password` into the secret file login-images"


def push(
    home: Path, digest: str, registry: str, repository: str, *, tag: str = "", login: Login | None = None
) -> str:
    """Send the image; returns its reference `host/repository@digest`.

    `registry` is a URL such as https://registry.example. Raises `Refused` where the registry says
    no, `Retry` where it cannot be reached or is busy.
    """
    image, layout = open_image(home, digest), Layout(home)
    remote = Remote(registry, login, actions="pull,push", seconds=SECONDS, store=STORE)
    for settling in (*SETTLING, None):
        try:
            _send(remote, repository, layout, image, tag)
            break
        except Refused as reason:
            if settling is None or UNSEEN not in str(reason):
                raise
            time.sleep(settling)
    return f"{urlsplit(remote.url).netloc}/{repository}@{digest}"


def _send(remote: Remote, repository: str, layout: Layout, image: OpenImage, tag: str) -> None:
    for blob in [image.manifest["config"], *image.manifest["layers"]]:
        send_file(remote, repository, layout.blob(blob["digest"]), blob["digest"])
    content = layout.blob(image.digest).read_bytes()
    for reference in filter(None, (image.digest, tag)):
        headers = {"Content-Type": MANIFEST}
        where = f"/manifests/{reference}"
        remote.ask("PUT", where, repository, allowed={201}, headers=headers, body=lambda: content).close()


def send_file(remote: Remote, repository: str, path: Path, digest: str) -> None:
    """Upload a file as the blob of that digest, unless the registry has it."""
    with path.open("rb") as file:  # a file and no generator: the upload then has a length

        def again() -> BinaryIO:
            file.seek(0)
            return file

        send_blob(remote, repository, digest, again)


def send_blob(remote: Remote, repository: str, digest: str, body: Callable[[], Body]) -> None:
    """Upload a blob, unless the registry has it; it checks the digest."""
    with remote.ask("HEAD", f"/blobs/{digest}", repository, allowed={200, 404}) as known:
        if known.status_code == 200:
            return
    with remote.ask("POST", "/blobs/uploads/", repository, allowed={202}) as begun:
        place = urljoin(begun.url, begun.headers["Location"])
    where = f"{place}{'&' if urlsplit(place).query else '?'}digest={digest}"
    headers = {"Content-Type": "application/octet-stream"}
    remote.ask("PUT", where, repository, allowed={201, 204}, headers=headers, body=body).close()
