"""Evaluations that ask for an accelerator, of a node whose accelerators a real device plugin offers."""

import os
from pathlib import Path

import pytest

from policies.spec.declaration_cluster import PodNeeds
from service.adapters.kubernetes.kinds import NODE
from service.ports.jobs import Result
from service.ports.outcomes import Working
from tests.cluster.devices import Plugin
from tests.cluster.jobs_world import World
from tests.cluster.whole import eventually
from tests.contracts.test_job_runner import end

RESOURCE, VARIABLE = "segue.test/accelerator", "SEGUE_TEST_ACCELERATORS"
ASKS = PodNeeds(extended=((RESOURCE, 1),))
# The number of the device that it was given.
TELLS = f"import json, os; json.dump({{'device': int(os.environ['{VARIABLE}'])}}, open(os.environ['SEGUE_RESULT'], 'w'))"
STAYS = f"import os, time; print(os.environ['{VARIABLE}'], flush=True); time.sleep(600)"


@pytest.fixture
def folder():
    """Where the node's kubelet listens for plugins."""
    told = os.environ.get("SEGUE_TEST_DEVICE_PLUGINS")
    if not told:
        pytest.skip("SEGUE_TEST_DEVICE_PLUGINS does not say where the node's kubelet listens for plugins")
    return Path(told)


@pytest.fixture
def world(kubeconfig, namespace, images):
    world = World(kubeconfig, namespace, images.python("python", {}, []))
    world.settle()
    return world


def offered(world, count):
    """Wait until the cluster's nodes offer so many devices."""
    eventually(
        lambda: sum(int(node["status"]["allocatable"].get(RESOURCE, 0)) for node in nodes(world)) == count,
        f"the node does not offer {count}",
    )


def nodes(world):
    return world.api.list(NODE, None)


def waits(world, name):
    """The reason for which the job waits for its device, once it is told."""
    state = eventually(
        lambda: s if "no node can take it" in str(s := world.jobs.state(name)) else None, "it does not wait"
    )
    assert isinstance(state, Working)
    assert f"with too little {RESOURCE} left" in str(state)


def test_a_device_is_given_to_one_job_and_waited_for_by_the_next(world, folder):
    with Plugin(folder, RESOURCE, VARIABLE, ["7"]) as plugin:
        offered(world, 1)
        world.jobs.start(world.python(STAYS, name="first", pod=ASKS, seconds=600))
        eventually(lambda: world.jobs.logs("first") == "7\n", "the first job does not get the device")
        world.jobs.start(world.python(TELLS, name="second", pod=ASKS))
        waits(world, "second")
        assert plugin.given == [("7",)]
        world.jobs.cancel("first")
        assert end(world, "second") == Result((("device", 7.0),))
        assert plugin.given == [("7",), ("7",)]


@pytest.mark.whole
def test_a_plugin_that_goes_is_waited_for_until_it_is_back(world, folder):
    with Plugin(folder, RESOURCE, VARIABLE, ["7", "8"]):
        offered(world, 2)
    offered(world, 0)
    world.jobs.start(world.python(TELLS, name="job", pod=ASKS))
    waits(world, "job")
    with Plugin(folder, RESOURCE, VARIABLE, ["9"]) as plugin:
        assert end(world, "job") == Result((("device", 9.0),))
        assert plugin.given == [("9",)]
