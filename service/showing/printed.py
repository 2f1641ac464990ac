"""What a release's build, evaluation and workload printed, wherever each runs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from policies.release import Release
from policies.version import Version, VersionPhase
from service import places
from service.bootstrap import Parts
from service.performing.images import job_name, recipe_of
from service.performing.printing import Run
from service.ports.outcomes import PortError
from service.store import kept_logs
from service.store.states import version_of

KINDS = ("build", "evaluation")  # whose output is kept while they run
_ENDED = frozenset({VersionPhase.READY, VersionPhase.FAILED})
_MARK = re.compile(r"([0-9]{1,9})\.([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class More:
    """What came behind some marks, and the marks behind that. `over`: no more comes."""

    logs: dict[str, str]
    marks: dict[str, str]
    over: bool


def of_release(parts: Parts, release: Release) -> dict[str, str]:
    """The end of each, by what printed it; why it cannot be read stands in its place. Empty for a version
    nobody knows."""
    row = parts.store.version(release.version)
    if row is None:
        return {}
    version = version_of(row)
    tries = _tries(parts, version)
    home, recipe = places.home(parts.store.clusters(), version.model), recipe_of(tries["build"])
    printed: dict[str, Callable[[], str]] = {
        "build": lambda: parts.builder_of(recipe).logs(recipe.name),
        "evaluation": lambda: parts.at(home).jobs.logs(job_name(version)),
    }
    found = {kind: _kept(parts, kind, tries[kind]) or _readable(read) for kind, read in printed.items()}
    workload = _readable(lambda: parts.at(release.place).workloads.logs(release.backend))
    return {**found, "workload": workload}


def behind(parts: Parts, release: Release, marks: Mapping[str, str]) -> More:
    """What its build and its evaluation printed behind these marks; "" is the beginning of a try, as is a
    mark of a try before. Raises `ValueError` for what is no mark."""
    row = parts.store.version(release.version)
    if row is None:
        return More({}, {}, over=True)
    version = version_of(row)
    logs, following = {}, {}
    for kind, tried in _tries(parts, version).items():
        begin = _begin(marks.get(kind, ""), tried.attempt)
        tail = kept_logs.tail(parts.store, Run(kind, job_name(tried)).key, begin)
        logs[kind] = "" if tail is None else tail.text
        following[kind] = f"{tried.attempt}.{begin if tail is None else tail.end}"
    return More(logs, following, over=version.phase in _ENDED or release.final)


def _tries(parts: Parts, version: Version) -> dict[str, Version]:
    """The version at the try that is shown of each kind: the last one; of builds that which made the image,
    as a later one does not build again."""
    built = version
    if version.image is not None:
        before = (replace(version, attempt=n) for n in range(version.attempt, 1, -1))
        first = replace(version, attempt=1)
        built = next((one for one in before if _kept(parts, "build", one)), first)
    return dict(zip(KINDS, (built, version), strict=True))


def _begin(mark: str, attempt: int) -> int:
    if not mark:
        return 0
    found = _MARK.fullmatch(mark)
    if found is None:
        raise ValueError(mark)
    return int(found[2]) if int(found[1]) == attempt else 0


def _kept(parts: Parts, kind: str, version: Version) -> str:
    tail = kept_logs.tail(parts.store, Run(kind, job_name(version)).key)
    return "" if tail is None else tail.text


def _readable(read: Callable[[], str]) -> str:
    try:
        return read()
    except PortError as reason:
        return f"cannot be read now: {reason}"
