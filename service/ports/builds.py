"""Images: the recipes that decide them, and who makes them."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from service.ports.outcomes import Failed, Gone, Working
from service.ports.printing import Printing


@dataclass(frozen=True, slots=True)
class CodeReference:
    """A folder of a repository at one commit."""

    source: str
    commit: str
    folder: str  # "" is the repository's root


@dataclass(frozen=True, slots=True)
class ModelReference:
    """One version of a registered model."""

    source: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides an image's content. The same recipe gives the same digest.

    `lock` names the requirements file: inside the code's folder, or inside the model's own files.
    `run` is the command that serves, as an argument list; `("mlflow",)` asks for the scoring
    server for MLflow models. `files` says where the model's files go: into a layer, into an image of
    their own that is mounted, or nowhere, because they are mounted from elsewhere. `dockerfile` names
    one inside the code's folder, which then decides everything, and there is no lock.
    """

    name: str  # deterministic; the build's identity
    code: CodeReference | None
    model: ModelReference | None
    lock: str | None
    run: tuple[str, ...]
    port: int
    labels: tuple[tuple[str, str], ...] = field(default=())
    files: Literal["layer", "image", "elsewhere"] = "layer"
    dockerfile: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image. `layers` holds (kind, "built" or "cached") for env, code, model and base, or
    for the one that a Dockerfile makes.

    `weights` is the digest of the image of the model's files, where they got one of their own;
    `documents` are those of what the build attached to the image in its registry.
    """

    digest: str
    layers: tuple[tuple[str, str], ...]
    weights: str | None = None
    documents: tuple[str, ...] = ()


class ImageBuilder(Printing, Protocol):
    """Turns a recipe into an image; images live in the builder's OCI layout or registry."""

    def start(self, recipe: Recipe) -> None:
        """Begin, unless a build of this name runs or has finished well; a failed one starts anew."""
        ...

    def state(self, name: str) -> Working | Image | Failed | Gone: ...

    def cancel(self, name: str) -> None: ...

    def logs(self, name: str) -> str: ...

    def tidy(self, keep: frozenset[str], seconds: float) -> None:
        """Remove images whose digest is not to be kept, and what builds printed, once older than this."""
        ...
