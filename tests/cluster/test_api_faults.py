"""The promises hold when the API server fails: one object, never two, no weight that nobody asked for.

Each adapter is driven through a proxy that fails one call at a time in each way, then many at once.
"""

import os
import secrets
import threading

import pytest

from policies.place import Place
from service.adapters.kubernetes import labels
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.jobs import KubernetesJobs
from service.adapters.kubernetes.kinds import (
    DEPLOYMENT,
    HTTP_ROUTE,
    JOB,
    NAMESPACE,
    PDB,
    POD,
    REPLICA_SET,
    SERVICE,
)
from service.adapters.kubernetes.records import records
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.ports.connections import Cluster
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Gone, Refused, Working
from service.ports.traffic import Route
from service.ports.workloads import Serving, WorkloadOrder
from tests.cluster import interpreter, objects, routing
from tests.cluster.faults import Fault, share
from tests.cluster.trials import each_call, persist, through, until
from tests.running import wait_until

NUMBERS = "import os; open(os.environ['SEGUE_RESULT'], 'w').write('{\"accuracy\": 0.5}')"
MANY = [fault for fault in Fault if fault not in {Fault.HANG, Fault.HANG_AFTER}]
SEEDS = range(int(os.environ.get("SEGUE_TEST_SEEDS", "1")))
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def cluster(kubeconfig):
    return Cluster("test", str(kubeconfig), owner="tests")


@pytest.fixture(scope="module")
def real(cluster):
    return Api.of(cluster)


@pytest.fixture(scope="module")
def space(real):
    """One namespace for all trials, each of which has a name of its own."""
    name = f"faults-{secrets.token_hex(3)}"
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    real.create(NAMESPACE, None, {"metadata": {"name": name, "labels": enforced}})
    yield name
    real.delete(NAMESPACE, None, name)


# --- jobs ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image(images):
    return images.python("evaluation", {}, [])


def evaluated(image, space):
    """An evaluation from its start to its numbers, started twice as after a crash."""

    def play(api, cluster, name):
        jobs = KubernetesJobs(api, cluster, Place("test", space))
        run = (str(interpreter.executable()), "-I", "-S", "-c", NUMBERS)
        job = Job(name, image, run, Limits(0.05, 64 << 20, 60.0))
        persist(lambda: jobs.start(job))
        persist(lambda: jobs.start(job))
        seen = until(lambda: jobs.state(name), lambda state: not isinstance(state, Working))
        assert seen == Result((("accuracy", 0.5),))
        persist(lambda: jobs.start(job))
        assert persist(lambda: jobs.state(name)) == seen, "what has ended well is not run again"
        persist(lambda: jobs.logs(name))
        persist(lambda: jobs.cancel(name))

    return play


@pytest.mark.whole
def test_an_evaluation_runs_once_whichever_call_fails(cluster, real, space, image):
    each_call(cluster, evaluated(image, space))
    ran = [job["metadata"]["name"] for job in real.list(JOB, space)]
    pods = [pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] for pod in real.list(POD, space)]
    assert sorted(pods) == sorted(ran)


# --- routes -------------------------------------------------------------------------------------


SPLITS = {(1, 0): (100, 0), (1, 1): (90, 10), (1, 2): (50, 50), (2, 0): (100, 0), (2, 1): (0, 100)}


@pytest.fixture(scope="module")
def gateway():
    with routing.Gateway() as running:
        for number in (1, 2):
            running.service(f"model-{number}")
        yield running


@pytest.fixture
def seen(gateway):
    """Each state that a route was ever in, in order, as the real server tells it: (order, weights)."""
    routes, stop = {}, threading.Event()

    def look():
        while not stop.is_set():
            for _, changed in gateway.api.watch(HTTP_ROUTE, gateway.namespace, seconds=2):
                for found in changed:
                    routes.setdefault(found["metadata"]["name"], []).append(_split(found))

    thread = threading.Thread(target=look)
    thread.start()
    yield routes
    stop.set()
    thread.join()


def _split(found):
    """The order of the write that is stored, and the split in percent; None: removed."""
    record = next(iter(records(found).values()))
    weights = [one["weight"] for one in found["spec"]["rules"][0].get("backendRefs", [])]
    return record.order, tuple(weight * 100 / sum(weights) for weight in weights) or None


def released(gateway):
    """A rollout that goes forward, is taken over by a newer one, and is removed."""

    def play(api, cluster, name):
        place, target = Place("test", gateway.namespace), f"{name}/production"
        older, newer = GatewayRouter(api, cluster, place), GatewayRouter(api, cluster, place)
        for (epoch, attempt), weights in SPLITS.items():
            backends = tuple(gateway.backend(f"model-{n}", w) for n, w in enumerate(weights, 1))
            route = Route(target, epoch, backends, attempt=attempt)
            router = older if epoch == 1 else newer
            assert persist(lambda router=router, route=route: router.set(route)) == route
            assert persist(lambda router=router: router.get(target)) == route
        late = Route(target, 1, route.backends, attempt=9)
        with pytest.raises(Refused):
            persist(lambda: older.set(late))
        assert persist(lambda: newer.drift(target)) is None
        persist(lambda: newer.remove(target, 2, 2))
        assert persist(lambda: newer.get(target)) is None

    return play


