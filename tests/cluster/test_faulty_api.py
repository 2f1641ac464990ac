"""The proxy itself, before a real API server: each way to fail, what it counts, and what it lets through."""

import json
import secrets
import threading
from pathlib import Path

import pytest

from service.adapters.kubernetes.answers import Stale
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import CONFIG_MAP, POD, SECRET, SERVICE_ACCOUNT, Kind
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry
from tests.cluster import faulty_api
from tests.cluster.faults import Fault, always, at, call_of, never, share
from tests.cluster.faulty_api import FaultyApi
from tests.running import wait_until

ROLE = Kind("rbac.authorization.k8s.io/v1", "roles")
BINDING = Kind("rbac.authorization.k8s.io/v1", "rolebindings")
NOT_DONE = [Fault.DROP_BEFORE, Fault.ERROR_BEFORE, Fault.UNAVAILABLE, Fault.BUSY]
DONE = [Fault.DROP_AFTER, Fault.ERROR_AFTER, Fault.CUT]


@pytest.fixture
def real(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


@pytest.fixture
def proxy(kubeconfig):
    with FaultyApi(kubeconfig) as proxy:
        yield proxy


@pytest.fixture
def api(proxy, tmp_path):
    return Api.of(Cluster("test", proxy.kubeconfig(tmp_path / "faulty.conf")))


@pytest.fixture
def name():
    """An object's, that no other test has."""
    return f"a-{secrets.token_hex(3)}"


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_without_faults_it_changes_nothing(proxy, api, real, namespace, name):
    made = api.create(CONFIG_MAP, namespace, config_map(name, a="1"))
    assert real.get(CONFIG_MAP, namespace, name) == made
    only = f"metadata.name={name}"
    assert api.list(CONFIG_MAP, namespace, fields=only) == real.list(CONFIG_MAP, namespace, fields=only)
    assert api.version() == real.version()
    api.patch(CONFIG_MAP, namespace, name, {"data": {"a": "2"}})
    api.apply(CONFIG_MAP, namespace, config_map(f"{name}-2", b="1"))
    api.delete(CONFIG_MAP, namespace, name)
    assert real.get(CONFIG_MAP, namespace, name) is None
    assert proxy.counts() == {
        ("create", "configmaps"): 1,
        ("list", "configmaps"): 1,
        ("get", "/version"): 1,
        ("patch", "configmaps"): 2,
        ("delete", "configmaps"): 1,
    }


@pytest.mark.parametrize("fault", NOT_DONE)
def test_a_call_that_fails_before_the_server_heard_of_it_is_not_done(
    proxy, api, real, namespace, name, fault
):
    proxy.does(always(fault))
    with pytest.raises(Retry) as told:
        api.create(CONFIG_MAP, namespace, config_map(name))
    assert real.get(CONFIG_MAP, namespace, name) is None
    assert fault is not Fault.BUSY or told.value.after >= faulty_api.RETRY_AFTER
    proxy.does(never)
    api.create(CONFIG_MAP, namespace, config_map(name))


@pytest.mark.parametrize("fault", DONE)
def test_a_call_that_fails_afterwards_is_done(proxy, api, real, namespace, name, fault):
    proxy.does(always(fault))
    with pytest.raises(Retry):
        api.create(CONFIG_MAP, namespace, config_map(name))
    assert real.get(CONFIG_MAP, namespace, name) is not None


@pytest.mark.parametrize(("fault", "done"), [(Fault.HANG, False), (Fault.HANG_AFTER, True)])
def test_a_call_that_hangs_ends_by_the_callers_limit(proxy, api, real, namespace, name, fault, done):
    proxy.does(at(0, fault))
    with pytest.raises(Retry):
        api.create(CONFIG_MAP, namespace, config_map(name))
    assert (real.get(CONFIG_MAP, namespace, name) is not None) is done


def test_a_late_call_is_done_after_the_caller_went_on(proxy, api, real, namespace, name):
    proxy.does(at(0, Fault.LATE))
    with pytest.raises(Retry):
        api.create(CONFIG_MAP, namespace, config_map(name))
    assert real.get(CONFIG_MAP, namespace, name) is None
    wait_until(lambda: real.get(CONFIG_MAP, namespace, name))


def test_a_slow_answer_is_the_same_answer(proxy, api, namespace, name):
    proxy.does(always(Fault.SLOW))
    assert api.create(CONFIG_MAP, namespace, config_map(name, a="1"))["data"] == {"a": "1"}


def test_a_conflict_is_told_as_one_and_nothing_is_done(proxy, api, real, namespace, name):
    made = api.create(CONFIG_MAP, namespace, config_map(name, a="1"))
    proxy.does(at(0, Fault.CONFLICT))
    with pytest.raises(Stale):
        api.replace(CONFIG_MAP, namespace, name, {**made, "data": {"a": "2"}})
    assert real.get(CONFIG_MAP, namespace, name)["data"] == {"a": "1"}


def test_a_list_that_has_expired_is_begun_anew(proxy, api, namespace):
    proxy.does(at(0, Fault.EXPIRED))
    api.list(CONFIG_MAP, namespace)
    assert proxy.counts()["list", "configmaps"] == 2


def test_a_watch_streams_and_can_be_cut_in_the_middle_of_a_line(proxy, api, real, namespace, name):
    changes = api.watch(CONFIG_MAP, namespace, fields=f"metadata.name={name}", seconds=30)
    assert next(changes) == ("ALL", [])
    threading.Timer(0.3, real.create, (CONFIG_MAP, namespace, config_map(name))).start()
    said, [seen] = next(changes)
    assert (said, seen["metadata"]["name"]) == ("SET", name), "before the watch ended"
    proxy.does(always(Fault.CUT, "watch"))
    changes = api.watch(CONFIG_MAP, namespace, fields=f"metadata.name={name}", seconds=30)
    next(changes)
    threading.Timer(0.3, real.delete, (CONFIG_MAP, namespace, name)).start()
    with pytest.raises(Retry):
        next(changes)


def test_the_same_seed_chooses_the_same_calls():
    calls = [call_of(n, "GET", "/api/v1/namespaces/a/pods/b") for n in range(2000)]
    chosen = [share(0.2, 7, list(Fault))(call) for call in calls]
    assert chosen == [share(0.2, 7, list(Fault))(call) for call in calls]
    assert chosen != [share(0.2, 8, list(Fault))(call) for call in calls]
    assert 300 < sum(fault is not None for fault in chosen) < 500
    assert not {Fault.CONFLICT, Fault.EXPIRED} & set(chosen), "no server says that to a get"


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("GET", "/api/v1/namespaces/a/pods", ("list", "pods", "a", "")),
        ("GET", "/api/v1/pods?watch=true", ("watch", "pods", "", "")),
        ("GET", "/api/v1/namespaces/a", ("get", "namespaces", "", "a")),
        ("PUT", "/api/v1/namespaces/a/finalize", ("update", "namespaces/finalize", "", "a")),
        ("GET", "/api/v1/namespaces/a/pods/b/log?tailLines=2", ("get", "pods/log", "a", "b")),
        ("GET", "/api/v1/namespaces/a/services/b:80/proxy/ready", ("get", "services/proxy", "a", "b")),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b", ("patch", "deployments.apps", "a", "b")),
        ("GET", "/readyz", ("get", "/readyz", "", "")),
    ],
)
def test_calls_are_counted_in_the_words_of_roles(method, path, meant):
    call = call_of(0, method, path)
    assert (*call.right, call.namespace, call.name) == meant


