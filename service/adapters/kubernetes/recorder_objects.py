"""The objects of recorders at one place: made, told otherwise, looked at and ended."""

import time
from collections.abc import Iterable, Sequence

from service.adapters.kubernetes import endpoints, labels, manifests, recorders_manifest
from service.adapters.kubernetes.answers import Taken
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, NETWORK_POLICY, PDB, POD, SERVICE
from service.adapters.kubernetes.recorders_manifest import COMPONENT, RECORDER, Ordered
from service.adapters.kubernetes.standing import Standing
from service.adapters.kubernetes.transport import Object
from service.ports.outcomes import Refused, Retry
from service.settings import Settings


class RecorderObjects:
    """A Deployment, a Service and a disruption budget for each, of one name."""

    def __init__(self, api: Api, owner: str, namespace: str, settings: Settings) -> None:
        self._api = api
        self._owner = owner
        self._namespace = namespace
        self._image = settings.builder_image
        self._pulled = settings.builder_pull_secrets
        self._standing = Standing(api, namespace, time.time)

    def known(self, name: str) -> Object | None:
        """A recorder's Deployment. Raises `Refused` for somebody else's, `Retry` for one that is ending."""
        found = self._api.get(DEPLOYMENT, self._namespace, name)
        if found is not None:
            labels.check_owner(found, self._owner)
            if found["metadata"].get("deletionTimestamp"):
                raise Retry("an earlier recorder of its answers is still being ended", after=1.0)
        return found

    def all(self) -> list[Object]:
        """The Deployments of this installation's recorders."""
        wanted = {labels.OWNER: labels.value(self._owner), COMPONENT: RECORDER}
        return self._api.list(DEPLOYMENT, self._namespace, labels=labels.selector(wanted))

    def make(self, name: str, target: str, order: Ordered, pods: int, beside: Sequence[Object]) -> None:
        """Make them; the image is pulled with the secrets that the pods `beside` it have, too."""
        if self._image is None:
            raise Refused(
                "what records answers in a cluster is Segue's own image; name it: SEGUE_BUILDER_IMAGE"
            )
        worn = recorders_manifest.marks(labels.labels(target, name, self._owner))
        shut = recorders_manifest.shut_out(self._api.list(NETWORK_POLICY, self._namespace), worn)
        if shut:
            raise Refused(recorders_manifest.told_shut_out(shut, self._namespace))
        pulled = recorders_manifest.pull_secrets(beside, self._pulled)
        bodies = (
            (SERVICE, recorders_manifest.service(name, worn)),
            (PDB, manifests.budget(name, worn)),
            (DEPLOYMENT, recorders_manifest.deployment(name, worn, order, self._image, pods, pulled)),
        )
        for kind, body in bodies:
            try:
                self._api.create(kind, self._namespace, body)
            except Taken:
                known = self._api.get(kind, self._namespace, name)
                if known is not None:
                    labels.check_owner(known, self._owner)

    def aged(self, known: Object) -> bool:
        """Whether another image of Segue's runs there than this installation's."""
        return self._image not in {None, _image_of(known)}

    def tell(self, known: Object, order: Ordered, *, anew: bool = False) -> None:
        """Another order, pod by pod: users may be answered by them. It stays the image that runs already, but
        for `anew`."""
        pod, worn = known["spec"]["template"]["spec"], known["metadata"]["labels"]
        name, image = known["metadata"]["name"], (anew and self._image) or _image_of(known)
        pulled = recorders_manifest.pull_secrets([{"spec": pod}], self._pulled)
        made = recorders_manifest.deployment(name, worn, order, image, 0, pulled)
        patch = {
            "metadata": {
                "annotations": made["metadata"]["annotations"],
                "resourceVersion": known["metadata"]["resourceVersion"],
            },
            "spec": {"template": made["spec"]["template"]},
        }
        self._api.patch(DEPLOYMENT, self._namespace, name, patch)

    def check_ready(self, known: Object) -> None:
        """Raises `Retry` until all its pods run its order and are endpoints of its Service."""
        wanted, there = known["spec"]["replicas"], recorders_manifest.ready(known)
        if there < wanted:
            raise Retry(f"{there} of {wanted} pods of the recorder are ready{self._why(known)}", after=1.0)
        reached = endpoints.ready(endpoints.slices(self._api, self._namespace, known["metadata"]["name"]))
        if reached < wanted:
            raise Retry(f"{reached} of {wanted} endpoints of the recorder are ready", after=0.5)

    def delete(self, name: str) -> None:
        """The Deployment last: where it is, an end that broke off is found again."""
        for kind in (PDB, SERVICE, DEPLOYMENT):
            known = self._api.get(kind, self._namespace, name)
            if known is not None:
                labels.check_owner(known, self._owner)
                self._api.delete(kind, self._namespace, name, uid=known["metadata"]["uid"])

    def _why(self, deployment: Object) -> str:
        chosen = labels.selector(deployment["spec"]["selector"]["matchLabels"])
        pods: Iterable[Object] = self._api.list(POD, self._namespace, labels=chosen)
        trouble = self._standing.trouble(deployment, list(pods))
        return f": {trouble.words}" if trouble else ""


def _image_of(known: Object) -> str:
    return str(known["spec"]["template"]["spec"]["containers"][0]["image"])
