"""One build in a process of its own: `python -m service.adapters.oci.build <folder>`.

Reads `recipe.json` of its folder, writes `progress` and at the end `result.json`, each whole. What
it prints goes to the folder's log. It holds the folder's lock, handed down open, as long as it lives.
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from service import settings as settings_of
from service import sources
from service.adapters.oci import bases, bill
from service.adapters.oci.assembling import assemble, pins_of
from service.adapters.oci.attaching import Document, attach
from service.adapters.oci.blobs import MANIFEST, Layout, canonical, write_whole
from service.adapters.oci.bytecode import warm
from service.adapters.oci.interpreter import host_interpreter
from service.adapters.oci.push import SECONDS, STORE, push
from service.adapters.oci.remote import Remote, login_of
from service.adapters.oci.secluding import seclude
from service.adapters.oci.workshop import Workshop
from service.adapters.unanswered import Unvouched
from service.ports.builds import CodeReference, Image, ModelReference, Recipe
from service.ports.outcomes import PortError, Refused, Retry
from service.settings import Settings

T = TypeVar("T")
_LOG_BYTES = 256 << 10
_WEIGHTS = ".weights"  # after the build's name: the tag of the image of its weights
_PATIENCE = 180.0  # seconds for which a source may be away


def main(folder: Path, settings: Settings) -> None:
    """Build what the folder's recipe says, and leave the result there."""
    log = Log(folder)
    log(seclude(settings.home / "secrets", lambda name: name.startswith("login-")))
    recipe = read_recipe((folder / "recipe.json").read_bytes())
    result = build(folder, settings, recipe, opener(settings), log)
    write_whole(folder / "result.json", canonical(result))
    if "digest" in result:
        _warm(settings, result["digest"], log)


def build(
    folder: Path, settings: Settings, recipe: Recipe, open_source: Callable[[str], Any], log: "Log"
) -> dict[str, Any]:
    """Build and, where there is a registry for images, push. What `read_result` reads, however it ended."""
    work = Path(tempfile.mkdtemp(dir=folder, prefix="work-"))
    result: dict[str, Any]
    try:
        shop = patiently(lambda: _workshop(settings, work, log), log)
        with place_to_work(shop.layout, log):
            image = patiently(lambda: assemble(shop, recipe, open_source), log)
        if settings.images is not None:
            image = patiently(partial(publish, settings, recipe, image, log), log)
        result = write_result(image)
    except PortError as error:
        result = {"failed": str(error)}
    except Exception as error:  # noqa: BLE001  whatever it was, it belongs into the result
        log(traceback.format_exc())
        result = {"failed": f"the build broke: {type(error).__name__}: {error}"}
    finally:
        shutil.rmtree(work, ignore_errors=True)
    log(f"failed: {result['failed']}" if "failed" in result else f"image {result['digest']}")
    return result


def _workshop(settings: Settings, work: Path, log: "Log") -> Workshop:
    """What the build works with; the base image is here once it has one."""
    layout, interpreter = Layout(settings.home), host_interpreter()
    layout.prepare()
    if settings.base is None:
        return Workshop(layout, interpreter, work, log)
    log("base image")
    login = login_of(settings.secret("login-images"))
    return Workshop(layout, interpreter, work, log, bases.fetch(layout, settings.base, interpreter, login))


def patiently(work: Callable[[], T], log: Callable[[str], None]) -> T:
    """Its result; a source or registry that asks to come back later is asked again for a while.

    Not one whose certificate nobody vouches for: which authorities count, a process is told when it starts.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return work()
        except Unvouched:
            raise
        except Retry as error:
            if time.monotonic() + error.after > until:
                raise
            log(f"waiting {error.after:g} s: {error}")
            time.sleep(error.after)


def publish(settings: Settings, recipe: Recipe, image: Image, log: Callable[[str], None]) -> Image:
    """Send the image to the registry that the settings name, tagged with the build's name, and attach
    what it is made of and how; the image of its weights first. The image with those documents.

    The login is the secret file `login-images`, as `user:password`. Raises `Refused` or `Retry`.
    """
    registry, repository = where(settings, recipe)
    login = login_of(settings.secret("login-images"))
    if image.weights is not None:
        log("pushing the model files")
        weights = f"{recipe.name}{_WEIGHTS}"
        log(f"pushed {push(settings.home, image.weights, registry, repository, tag=weights, login=login)}")
    log("pushing the image")
    digest = image.digest
    sent = push(settings.home, digest, registry, repository, tag=recipe.name, login=login)
    log(f"pushed {sent}")
    remote = Remote(registry, login, actions="pull,push", seconds=SECONDS, store=STORE)
    layout = Layout(settings.home)
    subject = {"mediaType": MANIFEST, "digest": digest, "size": layout.blob(digest).stat().st_size}
    attached = []
    for document in documents(settings, layout, recipe, sent):
        try:
            attached.append(attach(remote, repository, subject, document))
        except Refused as error:  # an older registry; the image is there all the same
            log(f"not attached: {error}")
    return replace(image, documents=tuple(attached))


def where(settings: Settings, recipe: Recipe) -> tuple[str, str]:
    """The registry's address, and the repository there that the image is pushed to."""
    parts = urlsplit(settings.images or "")
    model = dict(recipe.labels).get("segue.model", "model")
    return f"{parts.scheme}://{parts.netloc}", "/".join(filter(None, (parts.path.strip("/"), model)))


