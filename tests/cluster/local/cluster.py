"""A one-node cluster from nothing, and back to nothing."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster.local import addons, archive, control_plane, network, node, pki
from tests.cluster.local.control_plane import kubectl
from tests.cluster.local.place import Place
from tests.cluster.local.processes import cgroups, end_all, inhabitants, wait_until


def up(place: Place, gateway_api: Path) -> None:
    """Start the cluster. What an earlier run of that name left is removed before.

    `gateway_api` holds the definitions of the Gateway API.
    """
    down(place)
    for folder in ("logs", "components"):
        (place.folder / folder).mkdir(parents=True)
    stages: list[tuple[str, Callable[[], object]]] = [
        ("certificates", lambda: pki.make(place)),
        ("network", lambda: network.make(place)),
        ("control plane", lambda: control_plane.start_all(place)),
        ("node", lambda: _start_node(place)),
        ("names and metrics", lambda: addons.start_all(place, gateway_api)),
    ]
    for name, work in stages:
        begun = time.monotonic()
        work()
        print(f"{name}: {time.monotonic() - begun:.1f} s", flush=True)
    place.kubeconfig.touch(mode=0o600)
    place.kubeconfig.write_text(pki.kubeconfig(place, "admin"))


def down(place: Place) -> None:
    """Remove the cluster: processes, mounts, cgroups, network, files. Nothing of it need be there."""
    place.kubeconfig.unlink(missing_ok=True)
    end_all(place)
    for path in mounts(place):
        subprocess.run(["umount", "--lazy", str(path)], check=True)
    for path in cgroups(place):
        path.rmdir()
    network.remove(place)
    for path in elsewhere(place):
        path.unlink(missing_ok=True)
    if place.folder.exists():
        shutil.rmtree(place.folder)


def left(place: Place) -> dict[str, list[str]]:
    """What of the cluster is on this machine; all empty after `down`."""
    spaces = [path for path in Path("/var/run/netns").glob("*") if path.name == place.netns]
    links = [path for path in Path("/sys/class/net").iterdir() if path.name == f"sgh-{place.name}"]
    files = [path for path in (place.folder,) if path.exists()]
    found: dict[str, list[object]] = {
        "processes": [*inhabitants(place)],
        "mounts": [*mounts(place)],
        "cgroups": [*cgroups(place)],
        "network": [*spaces, *links],
        "files": [*files, *elsewhere(place)],
    }
    return {kind: sorted(map(str, things)) for kind, things in found.items()}


def elsewhere(place: Place) -> list[Path]:
    """Files outside of the cluster's folder: results of network plugins, sockets of containers' shims.

    Their places are compiled into containerd; they go with a container that ends well.
    """
    results = Path("/var/lib/cni/results").glob("*")
    folder = str(place.folder)
    sockets = (_text(path) for path in place.folder.glob("containerd-state/*/k8s.io/*/address"))
    return [
        *(path for path in results if folder in _text(path)),
        *(path for path in (Path(socket.removeprefix("unix://")) for socket in sockets) if path.is_socket()),
    ]


def _text(path: Path) -> str:
    """Empty where the file went meanwhile; another cluster on this machine may write beside ours."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def mounts(place: Place) -> list[Path]:
    """Mounts below the cluster's folder, the newest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return [point for point in reversed(points) if point.is_relative_to(place.folder.resolve())]


def _start_node(place: Place) -> None:
    kubelet = node.start_all(
        place, archive.pause(node.PAUSE, place.programs / "pause", place.folder / "pause.tar")
    )
    kubelet.wait_for(lambda: _ready(place))
    account = ("get", "serviceaccount", "default", "-n", "default")
    wait_until(lambda: kubectl(place, *account).returncode == 0, "the default service account")


def _ready(place: Place) -> bool:
    path = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    return kubectl(place, "get", "nodes", "-o", path).stdout == "True"
