"""What disturbs a release, done as people, nodes and crashes do it; and a team's models to disturb."""

import json
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.cluster.kubectl import Kubectl
from tests.cluster.objects import deployment, http_route, service
from tests.cluster.whole import Control, tag

OURS = "app.kubernetes.io/managed-by=segue"


class Team:
    """Models of a team that run in one namespace: for each a Deployment, a Service and a route."""

    def __init__(self, kubectl: Kubectl, images, gateway, namespace: str) -> None:
        self.kubectl, self.images, self.gateway, self.namespace = kubectl, images, gateway, namespace

    def run(self, name: str, *, replicas: int = 1, **behaviour: object) -> None:
        """Have a model run, and its first image tagged."""
        image = self.image(name, 1, **behaviour)
        self.kubectl.apply(
            deployment(self.namespace, name, image, replicas=replicas),
            service(self.namespace, name),
            http_route(self.namespace, name, self.host(name), self.gateway.reference, {name: 1}),
        )

    def image(self, name: str, number: int, **behaviour: object) -> str:
        """Push a version's image, and let the tag of its number mean it, as CI would; all are in one repository."""
        image = self.images.model(str(number), self.namespace, **behaviour)
        tag(image, f"{name}-{number}")
        return image

    def host(self, name: str) -> str:
        return f"{name}.{self.namespace}.test"

    def call_inside(self, name: str) -> str:
        """Have a pod call a model all the time by the name of its Service; the caller's name."""
        files = {"app/caller.py": Path(__file__).parent / "model" / "caller.py"}
        env = {"URL": f"http://{name}.{self.namespace}.svc/predict"}
        image = self.images.python(self.namespace, files, ["/app/caller.py"], env)
        pod = deployment(self.namespace, f"calls-{name}", image)["spec"]["template"]["spec"]
        pod["containers"][0].pop("readinessProbe")
        metadata = {"namespace": self.namespace, "name": f"calls-{name}"}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod})
        ready = ("--for=condition=Ready", "--timeout=120s")
        self.kubectl.run("wait", f"pod/calls-{name}", "-n", self.namespace, *ready)
        return f"calls-{name}"

    def answers_inside(self, caller: str, since: float = 0.0) -> Counter[tuple[str, int]]:
        """What that pod was answered, by version and status, from `since` (seconds since 1970) on."""
        lines = self.kubectl.run("logs", caller, "-n", self.namespace).splitlines()
        answers = [line.split() for line in lines]
        return Counter((version, int(status)) for at, version, status in answers if float(at) >= since)

    def pods(self, name: str, *, candidate: bool = False):
        """The pods that are not ending: of what the team runs, or of the copy that Segue made."""
        chosen = f"segue.dev/target={name}.production" if candidate else f"app={name}"
        found = self.kubectl.get("pods", "-n", self.namespace, "-l", chosen)["items"]
        return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def copy(self, name: str):
        """The Deployment of the version that Segue started last; None before it has."""
        found = self.kubectl.get(
            "deployments", "-n", self.namespace, "-l", f"segue.dev/target={name}.production"
        )
        return max(found["items"], key=lambda one: one["metadata"]["creationTimestamp"], default=None)

    def bounds(self, name: str):
        """The least and the most pods that an autoscaler sets, and whether Segue holds it."""
        found = self.kubectl.get("hpa", name, "-n", self.namespace)
        held = "segue.dev/held" in (found["metadata"].get("annotations") or {})
        return (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]), held

    def patch(self, kind: str, name: str, patch, who: str) -> None:
        """Change an object by hand, under somebody's name (a JSON patch)."""
        words = ("--type=json", f"--field-manager={who}", "-p", json.dumps(patch))
        self.kubectl.run("patch", kind, name, "-n", self.namespace, *words)

    def kill(self, pod: str) -> None:
        """End a pod at once; one that is gone already is fine."""
        words = ("--grace-period=0", "--force", "--ignore-not-found")
        self.kubectl.run("delete", "pod", pod, "-n", self.namespace, *words)

    def evict(self, pods: set[str]) -> set[str]:
        """Ask for the pods' end as `kubectl drain` does; those whose disruption budget forbids it just now."""
        return {pod for pod in pods if not self._evicted(pod)}

    def _evicted(self, pod: str) -> bool:
        metadata = {"name": pod, "namespace": self.namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        try:
            self.kubectl.run("create", "--raw", path, "-f", "-", given=json.dumps(body))
        except RuntimeError as refusal:
            if "disruption budget" not in str(refusal):
                raise
            return False
        return True

    @contextmanager
    def cordoned(self, pods):
        """Take no new pods onto the nodes where these are, as long as it lasts."""
        found = [self.kubectl.get("pod", pod, "-n", self.namespace) for pod in pods]
        nodes = {pod["spec"]["nodeName"] for pod in found}
        try:
            self.kubectl.run("cordon", *nodes)
            yield
        finally:
            self.kubectl.run("uncordon", *nodes)

    def weights(self, name: str):
        """Percent for each Service, as the route says."""
        route = self.kubectl.get("httproute", name, "-n", self.namespace)
        shares = {one["name"]: one.get("weight", 1) for one in route["spec"]["rules"][0]["backendRefs"]}
        return {backend: 100 * share / sum(shares.values()) for backend, share in shares.items()}

    def share(self, name: str) -> float:
        """Percent that whatever is not the team's own Service has."""
        return sum(weight for backend, weight in self.weights(name).items() if backend != name)


class Watching:
    """What a question answers, asked all the time from another thread."""

    def __init__(self, question, every: float = 0.3) -> None:
        self._question, self._every = question, every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(self._every):
            self.answers.append(self._question())


def declared(control: Control, team: Team, defaults: str, models) -> None:
    """Connect the registry and declare the models, all with these defaults."""
    control.say("connect", "registry", f"http://{team.images.registry}")
    text = f"""\
defaults:
  image: {team.images.registry}/{team.namespace}:{{name}}-*
  deployment: {team.namespace}/{{name}}
{defaults}
models:
"""
    control.declare(text + "".join(f"  {name}: {{{more}}}\n" for name, more in models.items()))


def told(control: Control, name: str) -> str:
    """What people read of a release."""
    return control.say("show", name)
