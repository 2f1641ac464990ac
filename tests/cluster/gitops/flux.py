"""Flux's source-controller and kustomize-controller themselves."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from tests.cluster.definitions import brought
from tests.cluster.gitops.keeping import LOOK_SECONDS, Folder, answers, definitions, running, space
from tests.cluster.kubectl import Kubectl
from tests.cluster.local import around
from tests.running import free_port, wait_until

_NAMESPACE = "segue-test-flux"  # the only one it watches: a cluster may have a Flux of its own
INTERVAL = "2s"  # people have minutes
_REQUEST = "reconcile.fluxcd.io/requestedAt"
_KUSTOMIZATION, _REPOSITORY = "kustomizations.kustomize.toolkit.fluxcd.io", "gitrepositories"

KUSTOMIZE = around.Module(
    "github.com/fluxcd/kustomize-controller",
    "v1.9.6",
    "",
    ("config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",),
    ("-dropreplace=github.com/fluxcd/kustomize-controller/api",),
)
SOURCE = around.Module(
    "github.com/fluxcd/source-controller",
    "v1.9.6",
    "",
    tuple(
        f"config/crd/bases/source.toolkit.fluxcd.io_{kind}.yaml"
        for kind in (
            "buckets",
            "externalartifacts",
            "gitrepositories",
            "helmcharts",
            "helmrepositories",
            "ocirepositories",
        )
    ),
    (
        "-dropreplace=github.com/fluxcd/source-controller/api",
        # What it names, v0.18.3, is not to be had from the module proxy.
        "-replace=github.com/fluxcd/pkg/artifact=github.com/fluxcd/pkg/artifact@v0.18.0",
    ),
)


class Flux:
    """Both controllers, until the block ends."""

    tool = "Flux"

    def __init__(self, kubectl: Kubectl, home: Path) -> None:
        self._kubectl, self._home = kubectl, home
        self._parts = ExitStack()

    def __enter__(self) -> Self:
        source, kustomize = around.controller(SOURCE), around.controller(KUSTOMIZE)
        with ExitStack() as parts:
            parts.enter_context(brought(self._kubectl, definitions(SOURCE, KUSTOMIZE)))
            parts.enter_context(space(self._kubectl, _NAMESPACE))
            storage = f"127.0.0.1:{free_port()}"
            stored = [
                f"--storage-path={self._home}",
                f"--storage-addr={storage}",
                f"--storage-adv-addr={storage}",
            ]
            parts.enter_context(self._running(source, *stored))
            parts.enter_context(self._running(kustomize))
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def _running(self, program: Path, *flags: str) -> AbstractContextManager[None]:
        health = f"127.0.0.1:{free_port()}"
        alone = ("--enable-leader-election=false", "--watch-all-namespaces=false", "--metrics-addr=0")
        return running(
            [str(program), *alone, *flags, f"--health-addr={health}"],
            self._home,
            answers(f"http://{health}/readyz"),
            KUBECONFIG=str(self._kubectl.kubeconfig),
            RUNTIME_NAMESPACE=_NAMESPACE,
        )

    @contextmanager
    def keep(self, folder: Folder) -> Iterator[None]:
        """A GitRepository and a Kustomization of that name."""
        metadata = {"namespace": _NAMESPACE, "name": folder.name}
        self._kubectl.apply(
            {
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "metadata": metadata,
                "spec": {"interval": INTERVAL, "url": folder.url, "ref": {"branch": "main"}},
            },
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": metadata,
                "spec": {
                    "interval": INTERVAL,
                    "path": f"./{folder.path}",
                    "prune": True,
                    "deletionPolicy": "Orphan",
                    "sourceRef": {"kind": "GitRepository", "name": folder.name},
                    **folder.spec,
                },
            },
        )
        try:
            yield
        finally:
            for kind in (_KUSTOMIZATION, _REPOSITORY):
                self._kubectl.run("delete", kind, folder.name, "-n", _NAMESPACE, "--timeout=60s")

    def look(self, name: str) -> None:
        """Ask for it as `flux reconcile` does: the repository, then the Kustomization."""
        for kind in (_REPOSITORY, _KUSTOMIZATION):
            asked = str(time.time_ns())
            self._kubectl.run("annotate", kind, name, "-n", _NAMESPACE, "--overwrite", f"{_REQUEST}={asked}")
            wait_until(
                lambda kind=kind, asked=asked: (
                    self._status(kind, name).get("lastHandledReconcileAt") == asked
                ),
                LOOK_SECONDS,
            )

    def applied(self, name: str) -> str | None:
        """The commit that was applied, where the Kustomization is ready."""
        status = self._status(_KUSTOMIZATION, name)
        ready = any((one["type"], one["status"]) == ("Ready", "True") for one in status.get("conditions", []))
        return str(status.get("lastAppliedRevision", "")).rpartition(":")[2] if ready else None

    def _status(self, kind: str, name: str) -> dict[str, Any]:
        found = self._kubectl.get(kind, name, "-n", _NAMESPACE)
        status: dict[str, Any] = found.get("status") or {}
        return status
