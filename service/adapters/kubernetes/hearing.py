"""Whether it is known who answers a target's requests: what the doctor says of labels `by: request`.

Questions as in `looking`: each returns findings, and none of them changes anything.
"""

import json
from collections.abc import Iterator

from policies.place import SERVED_BY
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT
from service.adapters.kubernetes.recorders_manifest import LISTENER
from service.ports.clusters import Finding, Served
from service.recorder import between
from service.recorder.passing import REQUEST_ID

LOOKS = 6  # whichever of its pods answers, so that each is asked


def possible(api: Api, served: Served) -> Iterator[Finding]:
    """What the gateway told the recorder that listens there, or what it is to be told."""
    namespace = served.place.namespace
    if api.get(DEPLOYMENT, namespace, LISTENER) is None:
        told = f"its next release makes {namespace}/{LISTENER}, which notes who answered; until then have the"
        yield Finding(
            served.target, ok=True, detail=f"{told} gateway started with {' '.join(_lines(namespace))}"
        )
        return
    requests, named, stamped = _told(api, namespace)
    endpoint, given, said = _lines(namespace)
    told = f"of the {requests:.0f} requests that the gateway told {LISTENER} of"
    if not requests:
        told = f"the gateway has told {LISTENER} of no request of a target that asks who answered"
        yield Finding(
            served.target, ok=False, detail=told, mend=f"start Traefik with {endpoint} {given} {said}"
        )
    elif not stamped:
        yield Finding(
            served.target,
            ok=False,
            detail=f"{told} none says who answered",
            mend=f"start Traefik with {said}",
        )
    elif not named:
        mend = f"let callers send {REQUEST_ID}, and start Traefik with {given}"
        yield Finding(served.target, ok=False, detail=f"{told} none says its id", mend=mend)
    else:
        yield Finding(
            served.target,
            ok=True,
            detail=f"it is noted who answered: {told} {named:.0f} say their id, {stamped:.0f} who answered",
        )


def _lines(namespace: str) -> tuple[str, str, str]:
    """The arguments by which Traefik tells it. Contract:
    https://doc.traefik.io/traefik/reference/install-configuration/observability/tracing/"""
    return (
        f"--tracing.otlp.http.endpoint=http://{LISTENER}.{namespace}.svc:{between.PORT}{between.SPANS}",
        f"--tracing.capturedRequestHeaders={REQUEST_ID}",
        f"--tracing.capturedResponseHeaders={REQUEST_ID},{SERVED_BY}",
    )


def _told(api: Api, namespace: str) -> tuple[int, int, int]:
    """Of how many requests its pods were told, of how many with an id, and with who answered."""
    pods = {}
    for _ in range(LOOKS):
        content = api.proxied(namespace, LISTENER, between.CONTROL, between.TOLD, [], headers={})
        said = json.loads(content or b"{}")
        pods[said.get(between.RECORDER)] = [int(said.get(name, 0)) for name in between.HEARD]
    requests, named, stamped = (sum(counts) for counts in zip(*pods.values(), strict=True))
    return requests, named, stamped
