"""The promises hold when the API server fails: one object, never two, no weight that nobody asked for.

Each adapter is driven through a proxy that fails one call at a time in each way, then many at once.
"""

import threading

import pytest

from policies.place import Place
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.jobs import KubernetesJobs
from service.adapters.kubernetes.kinds import HTTP_ROUTE, JOB, POD
from service.adapters.kubernetes.records import records
from service.ports import Job, Limits, Refused, Result, Route, Working
from tests.cluster import interpreter, places, routing
from tests.cluster.faults import Fault, share
from tests.cluster.trials import each_call, persist, through, until

NUMBERS = "import os; open(os.environ['SEGUE_RESULT'], 'w').write('{\"accuracy\": 0.5}')"
MANY = [fault for fault in Fault if fault not in {Fault.HANG, Fault.HANG_AFTER}]
SEEDS = range(4)
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def real():
    return Api.of(places.cluster())


@pytest.fixture(scope="module")
def space(real):
    with places.namespace(real, "faults", places.RESTRICTED) as name:
        yield name


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


def test_an_evaluation_runs_once_whichever_call_fails(real, space, image):
    each_call(places.cluster(), evaluated(image, space))
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
            for _, objects in gateway.api.watch(HTTP_ROUTE, gateway.namespace, seconds=2):
                for found in objects:
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


def test_weights_go_forward_whichever_call_fails(gateway, seen):
    each_call(gateway.cluster, released(gateway))
    check(seen)


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_go_forward_when_a_third_of_all_calls_fails(gateway, seen, seed):
    with through(gateway.cluster, share(0.33, seed, MANY)) as (proxy, cluster):
        released(gateway)(Api.of(cluster), cluster, f"many-{seed}")
        print(f"seed {seed}: {len(proxy.done)} of {len(proxy.calls)} calls failed")
    check(seen)


# --- jobs, many at once -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_an_evaluation_runs_once_when_a_third_of_all_calls_fails(real, space, image, seed):
    with through(places.cluster(), share(0.33, seed, MANY)) as (proxy, cluster):
        evaluated(image, space)(Api.of(cluster), cluster, f"many-{seed}")
        print(f"seed {seed}: {len(proxy.done)} of {len(proxy.calls)} calls failed")
    assert len(real.list(POD, space, labels=f"batch.kubernetes.io/job-name=many-{seed}")) == 1
