"""One Segue that knows two clusters by name: one with all that it needs, and one without the Gateway API."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.bare import api_server
from tests.cluster.local import building
from tests.cluster.routing import Gateway, kubeconfig

SEGUE = str(Path(sys.executable).with_name("segue"))
MISSING = "the cluster has no Gateway API"


pytestmark = pytest.mark.whole  # `segue` is started six times


@pytest.fixture(scope="module")
def bare():
    with api_server() as place:
        yield place


def segue(home, *words):
    env = {"SEGUE_HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run([SEGUE, *words], env=env, check=False, capture_output=True, text=True)


def missing(home, name):
    """What the doctor finds amiss in the cluster of that name, with what mends it; and how it ends."""
    done = segue(home, "doctor", "--cluster", name, "--json")
    said = json.loads(done.stdout)
    return {one["detail"]: one["mend"] for one in said if not one["ok"]}, done.returncode


def test_each_cluster_is_asked_by_its_name_and_the_gateway_api_that_one_lacks_is_told_with_its_line(
    bare, tmp_path
):
    with Gateway() as whole:
        given = whole.cluster
        address = ("--address", given.address, "--metrics", given.metrics)
        for name, config, namespace, gateway in (
            ("whole", kubeconfig(), whole.namespace, given.gateway),
            ("bare", str(bare.kubeconfig), "default", "infra/web"),
        ):
            words = ("--kubeconfig", config, "--namespace", namespace, "--gateway", gateway, *address)
            done = segue(tmp_path, "cluster", name, *words)
            assert done.returncode == 0, done.stderr
        found, code = missing(tmp_path, "bare")
        assert (code, found[MISSING].partition("/releases/")[0]) == (
            1,
            "kubectl apply --server-side -f https://github.com/kubernetes-sigs/gateway-api",
        )
        assert MISSING not in missing(tmp_path, "whole")[0]

        apply = ("kubectl", "--kubeconfig", str(bare.kubeconfig), "apply", "--server-side", "-f")
        subprocess.run([*apply, str(building.gateway_api())], check=True, capture_output=True)
        found, code = missing(tmp_path, "bare")
        assert (code, MISSING in found, "there is no Gateway infra/web" in found) == (1, False, True)
