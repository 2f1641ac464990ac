"""How many rollouts may be on at once, as the operator says; a target never has more than one anyway."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most releases that hold a target at the same time; None: as many as there are targets."""

    per_model: int | None = None
    per_cluster: int | None = None
    freeze: tuple[str, ...] = ()  # windows in which nothing begins or gets more traffic
    calendars: tuple[str, ...] = ()  # the same by what others keep, under these names

    @property
    def any(self) -> bool:
        return self.per_model is not None or self.per_cluster is not None


@dataclass(frozen=True, slots=True)
class Live:
    """A release that holds its target: whose it is, and in which cluster (None: on this machine)."""

    model: str
    cluster: str | None


def full(limits: Limits, wanted: Live, live: Sequence[Live]) -> str:
    """Why another one has to wait, with the setting that says so; "" where there is room."""
    ours = sum(one.model == wanted.model for one in live)
    there = sum(one.cluster == wanted.cluster for one in live)
    if limits.per_model is not None and ours >= limits.per_model:
        return f"room: {_are(ours, f'of {wanted.model}')}, and SEGUE_MOST_PER_MODEL allows no more"
    if limits.per_cluster is not None and there >= limits.per_cluster:
        place = "on this machine" if wanted.cluster is None else f"in cluster {wanted.cluster}"
        return f"room: {_are(there, place)}, and SEGUE_MOST_PER_CLUSTER allows no more"
    return ""


def _are(count: int, which: str) -> str:
    return f"{count} release{'s' if count > 1 else ''} {which} {'are' if count > 1 else 'is'} on the way"
