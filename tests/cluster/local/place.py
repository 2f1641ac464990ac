"""Where a cluster of ours lives: its names, folders and addresses, all told by a name and a number.

Two clusters on one machine share nothing when both differ, and neither do those that tests start beside them.
Nothing here touches the machine.
"""

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

API_PORT = 6443
REGISTRY_PORT = 5000
METRICS_PORT = 4443


class Beside(Enum):
    """Another cluster beside one, for a test: the quarter of its addresses that it has."""

    BARE = 1
    SECOND = 2
    GONE = 3


@dataclass(frozen=True, slots=True)
class Place:
    """One cluster: `folder` holds all that it writes, `programs` is where its binaries lie."""

    name: str
    number: int
    folder: Path
    programs: Path
    quarter: int = 0

    def __post_init__(self) -> None:
        if not self.name.isalnum() or not self.name.islower() or len(self.name) > 8:
            raise ValueError(f"{self.name!r} names interfaces: at most 8 lower-case letters and digits")
        if not 0 <= self.number < 8:
            raise ValueError(f"number {self.number} is not 0 to 7; each has addresses of its own")

    def beside(self, other: Beside) -> "Place":
        """Where that one lives beside this one."""
        word = other.name.lower()
        folder = self.folder.with_name(f"{self.folder.name}-{word}")
        return replace(self, name=f"{word[0]}{self.name}"[:8], folder=folder, quarter=other.value)

    @property
    def netns(self) -> str:
        """The network namespace, and at once the node and the cgroup below which pods run."""
        return f"segue-{self.name}"

    @property
    def host_ip(self) -> str:
        """This machine, as the cluster sees it."""
        return f"172.31.{240 + self.number}.{4 * self.quarter + 1}"

    @property
    def node_ip(self) -> str:
        """The node, API server and registry, as this machine sees them."""
        return f"172.31.{240 + self.number}.{4 * self.quarter + 2}"

    @property
    def pods(self) -> str:
        """The addresses of pods."""
        return f"10.{200 + 2 * self.number}.{64 * self.quarter}.0/18"

    @property
    def node_pods(self) -> str:
        """The part of them that the only node hands out."""
        return f"10.{200 + 2 * self.number}.{64 * self.quarter}.0/24"

    @property
    def services(self) -> str:
        """The addresses of Services."""
        return f"10.{201 + 2 * self.number}.{64 * self.quarter}.0/18"

    def service_ip(self, last: int) -> str:
        """A Service address that is known beforehand: 1 is the API, 10 is DNS."""
        return f"10.{201 + 2 * self.number}.{64 * self.quarter}.{last}"

    @property
    def registry(self) -> str:
        """The image registry, by one address for the node and for this machine (plain HTTP)."""
        return f"{self.node_ip}:{REGISTRY_PORT}"

    @property
    def socket(self) -> Path:
        """Where containerd listens."""
        return self.folder / "containerd.sock"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; it is written last, so it means that the cluster is ready."""
        return self.folder / "admin.conf"

    def program(self, name: str) -> str:
        """A binary of ours."""
        return str(self.programs / name)

    def certificate(self, name: str) -> Path:
        """The certificate of that name; the key lies beside it."""
        return self.folder / "pki" / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The key of that name."""
        return self.folder / "pki" / f"{name}.key"

    def client(self, name: str) -> Path:
        """The kubeconfig of a component."""
        return self.folder / "pki" / f"{name}.conf"
