"""Builds what the benchmark of peers runs, once: the two controllers from their modules, and the application.

`go install` refuses modules whose go.mod replaces others, so each controller gets a module around it: its
own go.mod and go.sum under another name, with the controller itself as one more requirement.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_APP = Path(__file__).parent / "app"
_VERSIONS = {"0": "0", "1": "0", "2": "0", "3": "0.05"}  # of the application, with the share of errors


@dataclass(frozen=True, slots=True)
class Module:
    """A controller's module, the version that is compared with, and its program."""

    path: str
    version: str
    package: str
    definitions: tuple[str, ...]  # of its own kinds of objects, inside of the module

    @property
    def program(self) -> str:
        """What Go calls it."""
        return self.package.rpartition("/")[2]


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


def home() -> Path:
    """Where programs are kept, outside of the repository, beside those of the cluster for tests."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "segue-cluster" / "programs"


def controller(module: Module) -> Path:
    """The controller's program; its first build takes many minutes."""
    ready = home() / f"{module.program}-{module.version}"
    if not ready.exists():
        with tempfile.TemporaryDirectory() as folder:
            _around(module, Path(folder))
            _build(Path(folder), f"{module.path}/{module.package}", ready, "-mod=mod")
    return ready


def definitions(module: Module) -> list[Path]:
    """The files that define the controller's kinds of objects."""
    folder = Path(_download(module)["Dir"])
    return [folder / name for name in module.definitions]


def application(version: str) -> Path:
    """One version of the application: 0 to 2 are good, of 3 every twentieth answer is an error."""
    source = (_APP / "main.go").stat().st_mtime_ns
    ready = home() / f"peers-app-{version}-{source:x}"
    if not ready.exists():
        flags = f"-X main.version={version} -X main.errors={_VERSIONS[version]}"
        _build(_APP, ".", ready, "-mod=readonly", flags)
    return ready


def _around(module: Module, folder: Path) -> None:
    found = _download(module)
    for source, name in ((found["GoMod"], "go.mod"), (f"{found['Dir']}/go.sum", "go.sum")):
        shutil.copyfile(source, folder / name)
    _go("mod", "edit", "-module=segue.test/around", f"-require={module.path}@{module.version}", folder=folder)
    uses = f'//go:build tools\n\npackage tools\n\nimport _ "{module.path}/{module.package}"\n'
    (folder / "tools.go").write_text(uses)


def _download(module: Module) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        told = _go("mod", "download", "-json", f"{module.path}@{module.version}", folder=Path(folder))
    found: dict[str, str] = json.loads(told)
    return found


def _build(folder: Path, package: str, ready: Path, mode: str, flags: str = "") -> None:
    ready.parent.mkdir(parents=True, exist_ok=True)
    new = ready.with_name(f"{ready.name}.new-{os.getpid()}")
    print(f"building {ready.name} ...", file=sys.stderr, flush=True)
    told = f"-ldflags=-s -w {flags}"
    _go("build", "-trimpath", mode, told, "-o", str(new), package, folder=folder)
    new.replace(ready)


def _go(*words: str, folder: Path) -> str:
    env = {**os.environ, "CGO_ENABLED": "0"}
    command = ["nice", "-n", "15", "go", *words]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=folder, env=env)
    if done.returncode != 0:
        raise SystemExit(f"go {words[0]} failed in {folder}")
    return done.stdout


if __name__ == "__main__":
    for each in (ARGO, FLAGGER):
        print(controller(each))
