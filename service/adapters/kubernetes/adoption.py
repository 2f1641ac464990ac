"""A Deployment that was there before Segue: found, noted, stopped, and left again as it was found.

What must be known to leave it so is in one annotation on the Deployment itself, so that it survives
us; it also keeps a second installation away. The Deployment is never deleted, its autoscaler never
touched: one whose Deployment has no replicas scales nothing until it has some again.
"""

import json
from collections.abc import Mapping
from typing import Any

from policies.place import Place
from service.adapters.kubernetes import copying, drift, reasons, splits
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, PDB, POD, SERVICE
from service.adapters.kubernetes.labels import MANAGED_BY, SEGUE
from service.adapters.kubernetes.shapes import no_such
from service.adapters.kubernetes.shapes.known import SHAPES
from service.adapters.kubernetes.transport import Object
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry

TAKEN = "segue.dev/taken-over"  # annotation: owner, service, port, selector, replicas, and the image we set


class Found:
    """The Deployment that the place names."""

    def __init__(self, api: Api, cluster: Cluster, place: Place) -> None:
        """`place.deployment` names it."""
        self._api = api
        self._owner = cluster.owner
        self._namespace = place.namespace
        self._place = place
        self.deployment = place.deployment or ""

    def read(self) -> Object:
        """The Deployment as it is now. Raises `Refused`, naming those that are there."""
        found = self._api.get(DEPLOYMENT, self._namespace, self.deployment)
        if found is None:
            there = self._api.list(DEPLOYMENT, self._namespace)
            known = ", ".join(one["metadata"]["name"] for one in there) or "none"
            raise Refused(f"there is no Deployment {self._namespace}/{self.deployment}; there are: {known}")
        if not copying.own_selector(found):
            raise Refused(
                f"{self._namespace}/{self.deployment} selects its pods by expressions alone, and no copy"
                " could be told from it; make it anew with `matchLabels` in its selector, which cannot be"
                " changed"
            )
        return found

    def note(self, found: Object) -> dict[str, Any]:
        """What is noted of it, written down when it is first asked for."""
        known = noted(found)
        if known is not None:
            if known["owner"] != self._owner:
                raise Refused(
                    f"{self._namespace}/{self.deployment} is taken over by another installation of Segue"
                    f" ({known['owner']}); hand it back there, or remove the annotation {TAKEN}"
                )
            return dict(known)
        service = self._service(found)
        known = {
            "owner": self._owner,
            "service": service["metadata"]["name"],
            "port": self._port(service),
            "selector": service["spec"]["selector"],
            "replicas": found["spec"].get("replicas", 1),
        }
        self._write(found, {TAKEN: json.dumps(known, sort_keys=True)})
        return known

    def pods(self, found: Object) -> list[Object]:
        """The pods that the Deployment runs."""
        labels = ",".join(f"{key}={said}" for key, said in copying.own_selector(found).items())
        return self._api.list(POD, self._namespace, labels=labels)

    def image(self, found: Object, port: int) -> str:
        """The model's image by its digest: as its pods have pulled it where the template names a tag."""
        model = self._model(found, port)
        if "@" in model["image"]:
            return str(model["image"])
        pulled = {digest(pod, model["name"]) for pod in self.pods(found) if ready(pod)}
        if len(pulled) != 1:
            raise Retry(f"{self.deployment} runs more than one image; it is being changed just now", after=5)
        one = pulled.pop()
        return f"{copying.repository(model['image'])}@{one}" if one else str(model["image"])

    def stop(self, found: Object) -> None:
        """No pods any more; how many there were is noted."""
        replicas = found["spec"].get("replicas", 1)
        if replicas:
            known = self.note(found) | {"replicas": replicas}
            self._write(found, {TAKEN: json.dumps(known, sort_keys=True)}, {"replicas": 0})

    def start(self, found: Object, at_least: int = 0) -> None:
        """As many pods as there were, unless it has some."""
        if not found["spec"].get("replicas", 1):
            replicas = max(1, int((noted(found) or {}).get("replicas", 1)), at_least)
            self._api.patch(DEPLOYMENT, self._namespace, self.deployment, {"spec": {"replicas": replicas}})

    def names(self, found: Object, image: str) -> bool:
        """Whether its template names this image, be it by a tag that means the same."""
        model = copying.container(found["spec"]["template"], image)
        return image == model["image"] or image == self._pulled(found, model)

    def set_image(self, found: Object, image: str) -> None:
        """Have its template name this image: written once. `Retry`, saying who and what mends it, where
        somebody has changed that back, until the image is written where they keep it."""
        known = self.note(found)
        if known.get("image") == image:
            who = drift.changed_by(found, "spec.template.spec.containers")
            raise Retry(
                f"{drift.place(found)} was given the image {image}, and {who} changed it back; write it into"
                " Git, or wherever the Deployment is kept, and this goes on by itself",
                after=5,
            )
        model = copying.container(found["spec"]["template"], image)
        containers = [one["name"] for one in found["spec"]["template"]["spec"]["containers"]]
        path = f"/spec/template/spec/containers/{containers.index(model['name'])}"
        told = json.dumps(known | {"image": image}, sort_keys=True)
        patch = [
            {"op": "test", "path": f"{path}/name", "value": model["name"]},
            {"op": "replace", "path": f"{path}/image", "value": image},
            {"op": "add", "path": f"/metadata/annotations/{TAKEN.replace('/', '~1')}", "value": told},
        ]
        self._api.patch(DEPLOYMENT, self._namespace, self.deployment, patch, "json")

    def forget(self, found: Object) -> None:
        """It is nobody's any more."""
        if noted(found) is not None:
            self._write(found, {TAKEN: None})

    def reached(self, found: Object) -> copying.Reached:
        """What selects its pods, and where."""
        services = [one["spec"].get("selector") or {} for one in self._api.list(SERVICE, self._namespace)]
        budgets = [
            one["spec"].get("selector", {}).get("matchLabels") or {}
            for one in self._api.list(PDB, self._namespace)
        ]
        known = self.note(found)
        return copying.Reached((*services, *budgets, known["selector"]), int(known["port"]))

    def service(self, name: str) -> Object:
        """A Service of the namespace."""
        service = self._api.get(SERVICE, self._namespace, name)
        if service is None:
            raise Refused(f"the Service {self._namespace}/{name} is gone; make it again, or hand back")
        return service

    # --- what selects and reaches it ------------------------------------------------------------

    def _service(self, found: Object) -> Object:
        """The Service that users reach it by: the one that the route names, else the only one."""
        worn = found["spec"]["template"].get("metadata", {}).get("labels") or {}
        services = {
            one["metadata"]["name"]: one
            for one in self._api.list(SERVICE, self._namespace)
            if copying.selects(one["spec"].get("selector"), worn) and not _ours(one)
        }
        named = [name for name in self._references() if name in services]
        if named:
            return services[named[0]]
        reached = {name: one for name, one in services.items() if one["spec"].get("clusterIP") != "None"}
        if len(reached) == 1 and self._place.route is None:
            return next(iter(reached.values()))
        shown = ", ".join(services) or "none"
        route = self._place.route
        wanted = f"the route {route} names none of them" if route else "write `route:` to name one"
        raise Refused(f"Services that select the pods of {self.deployment}: {shown}; {wanted}")

    def _references(self) -> dict[str, int]:
        """The Services that the route names, with their ports."""
        if self._place.route is None:
            return {}
        kind, namespace, name = self._place.routed
        shape = SHAPES[kind]
        live = (self._api.get(kind, namespace, name) for kind in shape.kinds)
        route = next((one for one in live if one is not None), None)
        if route is None:
            raise Refused(no_such(shape, namespace, name))
        named = splits.leads_to(shape, route["spec"], namespace)
        here = ((key.partition("."), port) for key, port in named.items())
        return {service: port for (service, _, where), port in here if where == self._namespace}

    def _port(self, service: Object) -> int:
        named = self._references().get(service["metadata"]["name"], 0)
        return named or int(service["spec"]["ports"][0]["port"])

    def _model(self, found: Object, port: int) -> Object:
        """The container that holds the model, else the one that the Service reaches at this port."""
        template = found["spec"]["template"]
        try:
            return copying.container(template)
        except Refused:
            containers: list[Object] = template["spec"]["containers"]
            service = self.service(str(self.note(found)["service"]))
            aimed = next((one for one in service["spec"]["ports"] if one["port"] == port), {"port": port})
            reached = [one for one in containers if _listens(one, aimed.get("targetPort", aimed["port"]))]
            if len(reached) != 1:
                raise
            return reached[0]

    def _pulled(self, found: Object, model: Object) -> str:
        digests = {digest(pod, model["name"]) for pod in self.pods(found)}
        return f"{copying.repository(model['image'])}@{digests.pop()}" if len(digests) == 1 else ""

    def _write(
        self, found: Object, annotations: Mapping[str, str | None], spec: Object | None = None
    ) -> None:
        """Only onto what was read: somebody else's change in between is read first."""
        metadata = {"annotations": annotations, "resourceVersion": found["metadata"]["resourceVersion"]}
        patch = {"metadata": metadata, **({"spec": spec} if spec else {})}
        changed = self._api.patch(DEPLOYMENT, self._namespace, self.deployment, patch)
        found.clear()
        found.update(changed)


