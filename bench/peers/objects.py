"""The same application under each of the three, as each wants it declared.

`Rule` is one rule for the two that judge by a rate in a window: how often they look, how many failed looks
end the rollout, and the weights. At most 1 % of the candidate's answers may be errors.
"""

from dataclasses import dataclass
from typing import Any

from bench.peers.plane import GATEWAY, NAMESPACE

Manifest = dict[str, Any]
APP, BARE, PORT, REPLICAS = "app", "bare", 8080, 2


@dataclass(frozen=True, slots=True)
class Rule:
    """Seconds between looks and of their window; `failures` end it; weights go up by `step` to `most`."""

    interval: int
    window: int
    failures: int
    step: int
    most: int
    hold: int  # seconds at each weight


# The fastest that Flagger allows, for both; and what each project's own documentation shows. Argo's
# example waits for hours: its times are shortened here to fit into some minutes, its weights are not.
FAST = Rule(interval=10, window=10, failures=2, step=10, most=50, hold=10)
FLAGGER_SHOWN = Rule(interval=10, window=60, failures=10, step=5, most=50, hold=10)
ARGO_SHOWN = Rule(interval=30, window=60, failures=4, step=20, most=80, hold=60)


def template(image: str) -> Manifest:
    """The pods of a version."""
    container = {
        "name": APP,
        "image": image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 1},
    }
    return {"metadata": {"labels": {"app": APP}}, "spec": {"containers": [container]}}


def namespace(name: str) -> Manifest:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def deployment(where: str, image: str) -> Manifest:
    """What runs before Flagger or Segue come."""
    spec = {
        "replicas": REPLICAS,
        "selector": {"matchLabels": {"app": APP}},
        "template": template(image),
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _named(where, APP), "spec": spec}


def bare(where: str, image: str) -> Manifest:
    """The same pods under nobody's care: how long the cluster itself takes until one is ready."""
    made = deployment(where, image)
    labels = {"app": BARE}
    made["metadata"]["name"] = BARE
    made["spec"]["selector"] = {"matchLabels": labels}
    made["spec"]["template"]["metadata"] = {"labels": labels}
    return made


def service(where: str, name: str = APP) -> Manifest:
    """A Service of all its pods; Argo makes two of them apart by itself."""
    ports = [{"name": "http", "port": 80, "targetPort": PORT}]
    spec = {"selector": {"app": APP}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _named(where, name), "spec": spec}


def route(where: str, host: str, service: str = APP, port: int = 80) -> Manifest:
    """The route that Segue takes over."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": _named(where, APP),
        "spec": {
            "parentRefs": [{"namespace": NAMESPACE, "name": GATEWAY}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": service, "port": port}]}],
        },
    }


def argo(where: str, host: str, image: str, prometheus: str, rule: Rule) -> list[Manifest]:
    """A Rollout with Traefik's weights and an analysis in the background."""
    split = {"weighted": {"services": [{"name": f"{APP}-{arm}", "port": 80} for arm in ("stable", "canary")]}}
    served = {"kind": "Rule", "match": f"Host(`{host}`)"}
    served["services"] = [{"kind": "TraefikService", "name": APP}]  # type: ignore[assignment]
    return [
        namespace(where),
        service(where, f"{APP}-stable"),
        service(where, f"{APP}-canary"),
        _of("traefik.io/v1alpha1", "TraefikService", where, split),
        _of("traefik.io/v1alpha1", "IngressRoute", where, {"entryPoints": ["web"], "routes": [served]}),
        _of("argoproj.io/v1alpha1", "AnalysisTemplate", where, _analysis(where, prometheus, rule)),
        _of("argoproj.io/v1alpha1", "Rollout", where, _rollout(image, rule)),
    ]


def _rollout(image: str, rule: Rule) -> Manifest:
    steps: list[Manifest] = []
    for weight in range(rule.step, rule.most + 1, rule.step):
        steps += [{"setWeight": weight}, {"pause": {"duration": f"{rule.hold}s"}}]
    canary = {
        "canaryService": f"{APP}-canary",
        "stableService": f"{APP}-stable",
        "trafficRouting": {"traefik": {"weightedTraefikServiceName": APP}},
        "analysis": {"templates": [{"templateName": APP}]},
        "steps": steps,
    }
    return {
        "replicas": REPLICAS,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": {"app": APP}},
        "template": template(image),
        "strategy": {"canary": canary},
    }


def _analysis(where: str, prometheus: str, rule: Rule) -> Manifest:
    counted = f'traefik_service_requests_total{{service=~"{where}-{APP}-canary-.*@kubernetescrd"'
    good, every = (f"sum(rate({counted}{more}}}[{rule.window}s]))" for more in (',code!~"5.."', ""))
    metric = {
        "name": "success-rate",
        "interval": f"{rule.interval}s",
        "initialDelay": f"{min(rule.interval, rule.window)}s",  # before it there is nothing to divide
        "successCondition": "result[0] >= 0.99",
        "failureLimit": rule.failures - 1,
        "provider": {"prometheus": {"address": prometheus, "query": f"{good} / {every}"}},
    }
    return {"metrics": [metric]}


def flagger(where: str, host: str, image: str, prometheus: str, rule: Rule) -> list[Manifest]:
    """A Deployment and a Canary on it; Flagger makes the Services and the route."""
    provider = {"type": "prometheus", "address": prometheus}
    template = {"provider": provider, "query": _error_rate()}
    return [
        namespace(where),
        deployment(where, image),
        _of("flagger.app/v1beta1", "MetricTemplate", where, template),
        _of("flagger.app/v1beta1", "Canary", where, _canary(where, host, rule)),
    ]


def _canary(where: str, host: str, rule: Rule) -> Manifest:
    metric = {
        "name": "error-rate",
        "templateRef": {"namespace": where, "name": APP},
        "thresholdRange": {"max": 1},
        "interval": f"{rule.window}s",
    }
    return {
        "provider": "gatewayapi:v1",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": APP},
        "progressDeadlineSeconds": 60,
        "service": {
            "port": 80,
            "targetPort": PORT,
            "hosts": [host],
            "gatewayRefs": [{"namespace": NAMESPACE, "name": GATEWAY}],
        },
        "analysis": {
            "interval": f"{rule.interval}s",
            "threshold": rule.failures,
            "maxWeight": rule.most,
            "stepWeight": rule.step,
            "metrics": [metric],
        },
    }


def _error_rate() -> str:
    """Percent of the canary's answers. Non-errors over all: a series that begins hides its first error."""
    names = "httproute-{{ namespace }}-{{ target }}-.*-svc-{{ namespace }}-{{ target }}-canary-.*"
    counted = f'traefik_service_requests_total{{service=~"{names}@kubernetesgateway"'
    good, every = ("sum(rate(" + counted + more + "}[{{ interval }}]))" for more in (',code!~"5.."', ""))
    return f"100 - {good} / {every} * 100"


def _of(version: str, kind: str, where: str, spec: Manifest) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": _named(where, APP), "spec": spec}


def _named(where: str, name: str) -> Manifest:
    return {"namespace": where, "name": name}
