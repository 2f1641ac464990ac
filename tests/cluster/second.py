"""A second cluster beside the one under test, with a node of its own and a mirror of the first one's registry.

Neither sees the other's network: a reference means the same image in both, as with the mirrors of a company.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from service.adapters.oci.push import push
from tests.cluster.images import Images
from tests.cluster.local import building, cluster, processes
from tests.cluster.local.known import cluster_under_test
from tests.cluster.local.place import Beside, Place

API_SERVER = "kube-apiserver"


@contextmanager
def another_cluster(registry: str) -> Iterator[Place]:
    """It is ready; gone afterwards. Skipped where the cluster under test is not ours."""
    place = cluster_under_test().beside(Beside.SECOND)
    try:
        cluster.up(place, building.gateway_api())
        hosts = place.folder / "certs.d" / registry
        hosts.mkdir()
        mirror = f'[host."http://{place.registry}"]\n  capabilities = ["pull", "resolve"]\n'
        (hosts / "hosts.toml").write_text(f'server = "http://{place.registry}"\n{mirror}')
        yield place
    finally:
        cluster.down(place)


class Mirrored(Images):
    """Images that are pushed to a second registry, too; references name the first."""

    def __init__(self, images: Images, mirror: str) -> None:
        super().__init__(images.home, images.registry)
        self._mirror = f"http://{mirror}"

    def pushed(self, digest: str, repository: str) -> str:
        """Push it to both."""
        push(self.home, digest, self._mirror, repository)
        return super().pushed(digest, repository)


@contextmanager
def without_api_server(place: Place) -> Iterator[None]:
    """Its API server refuses connections for as long as it lasts."""
    processes.stop(place, API_SERVER)
    try:
        yield
    finally:
        processes.again(place, API_SERVER)
