"""Where the tests of a cluster work: the cluster that SEGUE_TEST_KUBECONFIG names, in namespaces of their own."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import NAMESPACE
from service.ports import Cluster, Retry

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def cluster(name: str = "test", **given: object) -> Cluster:
    """The cluster under test; skips where none is named."""
    kubeconfig = os.environ.get("SEGUE_TEST_KUBECONFIG")
    if not kubeconfig:
        pytest.skip("SEGUE_TEST_KUBECONFIG names no cluster; `make test-cluster` starts one")
    return Cluster(name, kubeconfig, owner="tests", **given)


@contextmanager
def namespace(api: Api, prefix: str, labels: dict[str, str] | None = None) -> Iterator[str]:
    """A new namespace, deleted afterwards."""
    name = f"{prefix}-{secrets.token_hex(3)}"
    api.create(NAMESPACE, None, {"metadata": {"name": name, "labels": labels or {}}})
    try:
        yield name
    finally:
        api.delete(NAMESPACE, None, name)


def eventually(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer; an error of the look itself, or of the wait, where there is none."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = look()
        except Retry:
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: the last look gave {found!r}")
        time.sleep(0.1)
