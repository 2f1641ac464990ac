"""A second API server beside a cluster of ours: no node, no definitions of the Gateway API, nothing installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.local import cluster, control_plane, network, pki
from tests.cluster.local.known import cluster_under_test
from tests.cluster.local.place import Beside, Place


@contextmanager
def api_server() -> Iterator[Place]:
    """It answers at the place's kubeconfig; gone afterwards. Skipped where the cluster under test is not ours."""
    place = cluster_under_test().beside(Beside.BARE)
    cluster.down(place)
    try:
        for folder in ("logs", "components"):
            (place.folder / folder).mkdir(parents=True)
        pki.make(place)
        network.make(place)
        control_plane.start_api(place)
        place.kubeconfig.touch(mode=0o600)
        place.kubeconfig.write_text(pki.kubeconfig(place, "admin"))
        yield place
    finally:
        cluster.down(place)
