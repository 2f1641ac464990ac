"""One build in a place of its own, such as a pod: `python3 -m service.adapters.oci.build_away`.

The order is the variable SEGUE_BUILD and says all but logins, which are secret files as everywhere.
Nothing is here before and nothing stays: the image goes to the registry, the result into the file
that SEGUE_RESULT names, what is printed is the log.
"""

import json
import os
import tempfile
from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service import settings as settings_of
from service import sources
from service.adapters.oci import handing, installing
from service.adapters.oci.blobs import Layout, canonical
from service.adapters.oci.build import Log, build, opener, read_recipe, where, write_recipe
from service.adapters.oci.push import SECONDS, STORE
from service.adapters.oci.remote import Remote, login_of
from service.ports.builds import Recipe
from service.ports.connections import Source
from service.settings import Settings

VARIABLE = "SEGUE_BUILD"
AUTHORITIES = "authorities.pem"  # the secret file of those that sign the certificates of registry and MLflow
LONGEST = 600  # characters of a reason: a pod can tell 4096 bytes


@dataclass(frozen=True, slots=True)
class Order:
    """What to build: the recipe, the layer with its code where it has any, the source of its model."""

    recipe: Recipe
    code: dict[str, Any] | None
    sources: tuple[Source, ...]


def main(order: Order, settings: Settings, result: Path) -> None:
    """Build it, push it, and say there how it ended."""
    settings.home.mkdir(parents=True, exist_ok=True)
    sources.save(settings.home, order.sources)
    with tempfile.TemporaryDirectory(prefix="segue-build-") as scraps:
        folder = Path(scraps)
        told = build(folder, settings, order.recipe, _opener(order, settings), Log(folder))
    if "failed" in told:
        told = {"failed": told["failed"][:LONGEST]}
    result.write_bytes(canonical(told))  # in place: it may be a mounted file, which cannot be renamed over


def write_order(order: Order) -> str:
    """The order as JSON."""
    recipe = json.loads(write_recipe(order.recipe))
    told = {"recipe": recipe, "code": order.code, "sources": [asdict(one) for one in order.sources]}
    return canonical(told).decode()


def read_order(text: str) -> Order:
    """The order that `write_order` wrote."""
    row = json.loads(text)
    known = (Source(s["name"], s["kind"], s["url"], tuple(s["owns"])) for s in row["sources"])
    return Order(read_recipe(canonical(row["recipe"])), row["code"], tuple(known))


def _opener(order: Order, settings: Settings) -> Callable[[str], Any]:
    code, others = order.recipe.code, opener(settings)

    def open_source(name: str) -> Any:
        if code is None or order.code is None or name != code.source:
            return others(name)
        registry, repository = where(settings, order.recipe)
        login = login_of(settings.secret("login-images"))
        remote = Remote(registry, login, actions="pull", seconds=SECONDS, store=STORE)
        return handing.HandedCode(Layout(settings.home), remote, repository, order.code, code.folder)

    return open_source


def trust(environ: MutableMapping[str, str]) -> None:
    """Have authorities of the Secret's count, instead of those that the image has, where it names some."""
    file = Path(environ["SEGUE_HOME"]) / "secrets" / AUTHORITIES
    if file.is_file():
        environ[installing.AUTHORITIES] = environ["SSL_CERT_FILE"] = str(file)


if __name__ == "__main__":
    trust(os.environ)
    main(read_order(os.environ[VARIABLE]), settings_of.read(os.environ), Path(os.environ["SEGUE_RESULT"]))
