"""What served, as a machine-learning bill of materials: CycloneDX 1.6. Pure functions to plain values.

Each version is a component of the type `machine-learning-model` with its numbers as a model card, its image
another; each release is a workflow of the formulation, from its commit to its traffic. Nothing is claimed of
data sets: Segue sees none. https://cyclonedx.org/docs/1.6/json/
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from policies import messages
from policies.release import Phase
from policies.version import Version
from service.engine.served import Served

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def of_release(served: Served, namespace: str, sources: Mapping[str, str]) -> dict[str, Any]:
    """The document of one release; its subject is the version.

    `namespace` is the installation's address; `sources` are addresses by the names of connections.
    """
    subject = next(_models([served], sources), None) or _target(served.release.target)
    name = f"{namespace}/releases/{served.release.name}"
    return _document(name, subject, list(_images([served])), [served], sources)


def of_target(
    target: str, found: Sequence[Served], namespace: str, sources: Mapping[str, str]
) -> dict[str, Any]:
    """The document of a target: each version that was released there, and each release."""
    components = [*_models(found, sources), *_images(found)]
    return _document(f"{namespace}/targets/{target}", _target(target), components, found, sources)


def _document(
    name: str,
    subject: dict[str, Any],
    components: list[dict[str, Any]],
    found: Sequence[Served],
    sources: Mapping[str, str],
) -> dict[str, Any]:
    newest = max((one.release.ended or one.release.since or one.release.began for one in found), default=0.0)
    workflows = [_workflow(one, sources) for one in found]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{name} {newest}')}",
        "version": 1,
        "metadata": {
            "timestamp": _time(newest),
            "lifecycles": [{"phase": "operations"}],
            "tools": {"components": [{"type": "application", "name": "segue", "version": version("segue")}]},
            "component": subject,
        },
        "components": components,
        "dependencies": list(_dependencies(found)),
        "formulation": [{"bom-ref": f"releases of {name}", "workflows": workflows}] if workflows else [],
    }


def _target(name: str) -> dict[str, Any]:
    return {"type": "application", "name": name, "bom-ref": f"target:{name}"}


def _models(found: Sequence[Served], sources: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Each version once."""
    for known in {one.version.key: one.version for one in found if one.version is not None}.values():
        registered = known.registered
        component: dict[str, Any] = {
            "type": "machine-learning-model",
            "bom-ref": _model_ref(known.key),
            "name": known.model.name,
            "version": _version(known),
            "modelCard": _card(known),
            "externalReferences": _origins(known, sources),
            "properties": _properties({"version": known.key, "reason": known.reason}),
        }
        if registered is not None and (digest := _SHA256.fullmatch(registered.digest)):
            component["hashes"] = [{"alg": "SHA-256", "content": digest[1]}]
        if known.code is not None:
            component["pedigree"] = {"commits": [{"uid": known.code.commit}]}
        yield component


def _version(known: Version) -> str:
    if known.registered is not None:
        return known.registered.version
    return known.code.commit if known.code is not None else (known.image or known.key)


def _card(known: Version) -> dict[str, Any]:
    metrics = [{"type": name, "value": repr(value)} for name, value in known.metrics]
    return {"quantitativeAnalysis": {"performanceMetrics": metrics}} if metrics else {}


def _origins(known: Version, sources: Mapping[str, str]) -> list[dict[str, str]]:
    found = []
    if known.code is not None:
        url = sources.get(known.code.source, known.code.source)
        found.append({"type": "vcs", "url": url, "comment": f"commit {known.code.commit}"})
    if known.registered is not None:
        model = known.registered
        url = sources.get(model.source, model.source)
        comment = f"models:/{model.name}/{model.version}"
        found.append({"type": "distribution", "url": url, "comment": comment})
    return found


def _images(found: Sequence[Served]) -> Iterator[dict[str, Any]]:
    for image, name in {one.release.image: one.release.model for one in found if one.release.image}.items():
        component = {"type": "container", "bom-ref": _image_ref(image), "name": name, "version": image}
        digest = _SHA256.fullmatch(image.rpartition("@")[2])
        yield component | ({"hashes": [{"alg": "SHA-256", "content": digest[1]}]} if digest else {})


def _dependencies(found: Sequence[Served]) -> Iterator[dict[str, Any]]:
    pairs = {one.version.key: one.release.image for one in found if one.version and one.release.image}
    for key, image in pairs.items():
        yield {"ref": _model_ref(key), "dependsOn": [_image_ref(image)]}


def _workflow(served: Served, sources: Mapping[str, str]) -> dict[str, Any]:
    """One release: what it came from, what it made, when it had which share of the traffic, how it ended."""
    release, known = served.release, served.version
    origins = _origins(known, sources) if known is not None else []
    outputs = [{"type": "artifact", "resource": {"ref": _image_ref(release.image)}}] if release.image else []
    told: dict[str, Any] = {
        "bom-ref": f"release:{release.name}",
        "uid": release.name,
        "name": f"{release.name} to {release.target}",
        "taskTypes": ["build", "test", "deploy", "release"],
        "inputs": [{"resource": {"externalReference": one}} for one in origins],
        "outputs": outputs,
        "timeStart": _time(release.began),
        "properties": [*_properties(_facts(served)), *_shares(served)],
    }
    return told | ({"timeEnd": _time(release.ended)} if release.ended is not None else {})


def _facts(served: Served) -> dict[str, str]:
    release = served.release
    return {
        "cause": release.cause.text,
        "author": release.cause.author or "",
        "approvals": ", ".join(approval.actor for approval in release.approvals),
        "phase": release.phase.value,
        "reason": release.reason,
        "proof": messages.proof(release) if release.phase is Phase.PROMOTED else "",
        "served:since": _time(served.since) if served.since is not None else "",
        "served:until": _time(served.until) if served.until is not None else "",
    }


def _shares(served: Served) -> list[dict[str, str]]:
    return [{"name": "segue:share", "value": f"{_time(one.at)} {one.weight:g}%"} for one in served.shares]


def _properties(told: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": f"segue:{name}", "value": value} for name, value in told.items() if value]


def _model_ref(key: str) -> str:
    return f"model:{key}"


def _image_ref(image: str) -> str:
    return f"image:{image}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