def noted(found: Object) -> dict[str, Any] | None:
    """What the annotation of a Deployment says; None where there is none."""
    text = (found["metadata"].get("annotations") or {}).get(TAKEN)
    return None if text is None else dict(json.loads(text))


def unready(found: Object) -> str:
    """Why a Deployment's pods are not all there and ready; empty where they are."""
    status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
        return "its change is not seen yet"
    for count, what in (("updatedReplicas", "of the newest template"), ("readyReplicas", "ready")):
        if status.get(count, 0) < wanted:
            trouble = reasons.of_deployment(found)
            said = f": {trouble.words}" if trouble else ""
            return f"{status.get(count, 0)} of {wanted} pods are {what}{said}"
    return ""


def _ours(thing: Object) -> bool:
    return bool((thing["metadata"].get("labels") or {}).get(MANAGED_BY) == SEGUE)


def _listens(container: Object, port: int | str) -> bool:
    """Whether it says that it has this port, by number or by name."""
    ports = container.get("ports") or []
    return any(port in {one.get("containerPort"), one.get("name")} for one in ports)


def ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def digest(pod: Object, container: str) -> str:
    """The digest by which a pod's image was pulled; empty for one that came without a registry."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    said = next((one.get("imageID", "") for one in statuses if one["name"] == container), "")
    return str(said.partition("@")[2])
