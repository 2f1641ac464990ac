"""A copy ends once the data plane sends it nothing any more, as the data plane itself counts."""

import pytest

from policies.place import Place
from service.adapters.kubernetes import labels
from service.adapters.kubernetes.copying import COPIED_FROM
from service.adapters.kubernetes.forgetting import QUIET_SECONDS, Forgetting
from service.adapters.kubernetes.kinds import DEPLOYMENT
from service.adapters.kubernetes.workloads import LINGER_SECONDS, LONGEST_SECONDS, KubernetesWorkloads
from service.ports.connections import Cluster
from service.ports.metrics import Counters, NoData, Sample
from service.ports.outcomes import Retry

COPY = "fraud-2.ml"


class DataPlane:
    """Counts a version's requests; `at` is when it last told them."""

    def __init__(self):
        self.at, self.sent, self.told = 0.0, 5.0, True

    def counts(self):
        if not self.told:
            return NoData("it does not answer")
        return Sample(self.at, 0.0, ((COPY, Counters(self.sent, 0.0)),))


class Api:
    """A Deployment that was taken over, and a copy of it that answers."""

    def __init__(self):
        worn = {**labels.labels("fraud/prod", "fraud-2", "me"), COPIED_FROM: "fraud"}
        copied = {"metadata": {"labels": worn}, "spec": {}, "status": {"readyReplicas": 1}}
        self.there = {(DEPLOYMENT, "fraud"): {"metadata": {}, "spec": {}}, (DEPLOYMENT, "fraud-2"): copied}
        for (_, name), one in self.there.items():
            one["metadata"] |= {"name": name, "uid": name, "resourceVersion": "1", "annotations": {}}

    def get(self, kind, namespace, name):
        return self.there.get((kind, name))

    def patch(self, kind, namespace, name, patch):
        self.there[kind, name]["metadata"]["annotations"] |= patch["metadata"]["annotations"]
        return self.there[kind, name]

    def delete(self, kind, namespace, name, uid=None):
        del self.there[kind, name]


@pytest.fixture
def plane():
    return DataPlane()


class World:
    """The workloads at a time that a test sets, of which the data plane tells at once."""

    def __init__(self, plane, counts):
        self.now, self.plane, self.api = 1000.0, plane, Api()
        place = Place("prod", "ml", "fraud")
        self.running = KubernetesWorkloads(
            self.api, Cluster("prod", owner="me"), place, lambda: self.now, counts
        )

    def stop_after(self, seconds, requests=0.0):
        """Whether it is ended so many seconds later, in which it was sent requests."""
        self.now += seconds
        self.plane.at, self.plane.sent = self.now, self.plane.sent + requests
        try:
            self.running.stop(COPY)
        except Retry:
            return False
        return (DEPLOYMENT, "fraud-2") not in self.api.there


@pytest.fixture
def world(plane):
    return World(plane, plane.counts)


def test_a_copy_ends_once_its_count_stands_still(world):
    assert not world.stop_after(0)
    assert not world.stop_after(LINGER_SECONDS, requests=100)
    for _ in range(5):
        assert not world.stop_after(QUIET_SECONDS, requests=1)
    assert not world.stop_after(QUIET_SECONDS - 0.1)
    assert world.stop_after(0.1)


def test_the_same_count_told_twice_is_no_quiet(world, plane):
    forgetting = Forgetting(plane.counts)
    plane.at = 50.0
    assert "5 requests so far" in forgetting.why_not(COPY)
    assert forgetting.why_not(COPY) == f"{COPY} was sent no request for 0 s"
    plane.at = 80.0  # the next scrape
    assert forgetting.why_not(COPY) == ""


@pytest.mark.parametrize("broken", ["it does not answer", "cannot be told apart", "another way"])
def test_nothing_keeps_a_copy_for_ever(world, plane, broken):
    plane.told = broken != "it does not answer"
    plane.sent = float("nan") if broken == "cannot be told apart" else plane.sent
    assert not world.stop_after(0)
    assert not world.stop_after(LONGEST_SECONDS - 1, requests=7)
    assert world.stop_after(1, requests=7)


def test_without_counts_the_time_has_to_do(plane):
    world = World(plane, None)
    assert not world.stop_after(0)
    assert not world.stop_after(LINGER_SECONDS - 0.1, requests=7)
    assert world.stop_after(0.1, requests=7)


def test_why_a_copy_is_still_there_is_said(world):
    world.stop_after(0)
    world.now += LINGER_SECONDS
    with pytest.raises(Retry, match=r"fraud-2\.ml was sent 5 requests so far"):
        world.running.stop(COPY)
