"""Recorders in a cluster: made before a route leads to one, ended after none does, and asked for their notes.

The token by which notes are taken is made of the installation's own, which all its processes have; nothing
of it is stored anywhere.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import replace

from policies.place import Place
from service.adapters.kubernetes import endpoints, labels, recorders_manifest
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import POD, SERVICE
from service.adapters.kubernetes.listeners import Listeners
from service.adapters.kubernetes.recorder_objects import RecorderObjects
from service.adapters.kubernetes.recorders_manifest import LISTENER
from service.adapters.kubernetes.routes_manifest import service_of
from service.adapters.kubernetes.transport import Object
from service.machine import installation
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Backend, Route
from service.recorder import between, kept
from service.recorder.orders import Leg
from service.recorder.spool import Note
from service.settings import Settings

LOOKS = 2  # at a time: whichever pod answers, so that each is asked every second or so


class Recorders:
    """Those of the versions at one place."""

    def __init__(self, api: Api, cluster: Cluster, place: Place, settings: Settings) -> None:
        self._api = api
        self._owner = cluster.owner
        self._namespace = place.namespace
        self._token = settings.secret(installation.TOKEN) or b""
        self._objects = RecorderObjects(api, cluster.owner, place.namespace, settings)
        self.listeners = Listeners(self._objects, self._proof_of)

    def backend(self, route: Route) -> Backend:
        """What a route that copies requests leads to. Raises `Refused` where it could not."""
        stable = next((one for one in route.backends if one.weight > 0), None)
        if stable is None:
            raise Refused(f"{route.target}: requests are copied beside a version that has them all")
        name = recorders_manifest.name_of(self._owner, route.target, stable.name, route.copied)
        return recorders_manifest.backend_of(name, self._namespace)

    def keep(self, route: Route) -> None:
        """Have the route's recorder run. Raises `Retry` until all its pods have reached both versions."""
        name, order = self.backend(route).name.partition(".")[0], self._order(route)
        known = self._objects.known(name)
        if known is None:
            self._make(name, route.target, order)
            raise Retry("the recorder of its answers starts", after=1.0)
        if known["metadata"]["annotations"].get(labels.SPEC) != recorders_manifest.spec_of(order):
            self._objects.tell(known, order)
            raise Retry("the recorder of its answers is told otherwise", after=1.0)
        self._objects.check_ready(known)

    def end(self, target: str, used: Collection[str]) -> None:
        """End the target's recorders but for those that are used: its route leads there, or it is asked who
        answered. A shadow's pods answer for some seconds more, in which every data plane has forgotten
        them."""
        for one in self._objects.all():
            name = one["metadata"]["name"]
            if name in used:
                continue
            if name == LISTENER:
                self.listeners.leave(one, target)
            elif one["metadata"]["labels"].get(labels.TARGET) == labels.value(target):
                self._objects.delete(name)

    # --- the port Noted -------------------------------------------------------------------------

    def take(
        self,
        target: str,
        versions: tuple[str, str],
        heard: Mapping[str, int],
        stored: Mapping[str, int],
    ) -> tuple[list[Note], dict[str, int]]:
        """Asked through the API server, because Segue may run where no pod can be reached; whichever pod
        answers tells what only it knows."""
        return self._taken(recorders_manifest.name_of(self._owner, target, *versions), heard, stored)

    def answered(self, heard: Mapping[str, int]) -> tuple[list[Note], dict[str, int]]:
        return self._taken(LISTENER, heard, heard)

    def ready(self, target: str, versions: tuple[str, str]) -> bool:
        name = recorders_manifest.name_of(self._owner, target, *versions)
        return self._api.proxy(self._namespace, name, between.CONTROL, between.READY) == 200

    def ask(self, target: str, versions: tuple[str, str], lines: bytes, first: int, rate: float) -> bool:
        name = recorders_manifest.name_of(self._owner, target, *versions)
        query = [(between.FIRST, str(first)), (between.RATE, repr(rate))]
        secret = {between.TOKEN: self._token_of(name)}
        status = self._api.posted(
            self._namespace, name, between.CONTROL, between.LINES, query, headers=secret, content=lines
        )
        if status not in {202, 429}:
            raise Retry(f"the recorder did not take recorded requests: {status or 'no answer'}", after=1.0)
        return status == 202

    def key(self, target: str, versions: tuple[str, str]) -> bytes:
        return between.key_of(self._token_of(recorders_manifest.name_of(self._owner, target, *versions)))

    def _taken(
        self, name: str, heard: Mapping[str, int], stored: Mapping[str, int]
    ) -> tuple[list[Note], dict[str, int]]:
        notes: list[Note] = []
        known = dict(heard)
        for _ in range(LOOKS if self._token else 0):
            query = [("heard", kept.marked(known.items())), ("stored", kept.marked(stored.items()))]
            secret = {between.TOKEN: self._token_of(name)}
            content = self._api.proxied(
                self._namespace, name, between.CONTROL, between.NOTES, query, headers=secret
            )
            if content is None:
                break
            who, last, fresh = _heard(content)
            notes += fresh
            known |= {who: last} if last else {}
        return notes, known

    def _token_of(self, name: str) -> str:
        said = f"notes of {self._owner} {name}".encode()
        return hmac.new(self._token, said, hashlib.sha256).hexdigest()

    def _proof_of(self, name: str) -> str:
        if not self._token:
            raise Refused(
                f"this process has no secret {installation.TOKEN}, by which it takes notes of answers"
            )
        return between.proof_of(self._token_of(name))

    # --- making and ending ----------------------------------------------------------------------

    def _order(self, route: Route) -> between.Order:
        assert route.recording is not None  # noqa: S101  what copies says how
        recording = replace(route.recording, sample=0.0)
        stable = next(one for one in route.backends if one.weight > 0)
        candidate = next(one for one in route.backends if one.name == route.copied)
        for one in (stable, candidate):
            self._check_plain(one)
        return between.Order(
            Leg(route.target, stable.name, stable.url, recording),
            Leg(route.target, candidate.name, candidate.url, recording),
            self._proof_of(self.backend(route).name.partition(".")[0]),
        )

    def _check_plain(self, backend: Backend) -> None:
        """A version whose Service says that it speaks something else would answer nobody there."""
        namespace, name, port = service_of(backend)
        spoken = recorders_manifest.spoken(self._api.get(SERVICE, namespace, name), port)
        if backend.url.startswith("https://") or spoken:
            raise Refused(recorders_manifest.told_spoken(f"{namespace}/{name}", spoken or "https"))

    def _make(self, name: str, target: str, order: between.Order) -> None:
        stable = order.stable.backend
        pods = recorders_manifest.pods_for(self._ready_behind(stable))
        self._objects.make(name, target, order, pods, self._pods_behind(stable))

    def _pods_behind(self, backend: str) -> list[Object]:
        """Those that a version's Service selects."""
        name, _, namespace = backend.partition(".")
        known = self._api.get(SERVICE, namespace, name)
        chosen = (known or {"spec": {}})["spec"].get("selector")
        return self._api.list(POD, namespace, labels=labels.selector(chosen)) if chosen else []

    def _ready_behind(self, backend: str) -> int:
        """How many pods of a version answer."""
        name, _, namespace = backend.partition(".")
        return endpoints.ready(endpoints.slices(self._api, namespace, name))


def _heard(content: bytes) -> tuple[str, int, list[Note]]:
    try:
        return kept.heard(json.loads(content))
    except ValueError as error:
        raise Retry(f"the recorder answers otherwise than it should: {error}", after=1.0) from error
