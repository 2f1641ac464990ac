"""Who gets a Service's requests, as its EndpointSlices say: what data planes go by.

A Deployment says that its pods are ready before their endpoints are written; what counts for a request is
the endpoint. Contract: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from collections.abc import Iterator, Sequence

from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import ENDPOINT_SLICE, SERVICE
from service.adapters.kubernetes.transport import Object

_ELSEWHERE = "ExternalName"  # the type of a Service that is a name of another host, and has no endpoints


def slices(api: Api, namespace: str, service: str) -> list[Object]:
    """Those of a Service."""
    return api.list(ENDPOINT_SLICE, namespace, labels=f"kubernetes.io/service-name={service}")


def ready(found: Sequence[Object]) -> int:
    """How many endpoints answer."""
    return sum(1 for _ in _ready(found))


def ready_pods(found: Sequence[Object]) -> set[str]:
    """The names of the pods that get a Service's requests."""
    return {one["targetRef"]["name"] for one in _ready(found) if "targetRef" in one}


def unanswered(api: Api, namespace: str, service: str) -> str:
    """Why a request to a Service would be lost; empty where one of its endpoints is ready."""
    if ready(slices(api, namespace, service)):
        return ""
    found = api.get(SERVICE, namespace, service)
    if found is not None and found["spec"].get("type") == _ELSEWHERE:
        return ""
    return f"the Service {namespace}/{service} has no endpoint that is ready"


def _ready(found: Sequence[Object]) -> Iterator[Object]:
    """What a slice does not say is to be taken for ready."""
    for one in found:
        for endpoint in one.get("endpoints") or []:
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                yield endpoint
