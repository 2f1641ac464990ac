"""The cluster under test, for tests that start another one beside it."""

import os
from pathlib import Path

import pytest

from tests.cluster.local.place import Place


def cluster_under_test() -> Place:
    """Where it lives. The test is skipped where `python -m tests.cluster.local` did not start it."""
    known = os.environ.get("SEGUE_TEST_STOPPABLE")
    if not known:
        pytest.skip("this machine runs no cluster of ours: SEGUE_TEST_STOPPABLE is not set")
    name, number = known.split(":")
    folder = Path(os.environ["SEGUE_TEST_KUBECONFIG"]).parent
    return Place(name, int(number), folder, Path(os.environ["SEGUE_TEST_PROGRAMS"]))
