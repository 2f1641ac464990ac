"""The cluster's network namespace: one link to this machine, and routes to its pods and Services.

kube-proxy's rules and all bridges are inside, so nothing of the machine is changed but two routes,
which go with the link.
"""

import subprocess

from tests.cluster.local.place import Place


def make(place: Place) -> None:
    """Make the namespace and the link. The caller has removed what an earlier run left."""
    space, outside, inside = place.netns, f"sgh-{place.name}", f"sgn-{place.name}"
    _ip("netns", "add", space)
    _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space)
    _ip("addr", "add", f"{place.host_ip}/30", "dev", outside)
    _ip("link", "set", outside, "up")
    _ip("-n", space, "addr", "add", f"{place.node_ip}/30", "dev", inside)
    _ip("-n", space, "link", "set", inside, "up")
    _ip("-n", space, "link", "set", "lo", "up")
    _ip("-n", space, "route", "add", "default", "via", place.host_ip)
    for range_ in (place.pods, place.services):
        _ip("route", "add", range_, "via", place.node_ip)
    subprocess.run([*entered(place), "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)


def remove(place: Place) -> None:
    """Remove both, if they are there; no process may be left inside."""
    for words in (("link", "del", f"sgh-{place.name}"), ("netns", "del", place.netns)):
        subprocess.run(["ip", *words], check=False, capture_output=True)


def entered(place: Place) -> list[str]:
    """What to put before a command so that it runs inside.

    Not `ip netns exec`: that makes a mount namespace, in which the kubelet's mounts would stay.
    """
    return ["nsenter", f"--net=/var/run/netns/{place.netns}"]


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
