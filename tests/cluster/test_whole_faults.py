"""The whole service beside an API server of whose calls a fifth fails, and how many calls it needs.

A Deployment is taken over, releases go forward and back under load, and all is handed back: the same
story with and without faults. What happened to the route is told by the real API server.
"""

import threading
import time

import pytest

from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import HTTP_ROUTE
from service.adapters.kubernetes.records import records
from service.client import Unreachable
from service.ports.connections import Cluster
from tests.cluster.faults import Fault, never, share
from tests.cluster.faulty_api import FaultyApi
from tests.cluster.load import Load
from tests.cluster.objects import deployment, http_route, service
from tests.cluster.takeover import declared
from tests.cluster.whole import Control, eventually, tag

HOST = "faults.test"
# Calls that hang cost a worker ten seconds each: they are one in fifty.
OFTEN = [fault for fault in Fault if fault not in {Fault.HANG, Fault.HANG_AFTER, Fault.LATE}]
FAULTS = [*OFTEN, *OFTEN, Fault.HANG, Fault.LATE]
SEEDS = (1, 2)
IDLE_SECONDS = 60
pytestmark = [pytest.mark.whole, pytest.mark.timeout(900)]


@pytest.fixture
def proxy(login):
    """Before the real API server, which it asks with the chart's rights."""
    with FaultyApi(login) as proxy:
        yield proxy


@pytest.fixture
def history(kubeconfig, namespace):
    """Each state that the route was in: epoch, attempt, and the split in percent by Service."""
    api, states, over = Api.of(Cluster("real", str(kubeconfig))), [], threading.Event()

    def look():
        while not over.is_set():
            for _, changed in api.watch(HTTP_ROUTE, namespace, seconds=2):
                states.extend(state for found in changed if (state := _state(found)) is not None)

    thread = threading.Thread(target=look)
    thread.start()
    yield states
    over.set()
    thread.join()


def _state(found):
    record = records(found).get("fraud/production")
    weights = {one["name"]: one.get("weight", 1) for one in found["spec"]["rules"][0]["backendRefs"]}
    total = sum(weights.values())
    split = {name: round(100 * weight / total, 3) for name, weight in weights.items()}
    return None if record is None else (record.epoch, record.attempt, split)


@pytest.fixture
def story(kubectl, images, gateway, namespace, proxy, tmp_path):
    """A service that has taken a Deployment over, under load: (control, load, release).

    `release` pushes a version and waits until its release has ended; what the API tells of it.
    """
    where = f"{namespace}/fraud"
    first = images.model("1", where)
    kubectl.apply(
        deployment(namespace, "fraud", first, replicas=1),
        service(namespace, "fraud"),
        http_route(namespace, "fraud", HOST, gateway.reference, {"fraud": 1}),
    )
    kubectl.rolled_out(namespace, "fraud")
    repository = tag(first, "main-1")
    known = []

    def release(version, **behaviour):
        tag(images.model(version, where, **behaviour), f"main-{version}")
        name = control.next_release("fraud", after=known)
        known.append(name)
        return control.outcome(name)

    control = Control(tmp_path, proxy.kubeconfig(tmp_path / "faulty.conf"), namespace, images, gateway)
    with Load(gateway.url, {"Host": HOST}) as load, control:
        eventually(lambda: load.counts()["1", 200] > 20, "the route does not answer")
        declared(control, images, namespace, repository)
        load.answers.clear()  # what came before the data plane knew the route says nothing
        yield control, load, release


def check_forward(history):
    """Weights go forward within an epoch, or to nothing; and no epoch comes after a newer one."""
    orders = [(epoch, attempt) for epoch, attempt, _ in history]
    assert orders == sorted(orders), history
    for epoch in {epoch for epoch, _, _ in history}:
        splits = [split for of, _, split in history if of == epoch]
        candidate = next((n for n in splits[-1] if splits[0].get(n, 0) == 0), None)
        weights = [split.get(candidate, 0) for split in splits]
        ended = weights[:-1] if weights[-1] == 0 else weights
        assert ended == sorted(ended), f"epoch {epoch}: {splits}"


@pytest.mark.parametrize("seed", SEEDS)
def test_releases_end_as_they_should_when_a_fifth_of_all_calls_fails(
    story, history, proxy, kubectl, namespace, seed
):
    control, load, release = story
    print(f"seed {seed}")
    proxy.does(share(0.2, seed, FAULTS))
    good = release("2")
    assert good["phase"] == "promoted", control.say("show", good["name"])
    assert good["proven"]
    bad = release("3", error_rate=0.2)
    assert bad["phase"] == "rolled back", control.say("show", bad["name"])
    print(f"{len(proxy.done)} of {len(proxy.calls)} calls failed")
    assert len(proxy.done) > 0.1 * len(proxy.calls)
    control.say("hand-back", "fraud")
    eventually(lambda: _handed_back(control), "it is not handed back", 180)
    proxy.does(never)
    check_forward(history)
    kinds = "deployments,services,hpa,pdb,httproutes"
    left = kubectl.get(kinds, "-n", namespace, "-l", "app.kubernetes.io/managed-by=segue")["items"]
    assert [one["metadata"]["name"] for one in left] == []
    assert load.lost() == [], load.story()
    assert proxy.denied == []


def _handed_back(control):
    """The list of targets asks the cluster for their addresses, and can be as slow as that is."""
    try:
        return control.target("fraud/production")["stable"] is None
    except Unreachable:
        return False


def test_a_rollout_needs_few_calls_and_rest_needs_fewer(story, proxy):
    _, _, release = story
    assert release("2")["phase"] == "promoted"
    proxy.does(never)
    begun = time.monotonic()
    assert release("4")["phase"] == "promoted"
    seconds = time.monotonic() - begun
    rollout = proxy.counts()
    time.sleep(15)  # until the version before the last is gone
    proxy.does(never)
    time.sleep(IDLE_SECONDS)
    rest = proxy.counts()
    print(f"a rollout of {seconds:.0f} s: {rollout.total()} calls {_told(rollout)}")
    print(f"a minute at rest: {rest.total() * 60 / IDLE_SECONDS:.0f} calls {_told(rest)}")
    assert rollout.total() < 1000
    assert rest.total() < 60


def _told(counts):
    return ", ".join(f"{' '.join(right)}: {count}" for right, count in counts.most_common())
