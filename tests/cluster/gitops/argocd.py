"""Argo CD itself: its application controller and its repository server, with Valkey as their cache.

Neither its API server nor its user interface is here: the two that compare and sync are.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from service.adapters.valkey import ValkeyDaemon
from tests.cluster.definitions import brought
from tests.cluster.gitops.keeping import (
    LOOK_SECONDS,
    Folder,
    answers,
    definitions,
    listens,
    running,
    space,
)
from tests.cluster.kubectl import Kubectl
from tests.cluster.local import around
from tests.running import free_port, wait_until

RESYNC_SECONDS = 3  # people have three minutes
_NAMESPACE = "segue-test-argocd"  # a cluster may have an Argo CD of its own
_APPLICATION = "applications.argoproj.io"
_REFRESH = "argocd.argoproj.io/refresh"

ARGO_CD = around.Module(
    "github.com/argoproj/argo-cd/v3",
    "v3.2.11",  # the newest whose modules can all be had, and that builds: v3.2.12 does not
    "cmd",
    tuple(f"manifests/crds/{kind}-crd.yaml" for kind in ("application", "applicationset", "appproject")),
    name="argocd",
)
SETTINGS = around.Module(
    ARGO_CD.path,
    ARGO_CD.version,
    ARGO_CD.package,
    tuple(f"manifests/base/config/argocd-{name}.yaml" for name in ("cm", "secret", "gpg-keys-cm")),
)
_PROJECT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"namespace": _NAMESPACE, "name": "default"},
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    },
}


class ArgoCd:
    """All of it, until the block ends."""

    tool = "Argo CD"

    def __init__(self, kubectl: Kubectl, home: Path) -> None:
        self._kubectl, self._home = kubectl, home
        self._parts = ExitStack()

    def __enter__(self) -> Self:
        program = around.controller(ARGO_CD)
        with ExitStack() as parts:
            parts.enter_context(brought(self._kubectl, definitions(ARGO_CD)))
            parts.enter_context(space(self._kubectl, _NAMESPACE))
            settings = [
                {**one, "metadata": {**one["metadata"], "namespace": _NAMESPACE}}
                for one in definitions(SETTINGS)
            ]
            self._kubectl.apply(*settings, _PROJECT)
            cache, repositories = free_port(), free_port()
            valkey = [str(ValkeyDaemon(self._home).program()), "--bind", "127.0.0.1", "--save", ""]
            parts.enter_context(running([*valkey, "--port", str(cache)], self._home, listens(cache)))
            for part, flags in self._programs(cache, repositories).items():
                health = free_port()
                parts.enter_context(
                    running(
                        [str(program), *flags, f"--metrics-port={health}"],
                        self._home,
                        answers(f"http://127.0.0.1:{health}/healthz"),
                        part,
                        ARGOCD_BINARY_NAME=part,
                        KUBECONFIG=str(self._kubectl.kubeconfig),
                        ARGOCD_FAKE_IN_CLUSTER="true",
                        ARGOCD_GPG_ENABLED="false",
                    )
                )
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def _programs(self, cache: int, repositories: int) -> dict[str, list[str]]:
        here = f"127.0.0.1:{repositories}"
        shared = [f"--redis=127.0.0.1:{cache}"]
        listening = ["--address=127.0.0.1", f"--port={repositories}", "--metrics-address=127.0.0.1"]
        looking = [f"--app-resync={RESYNC_SECONDS}", "--app-resync-jitter=0", f"--namespace={_NAMESPACE}"]
        return {
            # What a branch's tip is, it would remember for three minutes.
            "argocd-repo-server": [*shared, *listening, "--disable-tls", "--revision-cache-expiration=1s"],
            "argocd-application-controller": [
                *shared, *looking, f"--repo-server={here}", "--repo-server-plaintext",
            ],
        }  # fmt: skip

    @contextmanager
    def keep(self, folder: Folder) -> Iterator[None]:
        """An Application of that name that heals itself and prunes."""
        more = dict(folder.spec)
        policy = {"automated": {"prune": True, "selfHeal": True}, **more.pop("syncPolicy", {})}
        self._kubectl.apply(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"namespace": _NAMESPACE, "name": folder.name},
                "spec": {
                    "project": "default",
                    "source": {"repoURL": folder.url, "targetRevision": "main", "path": folder.path},
                    "destination": {
                        "server": "https://kubernetes.default.svc",
                        "namespace": folder.namespace,
                    },
                    "syncPolicy": policy,
                    **more,
                },
            }
        )
        try:
            yield
        finally:
            self._kubectl.run("delete", _APPLICATION, folder.name, "-n", _NAMESPACE, "--timeout=60s")

    def look(self, name: str) -> None:
        """Ask for it as `argocd app get --refresh` does."""
        self._kubectl.run(
            "annotate", _APPLICATION, name, "-n", _NAMESPACE, "--overwrite", f"{_REFRESH}=normal"
        )
        wait_until(lambda: self._rests(name), LOOK_SECONDS)

    def applied(self, name: str) -> str | None:
        """The commit that was synced, where the Application is Synced."""
        status = self._application(name).get("status") or {}
        sync = status.get("sync") or {}
        return str(sync.get("revision")) if sync.get("status") == "Synced" else None

    def _rests(self, name: str) -> bool:
        found = self._application(name)
        notes = found["metadata"].get("annotations") or {}
        state = (found.get("status") or {}).get("operationState") or {}
        return _REFRESH not in notes and "operation" not in found and state.get("phase") != "Running"

    def _application(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._kubectl.get(_APPLICATION, name, "-n", _NAMESPACE)
        return found
