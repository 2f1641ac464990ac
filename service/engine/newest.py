"""The newest image that a declaration means, asked of its registry.

Of a pattern's tags only the digest of the newest is asked for. Where the tags do not say which is the
newest, each one's image is asked when it was made, and therefore only so many of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from policies import tags
from policies.spec.declaration import FromImage, Model
from policies.tags import Made
from service.engine import ownership
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.ports.registries import ImageRegistry
from service.sources import IMAGE_KINDS

MOST_WITHOUT_ORDER = 100
NOTHING = ""  # the value of a reference that is declared, and whose pattern no tag matches


@dataclass(frozen=True, slots=True)
class Tagged:
    """An image by the tag that was found to be the newest, and by what it named then."""

    tag: str
    digest: str

    @property
    def value(self) -> str:
        """As a source's cursor keeps it."""
        return f"{self.tag}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Looked:
    """What a registry has of the images that are declared: cursors' values, and why some are not known."""

    values: dict[str, str]
    unknown: dict[str, str]


def of_value(value: str | None) -> Tagged | None:
    """The image that `Tagged.value` wrote; None for a value that means none."""
    tag, _, digest = (value or NOTHING).partition("@")
    return Tagged(tag, digest) if digest else None


def newest(registry: ImageRegistry, wanted: FromImage) -> Tagged | None:
    """The newest matching image; None while no tag matches.

    Raises `Refused` where several match and neither their names nor their images say which it is.
    """
    _, repository = tags.place(wanted.repository)
    matching = tags.matching(registry.tags(repository), wanted.tag)
    names = tags.counted(matching, wanted.tag)
    if not names:
        if matching:
            raise Refused(
                f"only pre-releases match {wanted.reference}; if they may serve, write a hyphen into the"
                " pattern"
            )
        return None
    tag = tags.newest(names, wanted.tag)
    if tag is not None:
        return _tagged(registry, repository, tag)
    return _made_last(registry, wanted, repository, names)


def wanted_of(source: Source, models: Iterable[Model]) -> tuple[FromImage, ...]:
    """What declared models want of this registry, those only whose targets it may own."""
    host = tags.place(f"{urlsplit(source.url).netloc}/any")[0].replace("registry-1.docker.io", "docker.io")
    found = {
        model.source: None
        for model in models
        if isinstance(model.source, FromImage)
        and tags.place(model.source.repository)[0] == host
        and not ownership.foreign(source, model)
    }
    return tuple(found)


def source_of(sources: Iterable[Source], model: Model, wanted: FromImage) -> Source:
    """The connected registry of what a model wants. Raises `Refused` where none that may own it is."""
    registries = (source for source in sources if source.kind in IMAGE_KINDS)
    fitting = next((source for source in registries if wanted_of(source, (model,))), None)
    if fitting is None:
        host, _ = tags.place(wanted.repository)
        raise Refused(
            f"no image registry that may own {model.name} is connected for {wanted.repository}; write:"
            f" segue connect registry https://{host}"
        )
    return fitting


def look(
    source: Source, registry: ImageRegistry, models: Iterable[Model], seen: Mapping[str, str | None]
) -> Looked:
    """Each wanted reference with its newest image now.

    Of one that cannot be told nothing new is said: what was `seen` stays. Raises `Retry`.
    """
    found: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for wanted in wanted_of(source, models):
        try:
            image = newest(registry, wanted)
        except Refused as reason:
            unknown[wanted.reference] = str(reason)
            known = seen.get(wanted.reference)
            found |= {} if known is None else {wanted.reference: known}
        else:
            found[wanted.reference] = image.value if image else NOTHING
    return Looked(found, unknown)


def _tagged(registry: ImageRegistry, repository: str, tag: str) -> Tagged:
    digest = registry.digest(repository, tag)
    if digest is None:
        raise Retry(f"the tag {tag} of {repository} was removed while it was looked at")
    return Tagged(tag, digest)


def _made_last(registry: ImageRegistry, wanted: FromImage, repository: str, names: tuple[str, ...]) -> Tagged:
    if len(names) > MOST_WITHOUT_ORDER:
        raise Refused(
            f"{len(names)} tags match {wanted.reference} and do not say which is the newest; at most"
            f" {MOST_WITHOUT_ORDER} images are asked when they were made. Let tags end with a number or a"
            " time, such as main-42, or remove old ones"
        )
    made: dict[str, Made] = {}
    for name in names:
        digest = _tagged(registry, repository, name).digest
        made[name] = Made(digest, registry.created(repository, digest))
    tag = tags.latest(made)
    if tag is None:
        raise Refused(
            f"of the {len(names)} tags that match {wanted.reference} neither their names nor the times in"
            " their images say which is the newest; let tags end with a number or a time, such as main-42"
        )
    return Tagged(tag, made[tag].digest)
