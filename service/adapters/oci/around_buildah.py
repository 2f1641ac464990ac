"""What Segue does in a pod before and after Buildah: `python3 -m` this module, a step, a folder.

`prepare` lays out the code that was handed over; `publish` sends the image that Buildah left as an OCI
layout to the registry. In between runs a stranger's code, which could have written to everything that
Buildah can write to: what lies there is read as such, and no login that can push was ever near it.
"""

import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from service import settings as settings_of
from service.adapters.oci import bill
from service.adapters.oci.attaching import Document, attach
from service.adapters.oci.blobs import MANIFEST, Layout, canonical
from service.adapters.oci.build import patiently, where
from service.adapters.oci.build_away import LONGEST, VARIABLE, Order, read_order, trust
from service.adapters.oci.handing import HandedCode
from service.adapters.oci.layers import inside, safe
from service.adapters.oci.push import SECONDS, STORE, send_blob
from service.adapters.oci.remote import Remote, login_of
from service.ports.builds import Recipe
from service.ports.outcomes import PortError, Refused
from service.settings import Settings

CONTEXT, IMAGE, LOGINS, SCRAPS = "context", "image", "bases.json", "scraps"
PINNED = "pinned.json"  # in the home of our own steps
REGISTRIES = ".config/containers/registries.conf.d/segue.conf"
_FROM = re.compile(
    rb"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*([\w.:/-]+@sha256:[0-9a-f]{64})(?=\s|$)", re.IGNORECASE | re.MULTILINE
)
_LARGEST = 4 << 20  # bytes of an index or a manifest
_LINK, _EXECUTABLE = 0o120000, 0o100755
_DIGEST_LENGTH = len("sha256:") + 64

Say = Callable[[str], None]


# --- before ----------------------------------------------------------------------------------


def prepare(order: Order, settings: Settings, work: Path, say: Say) -> None:
    """Lay out what Buildah needs in the folder: the code, logins for bases, registries without TLS.

    Raises `Refused` where the code has no such Dockerfile, `Retry` where the registry is away.
    """
    recipe = order.recipe
    if recipe.code is None or order.code is None or not recipe.dockerfile:
        raise Refused("a Dockerfile is built from code, and the order names none")
    registry, repository = where(settings, recipe)
    login = login_of(settings.secret("login-images"))
    remote = Remote(registry, login, actions="pull", seconds=SECONDS, store=STORE)
    layout = Layout(settings.home)
    layout.prepare()
    code = HandedCode(layout, remote, repository, order.code, recipe.code.folder)
    say("code")
    patiently(lambda: lay_out(code, work / CONTEXT), say)
    dockerfile = work / CONTEXT / recipe.dockerfile
    if not dockerfile.is_file():
        place = f"in folder {recipe.code.folder or '.'!r} at commit {recipe.code.commit[:12]}"
        raise Refused(f"there is no Dockerfile {recipe.dockerfile!r} {place}")
    # Where the build cannot write: it could change the file that it is built from.
    (settings.home / PINNED).write_text(json.dumps(pinned(dockerfile.read_bytes())))
    (work / SCRAPS).mkdir(exist_ok=True)
    (work / LOGINS).write_text(logins(settings.secret(LOGINS)))
    conf = work / REGISTRIES
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text(registries(settings))


