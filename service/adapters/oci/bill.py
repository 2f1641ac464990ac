"""What is said about an image beside it: its packages (CycloneDX) and how it was made (SLSA provenance).

Pure functions to dictionaries. Equal images get equal bytes: nothing here knows the time. Nothing is
signed here: who signs must not be who builds.
https://cyclonedx.org/docs/1.6/json/ and https://slsa.dev/spec/v1.0/provenance.
"""

import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from service.adapters.oci.locks import Pin
from service.ports.builds import Recipe

CYCLONEDX = "application/vnd.cyclonedx+json"
IN_TOTO = "application/vnd.in-toto+json"
PROVENANCE = "https://slsa.dev/provenance/v1"  # predicate types
PACKAGES = "https://cyclonedx.org/bom"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
BUILD_TYPE, OF_DOCKERFILE = "https://segue.dev/build/v1", "https://segue.dev/dockerfile/v1"
_NAMES = uuid.UUID("6a1c6b1e-2f0d-5b0e-9d55-0f6f0a3f7c11")  # of serial numbers, so that they repeat


def packages(image: str, pins: tuple[Pin, ...], base: str | None) -> dict[str, Any]:
    """The CycloneDX document of an image: each locked package with the hashes that its files may have.

    `base` is what it stands on, `registry.example/python@sha256:…`.
    """
    below = [_below(base)] if base else []
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMES, image)}",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": image, "bom-ref": image}},
        "components": [*below, *(_package(pin) for pin in pins)],
    }


def provenance(
    image: str, repository: str, recipe: Recipe, bases: Sequence[str], builder: str
) -> dict[str, Any]:
    """The in-toto statement of how an image was made. `bases` are what it stands on, by digest; `builder`
    names Segue and its version."""
    predicate = {
        "buildDefinition": {
            "buildType": OF_DOCKERFILE if recipe.dockerfile else BUILD_TYPE,
            "externalParameters": {
                "run": list(recipe.run),
                **({"dockerfile": recipe.dockerfile} if recipe.dockerfile else {"lock": recipe.lock}),
                "folder": recipe.code.folder if recipe.code else None,
            },
            "internalParameters": {"port": recipe.port, "labels": dict(recipe.labels)},
            "resolvedDependencies": _sources(recipe, bases),
        },
        "runDetails": {"builder": {"id": builder}, "metadata": {"invocationId": recipe.name}},
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": repository, "digest": {"sha256": image.removeprefix("sha256:")}}],
        "predicateType": PROVENANCE,
        "predicate": predicate,
    }


def _sources(recipe: Recipe, bases: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if recipe.code:
        digest = {"gitCommit": recipe.code.commit}
        found.append({"name": recipe.code.source, "digest": digest})
    if recipe.model:
        uri = f"models:/{quote(recipe.model.name)}/{quote(recipe.model.version)}"
        found.append({"name": recipe.model.source, "uri": uri})
    for base in bases:
        name, _, below = base.partition("@sha256:")
        found.append({"name": name, "digest": {"sha256": below}})
    return found


def _below(base: str) -> dict[str, Any]:
    name, _, digest = base.partition("@")
    last = name.rpartition("/")[2]
    purl = f"pkg:oci/{last}@{quote(digest, safe='')}?repository_url={quote(name, safe='')}"
    return {"type": "container", "name": name, "version": digest, "bom-ref": purl, "purl": purl}


def _package(pin: Pin) -> dict[str, Any]:
    exact, _, marker = pin.line.partition(" ; ")
    version = exact.partition("==")[2]
    purl = f"pkg:pypi/{pin.name}@{quote(version, safe='')}"
    told = [{"name": "segue:hash", "value": one} for one in pin.hashes]
    told += [{"name": "segue:marker", "value": marker}] if marker else []
    return {
        "type": "library",
        "name": pin.name,
        "version": version,
        "bom-ref": purl,
        "purl": purl,
        "properties": told,
    }
