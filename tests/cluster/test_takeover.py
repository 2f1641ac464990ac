"""A Deployment that a team runs already is taken over by reference, released, and handed back, under load."""

from tests.cluster.load import Load
from tests.cluster.objects import RESTRICTED, deployment, http_route, service
from tests.cluster.whole import SETTLED, Control, eventually, tag

HOST = "fraud.test"
FILE = """\
name: fraud
image: {image}:main-*
deployment: {namespace}/fraud
route: {namespace}/fraud
risk: 2%
ladder: [10%, 30%, 60%, 100%]
dwell: 2s
watch: 5s
"""


def sidecar(name, image, port):
    return {
        "name": name,
        "image": image,
        "env": [{"name": "PORT", "value": str(port)}],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
        "securityContext": RESTRICTED,
    }


def team(namespace, images, gateway):
    """What is there before Segue comes: two sidecars, a config map, an autoscaler, a route."""
    first = images.model("1", f"{namespace}/fraud")
    existing = deployment(namespace, "fraud", first, replicas=2)
    pod = existing["spec"]["template"]["spec"]
    pod["serviceAccountName"] = "fraud"
    pod["containers"] += [sidecar("log", images.model("log", "acme/log"), 8081)]
    pod["containers"] += [sidecar("auth", images.model("auth", "acme/auth"), 8082)]
    pod["volumes"] = [{"name": "settings", "configMap": {"name": "fraud"}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "settings", "mountPath": "/settings"}]
    metadata = {"namespace": namespace, "name": "fraud"}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}},
                }
            ],
        },
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mode": "strict"}},
        existing,
        service(namespace, "fraud"),
        autoscaler,
        http_route(namespace, "fraud", HOST, gateway.reference, {"fraud": 1}),
    ]


def ours(kubectl, namespace):
    """The names of all objects in the namespace that Segue made."""
    kinds = "deployments,services,hpa,pdb,jobs,httproutes,networkpolicies"
    found = kubectl.get(kinds, "-n", namespace, "-l", "app.kubernetes.io/managed-by=segue")
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found["items"]]


def test_taken_over_released_and_handed_back_without_losing_a_request(
    login, kubectl, images, gateway, namespace, tmp_path
):
    kubectl.apply(*team(namespace, images, gateway))
    kubectl.rolled_out(namespace, "fraud")
    before = kubectl.get("httproute", "fraud", "-n", namespace)["spec"]
    repository = tag(images.model("1", f"{namespace}/fraud"), "main-1")
    control = Control(tmp_path, login, namespace, images, gateway)
    with Load(gateway.url, {"Host": HOST}) as load, control:
        eventually(lambda: load.counts()["1", 200] > 20, "the route does not answer")
        begun = load.now()
        control.say("connect", "registry", f"http://{images.registry}")
        control.declare(FILE.format(image=repository, namespace=namespace))
        eventually(lambda: control.client.get("models")["models"], "the model is not declared")

        started = load.now()
        tag(images.model("2", f"{namespace}/fraud"), "main-2")
        good = control.outcome(control.next_release("fraud"))
        assert good["phase"] == "promoted", control.say("show", good["name"])
        assert good["proven"]
        assert load.counts(started)["2", 200] > 0
        pods = kubectl.get("pods", "-n", namespace, "-l", "segue.dev/target=fraud.production")["items"]
        assert {c["name"] for c in pods[0]["spec"]["containers"]} == {"model", "log", "auth"}
        assert pods[0]["spec"]["serviceAccountName"] == "fraud"

        tag(images.model("3", f"{namespace}/fraud", error_rate=0.2), "main-3")
        bad = control.outcome(control.next_release("fraud", after=[good["name"]]))
        assert bad["phase"] == "rolled back", control.say("show", bad["name"])

        handed = load.now()
        control.say("hand-back", "fraud")
        eventually(lambda: control.target("fraud/production")["stable"] is None, "it is not handed back", 120)
        after = load.now()
        eventually(lambda: load.now() > after + 6, "time stands still")
    assert not (lost := load.story(begun)), f"handed back at {handed:.0f} s, done at {after:.0f} s\n{lost}"
    assert {status for version, status in load.counts(begun) if version in {"1", "2"}} == {200}
    assert set(load.counts(after + SETTLED)) == {("2", 200)}
    assert load.counts()["3", 500] <= 40
    found = kubectl.get("deployment", "fraud", "-n", namespace)["spec"]
    assert found["template"]["spec"]["containers"][0]["image"].endswith(good["image"])
    assert found["replicas"] >= 2
    assert kubectl.get("httproute", "fraud", "-n", namespace)["spec"] == before
    assert kubectl.get("hpa", "fraud", "-n", namespace)["spec"]["minReplicas"] == 2
    eventually(lambda: ours(kubectl, namespace) == [], "objects of ours are left")
