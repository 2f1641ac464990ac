"""The version machine: received, built, checked, evaluated; once for all releases of the same content.

`advance` is pure. A version's key is derived from its content (the model's folder at the commit,
or the registered version's files, with the keys of `segue.yaml` that build and evaluate it), so the
same content arrives here once, however many events told of it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from policies.effects import Build, CheckImage, Effect, RunEvaluation
from policies.events import BuildFinished, EffectFailed, EvaluationFinished, ImageTrusted, VersionEvent
from policies.spec.declaration import LATER, Evaluate, Model
from policies.spec.declaration_cluster import PodNeeds


class VersionPhase(StrEnum):
    BUILDING = "building"  # the image is being made
    CHECKING = "checking"  # whoever made the image must be trusted
    EVALUATING = "evaluating"  # the evaluation job runs
    READY = "ready"  # its releases may go on; final
    FAILED = "failed"  # could not be built or evaluated, or is not trusted; final until retried


@dataclass(frozen=True, slots=True)
class CodeOrigin:
    """Code at a commit; `tree` is the content id of the model's folder there."""

    source: str
    commit: str
    folder: str
    tree: str


@dataclass(frozen=True, slots=True)
class ModelOrigin:
    """A registered version; `digest` pins its files, `sums` those that it says are in a bucket."""

    source: str
    name: str
    version: str
    digest: str
    sums: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version's state. `image` is a digest once known; `layers` say what was built or cached.

    `weights` is the digest of the image of its weights, where they were built to be mounted; `documents`
    are those of what its build attached to the image.
    """

    key: str
    model: Model
    code: CodeOrigin | None
    registered: ModelOrigin | None
    phase: VersionPhase
    step: str
    attempt: int = 1
    image: str | None = None
    layers: tuple[tuple[str, str], ...] = ()
    metrics: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    weights: str | None = None
    documents: tuple[str, ...] = field(default=(), metadata=LATER)

    @property
    def settled(self) -> bool:
        return self.phase in {VersionPhase.READY, VersionPhase.FAILED}


def content_key(
    model: Model, code: CodeOrigin | None, registered: ModelOrigin | None, image: str | None
) -> str:
    """A name for the content: equal for equal content, whoever told of it and however often."""
    parts: dict[str, Any] = {
        "model": model.name,
        "tree": code.tree if code and not registered else None,
        "registered": [registered.name, registered.version, registered.digest] if registered else None,
        "image": image,
        "serve": asdict(model.serve),
        "evaluate": _measuring(model.evaluate) if model.evaluate else None,
        "source": asdict(model.source),
    }
    if model.weights is not None:  # keys made before there were any stand
        parts["weights"] = [asdict(model.weights), registered.sums if registered else None]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _measuring(evaluate: Evaluate) -> dict[str, Any]:
    """How it is evaluated; what came later only where it says something: keys made before stand."""
    said = asdict(evaluate)
    if evaluate.pod == PodNeeds():
        del said["pod"]
    if evaluate.results is None:
        del said["results"]
    return said


def begin(
    model: Model,
    code: CodeOrigin | None,
    registered: ModelOrigin | None,
    image: str | None = None,
) -> tuple[Version, tuple[Effect, ...]]:
    """A version just received, with the first effect towards an image."""
    key = content_key(model, code, registered, image)
    version = Version(key, model, code, registered, VersionPhase.BUILDING, "build-1", image=image)
    if image is not None:
        return _check(version)
    return version, (Build(version.step, key),)


def retry(version: Version) -> tuple[Version, tuple[Effect, ...]]:
    """Try a failed version again: from the build, or from the check of an image that is there. Any other
    stays as it is."""
    if version.phase is not VersionPhase.FAILED:
        return version, ()
    again = replace(version, attempt=version.attempt + 1, reason="")
    if again.image is not None:
        return _check(again)
    again = replace(again, phase=VersionPhase.BUILDING, step=f"build-{again.attempt}")
    return again, (Build(again.step, again.key),)


def expire(version: Version) -> Version:
    """A version whose image is not kept any longer: whoever wants it again has it built again."""
    reason = "its image was not kept; a retry builds it again"
    unbuilt = replace(version, image=None, weights=None, layers=(), documents=())
    return replace(unbuilt, phase=VersionPhase.FAILED, reason=reason)


def advance(version: Version, event: VersionEvent) -> tuple[Version, tuple[Effect, ...]]:
    """The next state and what to do; an answer to any other step, or of another kind, changes nothing."""
    if version.settled or event.step != version.step:
        return version, ()
    match event, version.phase:
        case BuildFinished(image=image, layers=layers), VersionPhase.BUILDING:
            built = replace(version, image=image, layers=layers, weights=event.weights)
            return _check(replace(built, documents=event.documents))
        case ImageTrusted(), VersionPhase.CHECKING:
            return _evaluate(version)
        case EvaluationFinished(metrics=metrics), VersionPhase.EVALUATING:
            return replace(version, phase=VersionPhase.READY, step="", metrics=metrics), ()
        case EffectFailed(reason=reason), _:
            return replace(version, phase=VersionPhase.FAILED, step="", reason=reason), ()
        case _:
            return version, ()


def _check(version: Version) -> tuple[Version, tuple[Effect, ...]]:
    version = replace(version, phase=VersionPhase.CHECKING, step=f"check-{version.attempt}")
    return version, (CheckImage(version.step, version.key),)


def _evaluate(version: Version) -> tuple[Version, tuple[Effect, ...]]:
    if version.model.evaluate is None:
        return replace(version, phase=VersionPhase.READY, step=""), ()
    version = replace(version, phase=VersionPhase.EVALUATING, step=f"evaluate-{version.attempt}")
    return version, (RunEvaluation(version.step, version.key),)
