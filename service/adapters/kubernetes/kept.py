"""Whether what runs is still what was started: somebody may have given it another image, or deleted it.

Only the model's image counts: replicas are an autoscaler's, and sidecars, labels and resources are often
somebody else's to change.
"""

from typing import Any

from service.adapters.kubernetes import adoption, copying, drift
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, POD
from service.adapters.kubernetes.transport import Object
from service.adapters.kubernetes.workloads import KubernetesWorkloads, short
from service.ports.outcomes import Refused, Retry

_CONTAINERS = "spec.template.spec.containers"


class KeptDeployments:
    """The port Kept, over the Deployments of one place."""

    def __init__(self, api: Api, running: KubernetesWorkloads, namespace: str) -> None:
        self._api = api
        self._running = running
        self._namespace = namespace

    def changed(self, name: str, image: str) -> str | None:
        """One read; two where a template names its image by a tag."""
        found = self._running.named(name)
        return self._told(found, name, image)

    def gone(self, name: str) -> bool:
        """Whether it was deleted."""
        return self._running.named(name) is None

    def runs(self, name: str, image: str) -> str:
        """By its digest where its pods have pulled it."""
        found = self._must(name)
        said = self._runs(found, copying.container(found["spec"]["template"], image))
        if not said:
            raise Retry(f"{drift.place(found)} is being changed just now", after=5)
        return said

    def mend(self, name: str, image: str, seen: str) -> None:
        """Only onto the image that was seen: a change in between makes the patch fail."""
        found = self._must(name)
        if self._told(found, name, image) != seen:
            raise Refused(f"{drift.place(found)} was changed once more since that was seen")
        template = found["spec"]["template"]
        model = copying.container(template, image)
        at = [one["name"] for one in template["spec"]["containers"]].index(model["name"])
        path = f"/spec/template/spec/containers/{at}"
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": f"{path}/name", "value": model["name"]},
            {"op": "test", "path": f"{path}/image", "value": model["image"]},
            {"op": "replace", "path": f"{path}/image", "value": image},
        ]
        self._api.patch(DEPLOYMENT, self._namespace, found["metadata"]["name"], patch, "json")

    def _must(self, name: str) -> Object:
        found = self._running.named(name)
        if found is None:
            raise Refused(f"the Deployment of {name} is gone")
        return {"kind": "Deployment", **found}

    def _told(self, found: Object | None, name: str, image: str) -> str | None:
        if found is None:
            return f"the Deployment {self._namespace}/{short(name)} is gone"
        model = copying.container(found["spec"]["template"], image)
        if model["image"] == image:
            return None
        said = self._runs(found, model)
        if not said or said == image:
            return None
        live = {"kind": "Deployment", **found}
        return drift.changed(live, drift.changed_by(found, _CONTAINERS), f"it runs {said}, not {image}")

    def _runs(self, found: Object, model: Object) -> str:
        """The image of the model's container, by its digest; "" while its pods do not agree."""
        if "@" in model["image"]:
            return str(model["image"])
        chosen = ",".join(f"{key}={said}" for key, said in copying.own_selector(found).items())
        pods = self._api.list(POD, self._namespace, labels=chosen)
        pulled = {adoption.digest(pod, model["name"]) for pod in pods if adoption.ready(pod)}
        if len(pulled) != 1:
            return ""
        pulled_by = pulled.pop()
        return f"{copying.repository(model['image'])}@{pulled_by}" if pulled_by else str(model["image"])
