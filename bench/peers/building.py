"""What the benchmark of peers runs, each built once: the two controllers and the application."""

from pathlib import Path

from tests.cluster.local.around import Module, build, controller, home

_APP = Path(__file__).parent / "app"
_VERSIONS = {"0": "0", "1": "0", "2": "0", "3": "0.05"}  # of the application, with the share of errors

ARGO = Module(
    "github.com/argoproj/argo-rollouts",
    "v1.10.1",
    "cmd/rollouts-controller",
    tuple(
        f"manifests/crds/{name}-crd.yaml"
        for name in (
            "rollout",
            "analysis-run",
            "analysis-template",
            "cluster-analysis-template",
            "experiment",
        )
    ),
)
FLAGGER = Module("github.com/fluxcd/flagger", "v1.44.0", "cmd/flagger", ("artifacts/flagger/crd.yaml",))


def application(version: str) -> Path:
    """One version of the application: 0 to 2 are good, of 3 every twentieth answer is an error."""
    source = (_APP / "main.go").stat().st_mtime_ns
    ready = home() / f"peers-app-{version}-{source:x}"
    if not ready.exists():
        flags = f"-X main.version={version} -X main.errors={_VERSIONS[version]}"
        build(_APP, ".", ready, "-mod=readonly", flags)
    return ready


if __name__ == "__main__":
    for each in (ARGO, FLAGGER):
        print(controller(each))
