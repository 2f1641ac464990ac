"""Ports of this host for workloads: free now, given to nobody else, and not the kernel's to give."""

import random
import socket
from pathlib import Path

from service.ports.outcomes import Retry

FIRST, LAST = 20_000, 32_000  # below what Linux takes for outgoing connections by default
_TRIES = 200


def free(
    taken: set[int], wanted: int = 0, bounds: Path = Path("/proc/sys/net/ipv4/ip_local_port_range")
) -> int:
    """A port of 127.0.0.1, free and not among those taken; the wanted one where it can be had."""
    if wanted and wanted not in taken and _is_free(wanted):
        return wanted
    last = min(LAST, _first_of_kernel(bounds) - 1)
    for _ in range(_TRIES):
        port = random.randint(FIRST, last) if last > FIRST else random.randint(1024, 65_535)  # noqa: S311
        if port not in taken and _is_free(port):
            return port
    raise Retry(f"no free port was found between {FIRST} and {last}", 10)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _first_of_kernel(bounds: Path) -> int:
    try:
        return int(bounds.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return LAST + 1
