"""Builds Kubernetes and what goes with it, from modules that `tests/cluster/go.mod` pins, once.

Binaries are kept outside of the repository, by what they were made from. The default version of
Kubernetes is go.mod's; another one, the oldest that we support for instance, gets a module of its own
that is generated here, while everything else stays what go.mod says.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODULE = Path(__file__).parents[1]
_KUBERNETES = "k8s.io/kubernetes"
_COMPONENTS = [
    f"{_KUBERNETES}/cmd/{name}"
    for name in (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubectl",
        "kubelet",
    )
]
_OTHERS = [
    "./dns",
    "./pause",
    "go.etcd.io/etcd/server/v3",
    "helm.sh/helm/v4/cmd/helm",
    "sigs.k8s.io/metrics-server/cmd/metrics-server",
]
_CONTAINERD = "-tags=no_btrfs no_devmapper no_zfs"  # what would need the headers of C libraries
_MISPLACED = {"server": "etcd"}  # Go names a program after the last part of its path


def programs(home: Path, version: str | None = None) -> Path:
    """The folder of binaries, built where it is not there. `version` is Kubernetes', as in 1.34.4."""
    version = version or default_version()
    ready = home / "programs" / f"{version}-{_fingerprint()}"
    if ready.exists():
        return ready
    with _made_whole(ready) as new:
        _build_all(new, version)
    return ready


@contextmanager
def _made_whole(ready: Path) -> Iterator[Path]:
    """A folder to build into, which gets its name once all is built."""
    ready.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=ready.parent, prefix="new-"))
    try:
        yield new
        new.chmod(0o755)
        new.replace(ready)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def containerd(home: Path) -> Path:
    """The folder of the container runtime of `tests/cluster/containerd`, built where it is not there: a newer one
    than distributions have, which can mount images as volumes."""
    folder = MODULE / "containerd"
    digest = hashlib.sha256((folder / "go.mod").read_bytes() + (folder / "go.sum").read_bytes()).hexdigest()
    ready = home / "programs" / f"containerd-{digest[:12]}"
    if not ready.exists():
        with _made_whole(ready) as new:
            _go(
                "build",
                "-trimpath",
                "-mod=readonly",
                _CONTAINERD,
                "-ldflags=-s -w",
                "-o",
                f"{new}/",
                "tool",
                folder=folder,
            )
    return ready


def gateway_api() -> Path:
    """The folder of the Gateway API's standard definitions; they come with its module."""
    found = json.loads(_go("mod", "download", "-json", "sigs.k8s.io/gateway-api", folder=MODULE))
    return Path(found["Dir"]) / "config/crd/standard"


def default_version() -> str:
    """The version of Kubernetes in go.mod."""
    found = re.search(rf"{_KUBERNETES} v(\S+)", (MODULE / "go.mod").read_text())
    if found is None:
        raise RuntimeError(f"{MODULE / 'go.mod'} does not require {_KUBERNETES}")
    return found[1]


def generated(version: str) -> str:
    """A go.mod for that version: it names the staging modules as the version's own go.mod does.

    Upstream requires them as v0.0.0 and replaces them by folders; what is published of v1.X.Y is v0.X.Y.
    """
    answer = json.loads(_go("mod", "download", "-json", f"{_KUBERNETES}@v{version}", folder=MODULE))
    upstream = Path(answer["GoMod"]).read_text()
    staging = re.findall(r"^\s+(\S+) v0\.0\.0(?: .*)?$", upstream, re.MULTILINE)
    language = re.search(r"^go \S+", upstream, re.MULTILINE)
    replaced = [f"replace {module} => {module} v0{version[1:]}" for module in staging]
    required = f"require {_KUBERNETES} v{version}"
    return "\n".join(["module segue.test/other", language[0] if language else "", required, *replaced, ""])


def _build_all(new: Path, version: str) -> None:
    if version == default_version():
        _build(new, MODULE, version, [*_OTHERS, *_COMPONENTS], "-mod=readonly")
    else:
        _build(new, MODULE, version, _OTHERS, "-mod=readonly")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "go.mod").write_text(generated(version))
            _build(new, Path(folder), version, _COMPONENTS, "-mod=mod")
    for name, right in _MISPLACED.items():
        (new / name).rename(new / right)


def _build(new: Path, folder: Path, version: str, packages: list[str], mode: str) -> None:
    major, minor, _ = version.split(".")
    known = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    # Without them the API server says that it is v0.0.0, and clients complain.
    named = [f"-X k8s.io/component-base/version.{name}={value}" for name, value in known.items()]
    flags = f"-ldflags=-s -w {' '.join(named)}"
    _go("build", "-trimpath", mode, flags, "-o", f"{new}/", *packages, folder=folder)


def _go(*words: str, folder: Path) -> str:
    if shutil.which("go") is None:
        raise SystemExit(
            "The cluster for tests is built with Go 1.26 or newer: see https://go.dev/doc/install"
        )
    env = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(["go", *words], check=False, stdout=subprocess.PIPE, text=True, cwd=folder, env=env)
    if done.returncode != 0:
        sys.exit(f"go {words[0]} failed in {folder}")
    return done.stdout


def _fingerprint() -> str:
    files = [MODULE / "go.mod", MODULE / "go.sum", *sorted(MODULE.glob("*/main.go"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]
