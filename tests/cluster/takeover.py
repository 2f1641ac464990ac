"""A team's Deployment as it is before Segue comes, and the file that names it."""

from tests.cluster.objects import RESTRICTED, deployment, http_route, service
from tests.cluster.whole import eventually

FILE = """\
name: fraud
image: {image}:main-*
deployment: {namespace}/fraud
route: {namespace}/fraud
risk: 2%
ladder: [10%, 30%, 60%, 100%]
dwell: 2s
warm_up: 0s
watch: 5s
"""


def declared(control, images, namespace, repository):
    """Connect the registry and push the file; once this returns, a new tag is a release."""
    control.say("connect", "registry", f"http://{images.registry}")
    control.declare(FILE.format(image=repository, namespace=namespace))
    eventually(lambda: control.client.models().page().rows, "the model is not declared")


def sidecar(name, image, port):
    return {
        "name": name,
        "image": image,
        "env": [{"name": "PORT", "value": str(port)}],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
        "securityContext": RESTRICTED,
    }


def team(namespace, images, gateway, host):
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
        http_route(namespace, "fraud", host, gateway.reference, {"fraud": 1}),
    ]


def ours(kubectl, namespace):
    """The names of all objects in the namespace that Segue made."""
    kinds = "deployments,services,hpa,pdb,jobs,httproutes,networkpolicies"
    found = kubectl.get(kinds, "-n", namespace, "-l", "app.kubernetes.io/managed-by=segue")
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found["items"]]
