"""Where a cluster under test gets its images from."""

import os
import re

from tests.cluster.kubectl import Kubectl


def registry_of(kubectl: Kubectl) -> str:
    """`host:port` of a registry without TLS that this machine pushes to and nodes pull from.

    Told by SEGUE_TEST_REGISTRY, or by the cluster itself, as kind's and ours do.
    """
    if given := os.environ.get("SEGUE_TEST_REGISTRY"):
        return given
    hosting = kubectl.get("configmap", "local-registry-hosting", "-n", "kube-public")
    found = re.search(r'^host:\s*"?([^"\s]+)', hosting["data"]["localRegistryHosting.v1"], re.MULTILINE)
    assert found, "the cluster does not say where its registry is; set SEGUE_TEST_REGISTRY"
    return found[1]