def lay_out(code: HandedCode, folder: Path) -> None:
    """Write the files; begun anew after an attempt that broke off."""
    for entry, content in code.archive("", ""):
        path = folder / safe(entry.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if entry.mode == _LINK:
            target = content.decode(errors="surrogateescape")
            if inside(entry.path, target):
                path.symlink_to(target)
            continue
        path.write_bytes(content)
        path.chmod(0o755 if entry.mode == _EXECUTABLE else 0o644)
    folder.mkdir(exist_ok=True)


def logins(secret: bytes | None) -> str:
    """What Buildah is told of registries that bases are pulled from, as `docker login` writes it."""
    if secret is None:
        return '{"auths": {}}'
    try:
        found = json.loads(secret)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(f"the key {LOGINS} of the builder's Secret is not what `docker login` writes")
    return json.dumps(found)


def registries(settings: Settings) -> str:
    """The settings' registries that speak plain HTTP: no other is asked without TLS.
    https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md"""
    found = sorted({urlsplit(url).netloc for url in (settings.images, settings.base) if _plain(url)})
    return "".join(f"[[registry]]\nlocation = {json.dumps(host)}\ninsecure = true\n" for host in found)


def _plain(url: str | None) -> bool:
    return url is not None and url.startswith("http://")


# --- after -----------------------------------------------------------------------------------


def publish(order: Order, settings: Settings, work: Path, say: Say) -> dict[str, Any]:
    """Send the image, tagged with the build's name, and attach how it was made; what `read_result` reads.

    The digest is that of the manifest which Buildah wrote, and the registry checks it again. Raises
    `Refused` or `Retry`.
    """
    image = Left(work / IMAGE)
    digest, body = image.manifest()
    manifest = json.loads(body)
    registry, repository = where(settings, order.recipe)
    login = login_of(settings.secret("login-images"))
    remote = Remote(registry, login, actions="pull,push", seconds=SECONDS, store=STORE)
    say("pushing the image")
    for blob in (manifest["config"], *manifest["layers"]):
        patiently(partial(image.send, remote, repository, str(blob["digest"])), say)
    for reference in (digest, order.recipe.name):
        _put(remote, repository, reference, body, say)
    subject = {"mediaType": MANIFEST, "digest": digest, "size": len(body)}
    bases = json.loads((settings.home / PINNED).read_text())
    document = provenance(order.recipe, digest, f"{urlsplit(registry).netloc}/{repository}", bases)
    attached = []
    try:
        attached.append(patiently(lambda: attach(remote, repository, subject, document), say))
    except Refused as error:  # an older registry; the image is there all the same
        say(f"not attached: {error}")
    say(f"image {digest}")
    return {"digest": digest, "layers": [["dockerfile", "built"]], "documents": attached}


class Left:
    """An OCI layout that somebody left who may mean harm: links are not followed, and no byte counts that
    does not have its digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def manifest(self) -> tuple[str, bytes]:
        """The one image's digest and manifest. Raises `Refused` for anything else."""
        listed = _object(self._small(self._folder / "index.json")).get("manifests")
        digest = str(listed[0].get("digest")) if isinstance(listed, list) and len(listed) == 1 else ""
        body = self._small(self._blob(digest))
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
            raise Refused("the build left a manifest that is not the one it names")
        found = _object(body)
        layers = found.get("layers")
        parts = [found.get("config"), *(layers if isinstance(layers, list) else [None])]
        if found.get("mediaType", MANIFEST) != MANIFEST or not all(map(_named, parts)):
            raise Refused("the build left something else than an image")
        return digest, body

    def send(self, remote: Remote, repository: str, digest: str) -> None:
        """Upload a blob, unless the registry has it. Raises `Refused` where its bytes are others."""
        with self._open(self._blob(digest)) as file:
            hashed = hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
            if digest != f"sha256:{hashed}":
                raise Refused(f"the build left other bytes than {digest[:19]} names")

            def again() -> BinaryIO:
                file.seek(0)
                return file

            send_blob(remote, repository, digest, again)

    def _blob(self, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        if algorithm != "sha256" or len(digest) != _DIGEST_LENGTH or not value.isalnum():
            raise Refused("the build left no image")
        return self._folder / "blobs" / "sha256" / value

    def _small(self, path: Path) -> bytes:
        with self._open(path) as file:
            return file.read(_LARGEST)

    def _open(self, path: Path) -> BinaryIO:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Refused(f"the build left no image: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Refused("the build left something else than files")
        return os.fdopen(descriptor, "rb")


def provenance(recipe: Recipe, digest: str, repository: str, bases: list[str]) -> Document:
    """How the image was made: commit, Dockerfile, and the bases that it names by their digests. Which image
    another name meant, the build alone knows, and it could say anything."""
    builder = f"https://segue.dev/builder@{version('segue')}"
    made = bill.provenance(digest, repository, recipe, bases, builder)
    return Document(bill.IN_TOTO, made, (("in-toto.io/predicate-type", bill.PROVENANCE),))


def pinned(dockerfile: bytes) -> list[str]:
    """The images of its `FROM` lines that are named by digest, each once."""
    found = (match[1].decode() for match in _FROM.finditer(dockerfile))
    return list(dict.fromkeys(found))


def _put(remote: Remote, repository: str, reference: str, body: bytes, say: Say) -> None:
    headers, place = {"Content-Type": MANIFEST}, f"/manifests/{reference}"
    patiently(
        lambda: remote.ask(
            "PUT", place, repository, allowed={201}, headers=headers, body=lambda: body
        ).close(),
        say,
    )


def _named(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("digest"), str)


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused("the build left something else than an image")
    return found


# --- a step ----------------------------------------------------------------------------------


def main(step: str, work: Path, environ: Mapping[str, str]) -> int:
    """Do the step in the folder that all share. Failures of the last one are its result; one before it ends
    the pod, and says why."""
    settings, order = settings_of.read(environ), read_order(environ[VARIABLE])
    result = Path(environ["SEGUE_RESULT"])
    try:
        told = {"prepare": prepare, "publish": publish}[step](order, settings, work, _say)
    except PortError as error:
        _say(f"failed: {error}")
        told = {"failed": str(error)[:LONGEST]}
    if told is not None:
        result.write_bytes(canonical(told))
    return int(step == "prepare" and told is not None)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  standard output is the log


if __name__ == "__main__":
    trust(os.environ)
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), os.environ))
