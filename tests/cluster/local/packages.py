"""What the distribution has to bring: the container runtime, its network plugins, a registry."""

import os
import shutil
import subprocess
import sys

_PACKAGES = {
    "containerd": "containerd",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "runc": "runc",
    "sysctl": "procps",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}


def install() -> None:
    """Install what is missing, by apt. Says what to install where that is not possible."""
    missing = sorted(package for program, package in _PACKAGES.items() if shutil.which(program) is None)
    if os.geteuid() != 0:
        sys.exit(
            "The cluster for tests has a kubelet, which runs as root: use sudo, or SEGUE_TEST_KUBECONFIG"
        )
    if not missing:
        return
    if shutil.which("apt-get") is None:
        sys.exit(f"Install what Debian calls {', '.join(missing)}, or use SEGUE_TEST_KUBECONFIG")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", *words], check=True, env=quiet, stdout=subprocess.DEVNULL)
