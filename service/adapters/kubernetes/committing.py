"""A version's manifests as one file in Git, for a cluster where Argo CD or Flux applies what is there.

A version that starts is a commit that adds `<service>.<namespace>.yaml`; one that ends, or is rolled back
and not kept, is a commit that removes it. Nothing counts before it is seen in the cluster.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import yaml

from service import commits, sources
from service.adapters.kubernetes import copying, gitops, labels
from service.adapters.kubernetes.transport import Object
from service.ports.connections import Cluster
from service.ports.git import GitWriter
from service.ports.outcomes import Refused
from service.settings import Settings

ABOUT = "about.yaml"
REPLICAS = "segue.dev/replicas"  # annotation of a Deployment in Git: the fewest that it is to have
# Values may hold `${...}`, which Flux would replace where it replaces variables at all.
_AS_WRITTEN = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
_HEAD = "# Written by Segue, which replaces and removes this file as releases go on.\n"


class Committed:
    """The files of one namespace in the folder that the cluster's connection names."""

    def __init__(self, files: GitWriter, spot: commits.Spot, cluster: Cluster, namespace: str) -> None:
        self._files = files
        self._spot = spot
        self._owner = cluster.owner
        self._namespace = namespace
        self._read: tuple[str, str, bytes | None] = ("", "", None)  # the tip, a path, what it holds there

    @classmethod
    def of(cls, settings: Settings, cluster: Cluster, namespace: str) -> Self | None:
        """What the cluster's connection says; None where workloads are applied. Raises `Refused`."""
        if cluster.gitops is None:
            return None
        spot = commits.Spot.of(cluster.gitops)
        files = commits.writer(settings, sources.load(settings.home), spot)
        return cls(files, spot, cluster, namespace)

    def put(self, name: str, bodies: Sequence[Object]) -> None:
        """Have these objects of the version `name` in Git; no new commit where they are there already.

        Raises `Refused` where nobody would apply them, or the file is another's: of another installation,
        or of this one with another order.
        """
        commits.check(self._files, self._spot)
        self._check_owner(name)
        content = rendered(bodies, self._namespace)
        known = spec_of(self._content(name))
        if known is not None and known == spec_of(content):
            return  # also where people have changed the file since: it is theirs, too
        if known is not None:
            raise Refused(f"the workload {name} is in Git with another order; stop it first")
        changes: dict[str, bytes | None] = {self._path(name): content}
        tip = self._files.tip(self._spot.branch)
        if self._files.read(tip, f"{self._spot.folder}/{ABOUT}") is None:
            # A folder that is never empty: with none, or nothing in it, both controllers stop with an
            # error instead of removing what was there.
            changes[f"{self._spot.folder}/{ABOUT}"] = about(self._owner, self._namespace)
        self._files.write(self._spot.branch, changes, started(f"{name}.{self._namespace}", bodies))

    def remove(self, name: str) -> None:
        """Have the version in Git no more."""
        self._check_owner(name)
        message = f"Stop {name}.{self._namespace}\n\nreason: no release and no target needs it any more"
        self._files.write(self._spot.branch, {self._path(name): None}, message)

    def holds(self, name: str) -> bool:
        """Whether the version is in Git, and so is to run."""
        return self._content(name) is not None

    def copies(self, deployment: str) -> list[str]:
        """The versions in Git that are copies of this Deployment."""
        ending, tip = f".{self._namespace}.yaml", self._files.tip(self._spot.branch)
        files = self._files.names(tip, self._spot.folder)
        names = [file.removesuffix(ending) for file in files if file.endswith(ending)]
        copied = labels.value(deployment)
        wanted = {labels.OWNER: labels.value(self._owner), copying.COPIED_FROM: copied}
        return [name for name in names if any(_wears(one, wanted) for one in _parsed(self._content(name)))]

    def missing(self, name: str, live: Object | None) -> str | None:
        """What a version in Git still waits for, `live` being its Deployment; None: it is applied."""
        wanted = spec_of(self._content(name))
        metadata = (live or {}).get("metadata", {})
        has = (metadata.get("annotations") or {}).get(labels.SPEC)
        if has == wanted and not metadata.get("deletionTimestamp"):
            return None
        commit = self._files.since(self._files.tip(self._spot.branch), (self._path(name),))
        who = (gitops.manager_of(live) if live else None) or "Argo CD or Flux"
        return f"waiting for {who} to apply commit {commit[:12]} ({self._spot.text})"

    def _path(self, name: str) -> str:
        return f"{self._spot.folder}/{name}.{self._namespace}.yaml"

    def _content(self, name: str) -> bytes | None:
        """The file as it is now; read again only where the branch has moved."""
        tip, path = self._files.tip(self._spot.branch), self._path(name)
        if self._read[:2] != (tip, path):
            self._read = (tip, path, self._files.read(tip, path))
        return self._read[2]

    def _check_owner(self, name: str) -> None:
        for body in _parsed(self._content(name)):
            labels.check_owner(body, self._owner)


