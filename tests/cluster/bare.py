"""A second API server beside a cluster of ours: no node, no definitions of the Gateway API, nothing installed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.local import cluster, control_plane, network, pki
from tests.cluster.local.place import Place


@contextmanager
def api_server() -> Iterator[Place]:
    """It answers at the place's kubeconfig; gone afterwards. Skipped where the cluster under test is not ours."""
    known = os.environ.get("SEGUE_TEST_STOPPABLE")
    if not known:
        pytest.skip("this machine runs no cluster of ours: SEGUE_TEST_STOPPABLE is not set")
    name, number = known.split(":")
    home = Path(os.environ["SEGUE_TEST_KUBECONFIG"]).parents[1]
    place = Place(f"b{name}"[:8], int(number) % 4 + 4, home / f"{name}-bare", _programs())
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


def _programs() -> Path:
    return Path(os.environ["SEGUE_TEST_PROGRAMS"])
