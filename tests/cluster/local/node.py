"""The node: containerd, kubelet, kube-proxy and an image registry.

containerd, runc and the network plugins are the distribution's. What would be shared by two nodes of
one machine is each one's own here: the cgroup, the pods' logs, leases of addresses, the folder for
device plugins.
"""

import json
import resource
import subprocess
from pathlib import Path

from tests.cluster.local.place import REGISTRY_PORT, Place
from tests.cluster.local.processes import CGROUPS, Started, start

PAUSE = "segue.test/pause:1"
_PLUGINS = next((p for p in ("/usr/lib/cni", "/opt/cni/bin") if Path(p).is_dir()), "/usr/lib/cni")
# The kubelet makes mounts that containerd must see, so its folder is shared between their mount
# namespaces. It has one of its own because the paths of the device plugins and of links to logs are
# compiled in; only `/` is made private there: a recursive change would hide its mounts from containerd.
_COMPILED_IN = ("/var/lib/kubelet", "/var/log/containers")
_OWN_FOLDERS = f"""mount --make-private / && for path in {" ".join(_COMPILED_IN)}
do mount --bind "$0$path" "$path" || exit 1; done && exec "$@" """


def start_all(place: Place, pause: Path) -> Started:
    """Start it; returns the kubelet. `pause` is the archive of the image that holds a pod's namespaces."""
    _make_cgroups(place)
    start_registry(place)
    _configure_containerd(place)
    containerd = start(place, "containerd", ["containerd", "--config", place.folder / "containerd.toml"])
    containerd.wait_for(lambda: ctr(place, "version", check=False))
    ctr(place, "-n", "k8s.io", "images", "import", "--all-platforms", pause)
    start(place, "kube-proxy", _proxy(place))
    return start(place, "kubelet", _kubelet(place))


def device_plugins(place: Place) -> Path:
    """The folder where the kubelet listens for device plugins, as this machine sees it."""
    return place.folder / "private" / _COMPILED_IN[0][1:] / "device-plugins"


def ctr(place: Place, *words: object, check: bool = True) -> bool:
    """Ask containerd for something; whether it was done."""
    command = ["ctr", "--address", *map(str, (place.socket, *words))]
    return subprocess.run(command, check=check, capture_output=True).returncode == 0


def start_registry(place: Place) -> None:
    """Debian's Distribution, one address for this machine and for the node."""
    settings = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(place.folder / "registry-images")},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"{place.node_ip}:{REGISTRY_PORT}"},
    }
    (place.folder / "registry.yml").write_text(json.dumps(settings))
    start(place, "registry", ["docker-registry", "serve", place.folder / "registry.yml"])


def _make_cgroups(place: Place) -> None:
    if (CGROUPS / "cgroup.controllers").exists():
        controllers = (CGROUPS / "cgroup.controllers").read_text().split()
        (CGROUPS / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
        (CGROUPS / place.netns).mkdir(exist_ok=True)
        return
    for controller in CGROUPS.glob("*/"):
        folder = controller / place.netns
        if not controller.is_symlink() and (controller / "cgroup.procs").exists():
            folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new folder, and nothing runs then
            if (folder / name).exists():
                (folder / name).write_text((controller / name).read_text())


def _configure_containerd(place: Place) -> None:
    folder = place.folder
    (folder / "cni").mkdir()
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(_network(place)))
    hosts = folder / "certs.d" / place.registry
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(
        f'server = "http://{place.registry}"\n'  # else what is not there is asked for once more, by TLS
        f'[host."http://{place.registry}"]\n  capabilities = ["pull", "resolve"]\n'
    )
    (folder / "containerd.toml").write_text(f"""
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{place.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  max_concurrent_downloads = 3
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{_PLUGINS}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = "{folder}/runc"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{folder}/certs.d"
""")


def _network(place: Place) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": str(place.folder / "leases"),
        "ranges": [[{"subnet": place.node_pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": place.netns, "plugins": [{**bridge, "ipam": addresses}, ports]}


def _kubelet(place: Place) -> list[object]:
    root, private = place.folder / "kubelet", place.folder / "private"
    for path in (root, *map(Path, _COMPILED_IN), *(private / path[1:] for path in _COMPILED_IN)):
        path.mkdir(parents=True, exist_ok=True)
    for words in (["--bind", str(root), str(root)], ["--make-shared", str(root)]):
        subprocess.run(["mount", *words], check=True)
    settings = place.folder / "kubelet.json"
    settings.write_text(json.dumps(_kubelet_settings(place)))
    command = [
        place.program("kubelet"),
        f"--config={settings}",
        f"--kubeconfig={place.client('kubelet')}",
        f"--hostname-override={place.netns}",
        f"--node-ip={place.node_ip}",
        f"--root-dir={root}",
        f"--cert-dir={place.folder / 'pki'}",
    ]
    return ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", _OWN_FOLDERS, private, *command]


def _kubelet_settings(place: Place) -> dict[str, object]:
    """See https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(place.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "address": place.node_ip,
        "tlsCertFile": str(place.certificate("kubelet")),
        "tlsPrivateKeyFile": str(place.key("kubelet")),
        "containerRuntimeEndpoint": f"unix://{place.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{place.netns}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,  # to lower it needs a right that containers lack
        "maxOpenFiles": _open_files(),
        "podLogsDir": str(place.folder / "pod-logs"),
        "volumePluginDir": str(place.folder / "volume-plugins"),
        "podCIDR": place.node_pods,
        "clusterDNS": [place.service_ip(10)],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        "serializeImagePulls": False,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "2%", "imagefs.available": "2%"},
        "imageGCHighThresholdPercent": 99,
        "imageGCLowThresholdPercent": 98,
    }


def _open_files() -> int:
    return min(1_000_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _proxy(place: Place) -> list[object]:
    return [
        place.program("kube-proxy"),
        f"--kubeconfig={place.client('proxy')}",
        f"--hostname-override={place.netns}",
        f"--cluster-cidr={place.pods}",
        "--proxy-mode=iptables",
        # Zero leaves the kernel's settings, which are the whole machine's, as they are.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--oom-score-adj=0",
    ]
