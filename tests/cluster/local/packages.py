"""What the distribution has to bring: the container runtime, its network plugins, a registry."""

import os
import sys

from tests import packages

_PACKAGES = {
    "containerd": "containerd",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "runc": "runc",
    "sysctl": "procps",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}


def install() -> None:
    """Install what is missing. Says what to install where that is not possible."""
    if os.geteuid() != 0:
        sys.exit(
            "The cluster for tests has a kubelet, which runs as root: use sudo, or SEGUE_TEST_KUBECONFIG"
        )
    try:
        packages.install(_PACKAGES)
    except RuntimeError as lacking:
        sys.exit(f"{lacking}, or use SEGUE_TEST_KUBECONFIG")
