"""Images: the recipe that decides a version's image, and how the image is named where it runs."""

from typing import Literal

from policies.effects import Build, CheckImage
from policies.events import BuildFinished, EffectFailed, ImageTrusted
from policies.spec.declaration import FromImage, Model, ServeMlflow, ServeRun
from policies.spec.declaration_cluster import ImageWeights
from policies.version import Version
from service import sources
from service.bootstrap import Parts
from service.engine import trusting
from service.engine.trusting import Untrusted
from service.performing.outcomes import LOOKS, LOOKS_AT_CLUSTER, Again, Done, known_version, with_tail
from service.performing.printing import Run, keep_printed
from service.ports.builds import CodeReference, Image, ModelReference, Recipe
from service.ports.outcomes import Failed, Gone, Refused, Working

SIGNED_LATER = 300.0  # seconds in which CI may still sign what it has pushed
LOOKS_FOR_SIGNATURE = 10.0


def build(parts: Parts, effect: Build, now: float) -> Done | Again:
    """Have the version's image, built once for each attempt."""
    recipe = recipe_of(known_version(parts, effect.version))
    builder = parts.builder_of(recipe)
    here = recipe.dockerfile is None and parts.settings.builder is None
    pause = LOOKS if here else LOOKS_AT_CLUSTER
    state = builder.state(recipe.name)
    if not isinstance(state, Gone):
        keep_printed(parts, Run("build", recipe.name), builder, ended=not isinstance(state, Working))
    match state:
        case Image(digest=digest, layers=layers) as image:
            more = (image.weights, image.documents)
            return Done(BuildFinished(effect.step, digest, layers, now, *more))
        case Working(progress=progress):
            return Again(pause, "" if here else f"the build: {progress}")
        case Failed(reason=reason, log=log):
            return Done(EffectFailed(effect.step, with_tail(reason, log), now))
        case Gone():
            # Builds have no store, and whoever connected the source may have had another home.
            sources.save(parts.settings.home, tuple(parts.store.sources()))
            builder.start(recipe)
            return Again(pause)


def check_image(parts: Parts, effect: CheckImage, now: float, since: float) -> Done | Again:
    """Sign the version's image where Segue built it, and what its build said of it; and hold it against the
    trust policy."""
    version = known_version(parts, effect.version)
    try:
        trusting.vouch(parts, version)
    except Untrusted as reason:
        if isinstance(version.model.source, FromImage) and now - since < SIGNED_LATER:
            return Again(LOOKS_FOR_SIGNATURE, f"looks again for {SIGNED_LATER / 60:g} minutes: {reason}")
        raise
    trusting.attest(parts, version)
    return Done(ImageTrusted(effect.step, now))


def recipe_of(version: Version) -> Recipe:
    """Everything that decides the version's image."""
    model, code, registered = version.model, version.code, version.registered
    serve = model.serve
    run: tuple[str, ...] = ("mlflow",) if isinstance(serve, ServeMlflow) else ()
    port = 8080
    if isinstance(serve, ServeRun):
        run, port = serve.run, serve.port
    lock, dockerfile = getattr(model.source, "lock", None), getattr(model.source, "dockerfile", None)
    labels = [("segue.model", model.name), ("segue.version", version.key)]
    if code:
        labels.append(("org.opencontainers.image.revision", code.commit))
    if registered:
        labels.append(("segue.registered", f"{registered.name}/{registered.version}"))
    return Recipe(
        name=job_name(version),
        code=CodeReference(code.source, code.commit, code.folder) if code else None,
        model=ModelReference(registered.source, registered.name, registered.version) if registered else None,
        lock=lock,
        run=run,
        port=port,
        labels=tuple(labels),
        files=_files(model),
        dockerfile=dockerfile,
    )


def _files(model: Model) -> Literal["layer", "image", "elsewhere"]:
    match model.weights:
        case None:
            return "layer"
        case ImageWeights(image=None):
            return "image"
        case _:
            return "elsewhere"


def job_name(version: Version) -> str:
    """The name of the version's build and of its evaluation: one for each attempt."""
    return f"{version.model.name}-{version.key}-{version.attempt}"


def image_of(parts: Parts, version: Version, cluster: str | None) -> str:
    """The version's image as it is named there: by its digest, and in a cluster by its registry too."""
    if version.image is None:
        raise Refused("the version has no image")
    source = version.model.source
    if cluster is None:
        return version.image
    if isinstance(source, FromImage):
        return f"{source.repository}@{version.image}"
    repository = repository_of(parts, version)
    if parts.settings.base is None and getattr(source, "dockerfile", None) is None:
        raise Refused(
            "an image that runs in a cluster stands on a base image with Python; name one: SEGUE_BASE"
        )
    return f"{repository}@{version.image}"


def repository_of(parts: Parts, version: Version) -> str:
    """Where clusters pull what Segue builds of the version's model."""
    if parts.settings.images is None:
        raise Refused("a cluster pulls images from a registry; name one that builds push to: SEGUE_IMAGES")
    return f"{parts.settings.images.partition('://')[2]}/{version.model.name}"
