"""Verdicts for who shifts traffic: the release that is meant, what runs where it should, and the answer."""

from dataclasses import dataclass

from policies import asking
from policies.asking import Gate, Said
from policies.release import Release
from service.bootstrap import Parts
from service.ports.others import all_run
from service.ports.outcomes import PortError
from service.store.states import model_of, number_of, release_of, target_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A release, the answer, and the weight (percent) that the route gives it, where that can be seen."""

    release: Release | None
    said: Said
    routed: float | None


def known(parts: Parts, target: str) -> bool:
    """Whether a model declares this target, or it served once."""
    model, _, environment = target.partition("/")
    declared = (model_of(row) for row in parts.store.models() if row.name == model)
    return any(one.environment(environment) for one in declared) or parts.store.target(target) is not None


def ask(parts: Parts, target: str, *, weight: float | None = None, image: str | None = None) -> Asked:
    """The verdict on what is on its way there, or was last. `image`: what the tool means to roll out."""
    release = _meant(parts, target)
    there, routed = ("", None) if release is None else _there(parts, release, image)
    return Asked(release, asking.answer(release, at=parts.store.now(), there=there, weight=weight), routed)


def gate(parts: Parts, which: Gate, target: str, step: float | None) -> tuple[bool, Asked]:
    """Whether one of Flagger's gates is open; `step`: by how much the weight is to grow (percent)."""
    asked = ask(parts, target, weight=100.0 if which is Gate.CONFIRM_PROMOTION else None)
    if which is Gate.CONFIRM_TRAFFIC_INCREASE and step is not None and asked.routed is not None:
        asked = ask(parts, target, weight=min(100.0, asked.routed + step))
    return asking.passes(which, asked.release, asked.said, asked.routed), asked


def _meant(parts: Parts, target: str) -> Release | None:
    """The release that has the target's turn; without one the newest."""
    holder = number_of(target_of(parts.store.target(target), target).holder or "")
    row = (
        parts.store.release(holder)
        if holder
        else next(iter(parts.store.releases(target=target, limit=1)), None)
    )
    return None if row is None else release_of(row)


def _there(parts: Parts, release: Release, image: str | None) -> tuple[str, float | None]:
    """Why what runs there is not the release's version, looked at now; and the route's weight."""
    digest = release.image.rpartition("@")[2]
    if image and "@" in image and image.rpartition("@")[2] != digest:
        return f"it is about {digest[:19]}, and {image} was asked for", None
    if not release.place.watched:
        return "", release.observed
    try:
        others = parts.at(release.place).others
        if others is None:
            return "nobody can look there", None
        behind = others.look()
    except PortError as reason:
        return f"it cannot be seen: {reason}", None
    service = f"{release.place.namespace}/{release.place.candidate}"
    if not all_run(behind.candidate, release.image):
        return f"the pods behind {service} are not all of {digest[:19]}", behind.weight
    return "", behind.weight
