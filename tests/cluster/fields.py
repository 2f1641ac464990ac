"""The fields that a release changes of what a team has in Git, and who has them at the moment."""

from service.adapters.kubernetes import gitops
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, HTTP_ROUTE, SERVICE
from tests.cluster import objects

KINDS = {
    "HTTPRoute": HTTP_ROUTE,
    "Deployment": DEPLOYMENT,
    "Service": SERVICE,
    "HorizontalPodAutoscaler": HPA,
}


def manifests(namespace):
    """What a team has in Git: no image needs to run, so that the Deployment has one that never could."""
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": namespace, "name": "fraud"},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
        },
    }
    return [
        objects.deployment(namespace, "fraud", "registry.invalid/fraud:1", replicas=1),
        objects.service(namespace, "fraud"),
        objects.http_route(namespace, "fraud", "fraud.example", ("infra", "web"), {"fraud": 1}),
        autoscaler,
    ]


def release(api, namespace):
    """Write what a release writes, as it does: by compare-and-swap, as field manager segue."""
    route = api.get(HTTP_ROUTE, namespace, "fraud")
    refs = [
        {"group": "", "kind": "Service", "name": "fraud", "port": 80, "weight": 900_000},
        {"group": "", "kind": "Service", "name": "candidate", "port": 80, "weight": 100_000},
    ]
    route["spec"]["rules"][0]["backendRefs"] = refs
    route["metadata"].setdefault("annotations", {})["segue.dev/traffic"] = "{}"
    api.replace(HTTP_ROUTE, namespace, "fraud", route)
    api.patch(DEPLOYMENT, namespace, "fraud", {"spec": {"replicas": 0}})
    service = api.get(SERVICE, namespace, "fraud")
    service["spec"]["selector"] = {"app": "candidate"}
    api.replace(SERVICE, namespace, "fraud", service)
    api.patch(HPA, namespace, "fraud", {"spec": {"minReplicas": 2, "maxReplicas": 2}})


def written(api, namespace):
    """Those fields, as they are now."""
    route, autoscaler = api.get(HTTP_ROUTE, namespace, "fraud"), api.get(HPA, namespace, "fraud")
    return {
        "weights": {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]},
        "replicas": api.get(DEPLOYMENT, namespace, "fraud")["spec"]["replicas"],
        "selector": api.get(SERVICE, namespace, "fraud")["spec"]["selector"],
        "bounds": (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]),
    }


OURS = {
    "weights": {"fraud": 900_000, "candidate": 100_000},
    "replicas": 0,
    "selector": {"app": "candidate"},
    "bounds": (2, 2),
}
THEIRS = {"weights": {"fraud": 1}, "replicas": 1, "selector": {"app": "fraud"}, "bounds": (1, 5)}


def told(api, namespace):
    """What Segue prints, from the objects as the cluster has them."""
    things = [gitops.Thing(kind, namespace, "fraud") for kind in KINDS]
    return gitops.mends((one, api.get(KINDS[one.kind], namespace, "fraud")) for one in things)


def changed_in_git(manifests):
    """What people change of the same objects, all of it outside of those fields."""
    manifests[0]["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.invalid/fraud:2"
    manifests[1]["spec"]["ports"][0]["port"] = 81
    manifests[2]["spec"]["hostnames"] = ["new.example"]
    manifests[3]["metadata"]["labels"] = {"team": "risk"}


def is_applied(api, namespace):
    """Whether that is in the cluster."""
    pods = api.get(DEPLOYMENT, namespace, "fraud")["spec"]["template"]["spec"]
    return (
        pods["containers"][0]["image"] == "registry.invalid/fraud:2"
        and api.get(HTTP_ROUTE, namespace, "fraud")["spec"]["hostnames"] == ["new.example"]
        and api.get(SERVICE, namespace, "fraud")["spec"]["ports"][0]["port"] == 81
        and api.get(HPA, namespace, "fraud")["metadata"]["labels"]["team"] == "risk"
    )