def check(seen):
    for name, states in seen.items():
        orders = [order for order, _ in states]
        assert orders == sorted(orders), f"{name} went back: {states}"
        for order, weights in states:
            assert weights == SPLITS.get(order), f"{name}: nobody asked for {weights} in {order}"


@pytest.mark.whole
def test_weights_go_forward_whichever_call_fails(gateway, seen):
    each_call(gateway.cluster, released(gateway))
    check(seen)


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_go_forward_when_a_third_of_all_calls_fails(gateway, seen, seed):
    with through(gateway.cluster, share(0.33, seed, MANY)) as (proxy, faulty):
        released(gateway)(Api.of(faulty), faulty, f"many-{seed}")
        print(f"seed {seed}: {len(proxy.done)} of {len(proxy.calls)} calls failed")
    check(seen)


# --- workloads ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(images):
    return images.model("1", drain_seconds=0)


def ordered(model, space, name):
    return WorkloadOrder(f"{name}-0123456789.{space}", model, (), 8080, SMALL, "/ready", f"{name}/production")


def run(real, model, space):
    """A version from its start, told twice, until it serves, and to its end."""

    def play(api, cluster, name):
        workloads = KubernetesWorkloads(api, cluster, Place("test", space))
        order = ordered(model, space, name)
        persist(lambda: workloads.start(order))
        persist(lambda: workloads.start(order))
        serving = until(lambda: workloads.state(order.name), lambda state: not isinstance(state, Working))
        assert isinstance(serving, Serving), serving
        assert serving.restarts == 0
        assert len(made(real, space, name, (*OURS, REPLICA_SET, POD))) == 5, "each once"
        persist(lambda: workloads.logs(order.name))
        persist(lambda: workloads.stop(order.name))
        assert until(lambda: workloads.state(order.name), lambda state: state == Gone())
        assert not made(real, space, name, OURS)

    return play


OURS = (SERVICE, PDB, DEPLOYMENT)
SMALL = Limits(0.02, 48 << 20, 0)


def made(real, space, name, kinds):
    """Our objects of a trial, those that are being deleted left out."""
    chosen = f"{labels.TARGET}={name}.production"
    return [
        one["metadata"]["name"]
        for kind in kinds
        for one in real.list(kind, space, chosen)
        if "deletionTimestamp" not in one["metadata"]
    ]


@pytest.mark.whole
def test_a_version_runs_once_and_leaves_nothing_whichever_call_fails(cluster, real, model, space):
    each_call(cluster, run(real, model, space), times=1)
    wait_until(lambda: not real.list(POD, space, labels.TARGET))


@pytest.mark.whole
@pytest.mark.parametrize("seed", SEEDS)
def test_a_version_runs_once_and_leaves_nothing_when_a_third_of_all_calls_fails(
    cluster, real, model, space, seed
):
    with through(cluster, share(0.33, seed, MANY)) as (proxy, faulty):
        run(real, model, space)(Api.of(faulty), faulty, f"many-{seed}")
        print(f"seed {seed}: {len(proxy.done)} of {len(proxy.calls)} calls failed")


@pytest.mark.whole
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_found_is_left_as_it_was_when_a_third_of_all_calls_fails(
    cluster, real, model, images, kubectl, space, seed
):
    name = f"found-{seed}"
    kubectl.apply(objects.deployment(space, name, model, replicas=2), objects.service(space, name))
    kubectl.rolled_out(space, name)
    before = real.get(DEPLOYMENT, space, name)
    newer = images.model("2", drain_seconds=0)
    with through(cluster, share(0.33, seed, MANY)) as (proxy, faulty):
        workloads = KubernetesWorkloads(Api.of(faulty), faulty, Place("test", space, name))
        found, serving, image = persist(workloads.found)
        assert (found, image) == (f"{name}.{space}", model)
        copy = ordered(newer, space, name)
        persist(lambda: workloads.start(copy))
        until(lambda: workloads.state(copy.name), lambda state: isinstance(state, Serving))
        persist(lambda: workloads.stop(found))
        assert persist(lambda: workloads.state(found)) == Gone()
        persist(lambda: workloads.restore(newer))
        assert persist(lambda: workloads.state(found)).url == serving.url
        persist(workloads.clear)
        print(f"seed {seed}: {len(proxy.done)} of {len(proxy.calls)} calls failed")
    assert not made(real, space, name, OURS)
    after = real.get(DEPLOYMENT, space, name)
    before["spec"]["template"]["spec"]["containers"][0]["image"] = newer
    assert after["spec"] == before["spec"]
    del before["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    del after["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]


# --- jobs, many at once -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_an_evaluation_runs_once_when_a_third_of_all_calls_fails(cluster, real, space, image, seed):
    with through(cluster, share(0.33, seed, MANY)) as (proxy, faulty):
        evaluated(image, space)(Api.of(faulty), faulty, f"many-{seed}")
        print(f"seed {seed}: {len(proxy.done)} of {len(proxy.calls)} calls failed")
    assert len(real.list(POD, space, labels=f"batch.kubernetes.io/job-name=many-{seed}")) == 1
