"""Where a cluster's workloads are committed to, if a GitOps controller applies them: a folder of a branch."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from policies.spec.declaration import Model
from policies.spec.mistakes import Mistake, mistake
from policies.spec.node import Place as Position
from service import plugins
from service.ports.connections import Cluster, Source
from service.ports.git import GitWriter
from service.ports.outcomes import Refused
from service.settings import Settings

_BRANCH = re.compile(r"(?![-/.])[A-Za-z0-9._/-]+")
_FOLDER = re.compile(r"(?!\.)[A-Za-z0-9._-]+(?:/(?!\.)[A-Za-z0-9._-]+)*")
# Files that make of a folder something else than plain manifests: what is not named in them is not applied.
_LISTS = ("kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml")


@dataclass(frozen=True, slots=True)
class Spot:
    """A folder of a branch of a connected source, written `source:branch:folder`."""

    source: str
    branch: str
    folder: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises `Refused` for what is no such place."""
        source, _, rest = text.partition(":")
        branch, _, folder = rest.partition(":")
        folder = folder.strip("/")
        if not source or not _BRANCH.fullmatch(branch) or ".." in branch or not _FOLDER.fullmatch(folder):
            raise Refused(
                f"{text!r} names no place to commit to; write a source, a branch and a folder, such as"
                " manifests:main:ml"
            )
        return cls(source, branch, folder)

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.source}:{self.branch}:{self.folder}"


def writer(settings: Settings, sources: Sequence[Source], spot: Spot) -> GitWriter:
    """What commits there. Raises `Refused` where the source is not connected, or is none to commit to."""
    source = next((one for one in sources if one.name == spot.source), None)
    known = plugins.names("git_writers")
    if source is None or source.kind not in known:
        git = ", ".join(one.name for one in sources if one.kind in known) or "none is connected"
        raise Refused(
            f"{spot.source!r} is no Git repository that Segue can commit to; connected: {git}; connect it"
            f" first: segue connect git URL --name {spot.source}"
        )
    found: GitWriter = plugins.load("git_writers", source.kind).open(settings, source)
    return found


def check(files: GitWriter, spot: Spot) -> None:
    """Raises `Refused` where what is committed there would not be applied."""
    there = files.names(files.tip(spot.branch), spot.folder)
    listed = next((name for name in _LISTS if name in there), None)
    if listed is not None:
        raise Refused(
            f"{spot.folder} on {spot.branch} of {spot.source} holds a {listed}: only what it lists is"
            " applied; give Segue a folder of its own"
        )


def mistakes(clusters: Iterable[Cluster], source: str, models: Iterable[Model]) -> Iterator[Mistake]:
    """Models of a repository that Segue commits to: each of its commits would be a push to them."""
    spots = {cluster.name: Spot.of(cluster.gitops) for cluster in clusters if cluster.gitops}
    written = sorted(name for name, spot in spots.items() if spot.source == source)
    for model in models if written else ():
        message = (
            f"workloads of cluster {written[0]} are committed to this repository, so each of Segue's commits"
            f" would be a push to {model.name}; declare models in another one"
        )
        yield mistake(Position("name"), message, found=model.name)
