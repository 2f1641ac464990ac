"""The end of what a release's build, evaluation and workload printed, wherever each runs."""

from collections.abc import Callable

from policies.release import Release
from service import places
from service.bootstrap import Parts
from service.performing.images import job_name, recipe_of
from service.ports.outcomes import PortError
from service.states import version_of


def of_release(parts: Parts, release: Release) -> dict[str, str]:
    """By what printed it; why it cannot be read stands in its place. Empty for a version nobody knows."""
    row = parts.store.version(release.version)
    if row is None:
        return {}
    version = version_of(row)
    home, recipe = places.home(parts.store.clusters(), version.model), recipe_of(version)
    printed: dict[str, Callable[[], str]] = {
        "build": lambda: parts.builder_of(recipe).logs(recipe.name),
        "evaluation": lambda: parts.at(home).jobs.logs(job_name(version)),
        "workload": lambda: parts.at(release.place).workloads.logs(release.backend),
    }
    return {kind: _readable(read) for kind, read in printed.items()}


def _readable(read: Callable[[], str]) -> str:
    try:
        return read()
    except PortError as reason:
        return f"cannot be read now: {reason}"