def rendered(bodies: Sequence[Object], namespace: str) -> bytes:
    """The objects as one file, the same for the same objects.

    A Deployment's `replicas` are left out: they change while a release goes on, and who applies the file
    would change them back.
    """
    documents = [_for_git(body, namespace) for body in bodies]
    text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=1000)
    return f"{_HEAD}{text}".encode()


def about(owner: str, namespace: str) -> bytes:
    """An object that is always in the folder, so that what is applied from it is never nothing."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"segue-{labels.value(owner)}",
            "namespace": namespace,
            "labels": labels.labels("", "", owner),
        },
        "data": {"about": "Segue commits the workloads of its releases to the folder that this came from."},
    }
    return f"{_HEAD}{yaml.safe_dump(body, sort_keys=False)}".encode()


def started(backend: str, bodies: Sequence[Object]) -> str:
    """What the commit says: the version, its target and its images by digest."""
    target = next((said for body in bodies if (said := _labels(body).get(labels.TARGET))), "")
    pods = [body["spec"]["template"]["spec"] for body in bodies if body["kind"] == "Deployment"]
    images = [one["image"] for pod in pods for one in pod["containers"]]
    lines = [f"Start {backend}", "", f"target: {target}", *(f"image: {image}" for image in images)]
    return "\n".join([*lines, "reason: a release to this target wants the version"])


def spec_of(content: bytes | None) -> str | None:
    """The digest of the order that a file's Deployment was made from; None where it has none."""
    for body in _parsed(content):
        if body.get("kind") == "Deployment":
            said = (body["metadata"].get("annotations") or {}).get(labels.SPEC)
            return None if said is None else str(said)
    return None


def fewest(live: Object) -> int:
    """The fewest replicas that an applied Deployment is to have, as Git says it."""
    return int((live["metadata"].get("annotations") or {}).get(REPLICAS, 0))


def _for_git(body: Object, namespace: str) -> Object:
    copied: Object = json.loads(json.dumps(body))  # a copy that YAML writes without anchors
    notes = {**_AS_WRITTEN, **(copied["metadata"].get("annotations") or {})}
    if copied["kind"] == "Deployment":
        notes[REPLICAS] = str(copied["spec"].pop("replicas", 1))
    copied["metadata"] |= {"namespace": namespace, "annotations": notes}
    return copied


def _parsed(content: bytes | None) -> list[Object]:
    """The objects of a file; what is no object, or no YAML, has none of ours."""
    if content is None:
        return []
    try:
        documents = list(yaml.safe_load_all(content))
    except yaml.YAMLError:
        return []
    return [one for one in documents if isinstance(one, dict) and isinstance(one.get("metadata"), dict)]


def _wears(body: Object, wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= _labels(body).items()


def _labels(body: Mapping[str, Any]) -> Mapping[str, str]:
    return body["metadata"].get("labels") or {}
