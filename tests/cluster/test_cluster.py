"""The cluster itself: what the other tests rely on."""

import time
import urllib.error
import urllib.request
from collections import Counter

from tests.cluster.load import Load
from tests.cluster.objects import RESTRICTED, deployment, http_route, service
from tests.running import wait_until


def test_a_node_is_ready(kubectl):
    conditions = [
        condition["status"]
        for node in kubectl.get("nodes")["items"]
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    ]
    assert "True" in conditions


def test_a_pod_runs_from_the_registry_and_its_log_is_read(kubectl, namespace, images):
    kubectl.apply(deployment(namespace, "model", images.model("7")))
    kubectl.rolled_out(namespace, "model")
    assert kubectl.run("logs", "deployment/model", "-n", namespace) == "version 7 listens\n"


def test_a_pod_finds_a_service_by_its_name(kubectl, namespace, images):
    kubectl.apply(deployment(namespace, "model", images.model("7")), service(namespace, "model"))
    kubectl.rolled_out(namespace, "model")
    ask = (
        f"import urllib.request as r; print(r.urlopen('http://model.{namespace}.svc/').headers['X-Version'])"
    )
    container = {"name": "ask", "image": images.python("ask", {}, ["-c", ask]), "securityContext": RESTRICTED}
    spec = {"restartPolicy": "Never", "containers": [container]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": "ask"},
        "spec": spec,
    }
    kubectl.apply(pod)
    kubectl.run(
        "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/ask", "-n", namespace, "--timeout=60s"
    )
    assert kubectl.run("logs", "ask", "-n", namespace) == "7\n"


def test_traffic_from_outside_is_split_by_the_gateway(kubectl, namespace, images, gateway):
    for version in ("1", "2"):
        kubectl.apply(
            deployment(namespace, f"model-{version}", images.model(version)),
            service(namespace, f"model-{version}"),
        )
    kubectl.rolled_out(namespace, "model-1", "model-2")
    host = f"{namespace}.test"
    kubectl.apply(http_route(namespace, "model", host, gateway.reference, {"model-1": 75, "model-2": 25}))
    wait_until(lambda: _status(gateway.url, host) == 200)
    with Load(gateway.url, {"Host": host}) as load:
        time.sleep(4)
    seen = Counter(answer.version for answer in load.answers)
    assert not load.lost()
    # Traefik splits by weighted round robin, so the parts are exact but for one round.
    assert abs(seen["2"] - len(load.answers) / 4) < 10
    assert set(seen) == {"1", "2"}


def test_an_autoscaler_reads_the_processor_use_of_pods(kubectl, namespace, images):
    kubectl.apply(deployment(namespace, "model", images.model("1")), _autoscaler(namespace, "model"))
    wait_until(lambda: _current(kubectl, namespace, "model") is not None, seconds=90)


def _status(url: str, host: str) -> int:
    request = urllib.request.Request(url, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _autoscaler(namespace, name):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    use = {"type": "Utilization", "averageUtilization": 60}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": use}}]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2, "metrics": metrics},
    }


def _current(kubectl, namespace, name):
    status = kubectl.get("hpa", name, "-n", namespace)["status"]
    found = [
        m["resource"]["current"].get("averageUtilization")
        for m in status.get("currentMetrics") or ()
        if "resource" in m
    ]
    return next(iter(found), None)
