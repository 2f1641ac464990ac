"""Applications whose traffic Argo Rollouts or Flagger shift, each asking Segue what to do; as their pages show."""

from bench.peers import objects
from bench.peers.objects import APP
from bench.peers.plane import GATEWAY, NAMESPACE

LOOKS = 5  # seconds between two questions of Argo's; Flagger's least is 10


def login(where):
    """The account `segue` with all that watching needs, which changes nothing."""
    rules = [
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": ["get"]},
        {"apiGroups": ["traefik.io"], "resources": ["traefikservices"], "verbs": ["get"]},
    ]
    named = {"namespace": where, "name": "segue"}
    rbac = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": named, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": named,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "segue"},
            "subjects": [{"kind": "ServiceAccount", **named}],
        },
    ]


def argo(where, host, image, web, token):
    """A Rollout with two weights, and before each further one a question."""
    made = [
        one for one in objects.argo(where, host, image, "", objects.FAST) if one["kind"] != "AnalysisTemplate"
    ]
    rollout = next(one for one in made if one["kind"] == "Rollout")
    canary = rollout["spec"]["strategy"]["canary"]
    del canary["analysis"]
    canary["steps"] = [{"setWeight": 10}, _question(50), {"setWeight": 50}, _question(100)]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": where, "name": "segue"},
        "stringData": {"token": token},
    }
    return [*made[:1], secret, _template(where, web), *made[1:]]


def _question(weight):
    image = {"fieldRef": {"fieldPath": "spec.template.spec.containers[0].image"}}
    args = [{"name": "weight", "value": str(weight)}, {"name": "image", "valueFrom": image}]
    return {"analysis": {"templates": [{"templateName": "segue"}], "args": args}}


def _template(where, web):
    url = f"{web}/api/v1/verdicts/app/production?weight={{{{args.weight}}}}&image={{{{args.image}}}}"
    metric = {
        "name": "segue",
        "interval": f"{LOOKS}s",
        "count": 720,
        "consecutiveSuccessLimit": 1,
        "failureLimit": 0,
        "inconclusiveLimit": 719,
        "successCondition": 'result == "go"',
        "failureCondition": 'result == "back"',
        "provider": {
            "web": {
                "url": url,
                "headers": [{"key": "Authorization", "value": "Bearer {{args.token}}"}],
                "jsonPath": "{$.answer}",
            }
        },
    }
    token = {"name": "token", "valueFrom": {"secretKeyRef": {"name": "segue", "key": "token"}}}
    spec = {"args": [{"name": "weight"}, {"name": "image"}, token], "metrics": [metric]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"namespace": where, "name": "segue"},
        "spec": spec,
    }


def flagger(where, host, image, web, token):
    """A Canary whose every gate is a question, and that has no metric of its own."""
    secret_url = web.replace("://", f"://flagger:{token}@")

    def gate(kind, query=""):
        url = f"{secret_url}/api/v1/gates/{kind}/app/production{query}"
        return {"name": f"segue-{kind}", "type": kind, "url": url, "timeout": "5s"}

    kinds = ("confirm-rollout", "pre-rollout", "rollout", "confirm-promotion", "rollback")
    canary = {
        "provider": "gatewayapi:v1",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": APP},
        "progressDeadlineSeconds": 120,
        "service": {
            "port": 80,
            "targetPort": objects.PORT,
            "hosts": [host],
            "gatewayRefs": [{"namespace": NAMESPACE, "name": GATEWAY}],
        },
        "analysis": {
            "interval": "10s",
            "threshold": 12,
            "maxWeight": 50,
            "stepWeight": 25,
            "metrics": [],
            "webhooks": [*map(gate, kinds), gate("confirm-traffic-increase", "?step=25")],
        },
    }
    metadata = {"namespace": where, "name": APP}
    made = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": metadata, "spec": canary}
    return [objects.namespace(where), objects.deployment(where, image), made]