def test_a_call_with_a_token_is_of_that_login_and_what_the_server_denies_is_told(
    proxy, real, namespace, name, tmp_path
):
    real.create(SERVICE_ACCOUNT, namespace, {"metadata": {"name": name}})
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    real.create(ROLE, namespace, {"metadata": {"name": name}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
    real.create(BINDING, namespace, {"metadata": {"name": name}, "roleRef": role, "subjects": subjects})
    asking = Kind("v1", f"serviceaccounts/{name}/token")
    token = real.create(asking, namespace, {"spec": {}})["status"]["token"]
    api = Api.of(Cluster("test", proxy.kubeconfig(tmp_path / "limited.conf", token)))
    wait_until(lambda: _may_list(api, namespace))
    proxy.denied.clear()
    with pytest.raises(Refused, match="right"):
        api.list(SECRET, namespace)
    denied = [(*call.right, call.namespace) for call, _ in proxy.denied]
    assert denied == [("list", "secrets", namespace)] * 2, "it is believed once it is said again"
    assert ("list", "configmaps") in proxy.used
    assert ("list", "secrets") not in proxy.used


def _may_list(api, namespace):
    """A role is known to the server a moment after it is made."""
    try:
        return api.list(CONFIG_MAP, namespace)
    except Refused:
        return None


def test_logs_pass_through(proxy, api, namespace):
    assert not api.logs(namespace, "nobody")
    assert proxy.counts() == {("get", "pods/log"): 1}
    assert api.get(POD, namespace, "nobody") is None


def test_its_kubeconfig_holds_no_login_of_the_real_one(proxy, tmp_path):
    told = json.loads(Path(proxy.kubeconfig(tmp_path / "x")).read_text())
    assert told["users"] == [{"name": "faulty", "user": {}}]