def documents(settings: Settings, layout: Layout, recipe: Recipe, reference: str) -> tuple[Document, ...]:
    """What is said about the image `host/repository@digest`: its packages, and how it was made."""
    name, _, digest = reference.partition("@")
    base = settings.base.partition("://")[2] if settings.base else None
    builder = f"https://segue.dev/builder@{version('segue')}"
    made = bill.provenance(digest, name, recipe, [base] if base else [], builder)
    return (
        Document(bill.CYCLONEDX, bill.packages(digest, pins_of(layout, digest), base)),
        Document(bill.IN_TOTO, made, (("in-toto.io/predicate-type", bill.PROVENANCE),)),
    )


@contextmanager
def place_to_work(layout: Layout, log: Callable[[str], None]) -> Iterator[None]:
    """One of as many places as there are processors; a burst of commits waits here."""
    layout.prepare()
    places = [layout.root / "locks" / f"place-{number}" for number in range(max(2, os.cpu_count() or 2))]
    waiting = False
    while True:
        for path in places:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            try:
                yield
            finally:
                os.close(descriptor)
            return
        if not waiting:
            log("waiting for other builds")
        waiting = True
        time.sleep(0.05)


def _warm(settings: Settings, digest: str, log: "Log") -> None:
    """Whoever waits has the result by now; this only makes what is started from it start faster."""
    try:
        warm(settings.home, digest)
    except PortError as error:
        log(f"not unpacked ahead of time: {error}")


class Log:
    """What a build says: shown as progress while it runs, and kept, up to a limit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = _LOG_BYTES

    def __call__(self, text: str) -> None:
        if not text or self._left <= 0:
            return
        print(text[: self._left], flush=True)  # noqa: T201  standard output is the log file
        self._left -= len(text)
        first = text.partition("\n")[0][:200]
        (self._folder / "progress.new").write_text(first)
        (self._folder / "progress.new").replace(self._folder / "progress")


def write_recipe(recipe: Recipe) -> bytes:
    """A recipe as JSON."""
    code, model = recipe.code, recipe.model
    return canonical(
        {
            "name": recipe.name,
            "code": [code.source, code.commit, code.folder] if code else None,
            "model": [model.source, model.name, model.version] if model else None,
            "lock": recipe.lock,
            "run": recipe.run,
            "port": recipe.port,
            "labels": recipe.labels,
            **({"files": recipe.files} if recipe.files != "layer" else {}),  # as before there was a choice
            **({"dockerfile": recipe.dockerfile} if recipe.dockerfile else {}),
        }
    )


def read_recipe(content: bytes) -> Recipe:
    """The recipe that `write_recipe` wrote."""
    row = json.loads(content)
    return Recipe(
        name=row["name"],
        code=CodeReference(*row["code"]) if row["code"] else None,
        model=ModelReference(*row["model"]) if row["model"] else None,
        lock=row["lock"],
        run=tuple(row["run"]),
        port=row["port"],
        labels=tuple((name, value) for name, value in row["labels"]),
        files=row.get("files", "layer"),
        dockerfile=row.get("dockerfile"),
    )


def write_result(image: Image) -> dict[str, Any]:
    """An image as JSON has it."""
    told: dict[str, Any] = {"digest": image.digest, "layers": image.layers}
    more = {"weights": image.weights, "documents": image.documents}
    return {**told, **{key: value for key, value in more.items() if value}}


def read_result(content: bytes) -> Image | str:
    """The image, or why there is none."""
    row = json.loads(content)
    if "failed" in row:
        return str(row["failed"])
    layers = tuple((kind, how) for kind, how in row["layers"])
    return Image(row["digest"], layers, row.get("weights"), tuple(row.get("documents", ())))


def opener(settings: Settings) -> Callable[[str], Any]:
    """Opens the sources that are connected to this installation, by name."""
    known = {source.name: source for source in sources.load(settings.home)}

    def open_source(name: str) -> Any:
        if name not in known:
            raise Refused(f"there is no source {name!r}; connect it with: segue connect")
        return sources.opened(settings, known[name])

    return open_source


if __name__ == "__main__":
    main(Path(sys.argv[1]), settings_of.read(os.environ))
