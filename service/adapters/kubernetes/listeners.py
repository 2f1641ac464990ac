"""Who answered which request, as the cluster's data plane tells it: by a recorder that no request passes.

The gateway is told once, by who runs it, to send its spans to the Service `segue-answers`; Segue makes that
while some target asks who answered. A rollout never waits for it: labels that cannot be joined hold a
release, and a rollback needs none. Contract of the spans: `service.recorder.otlp`.
"""

from collections.abc import Callable
from dataclasses import replace

import structlog

from service.adapters.kubernetes import recorders_manifest
from service.adapters.kubernetes.labels import SPEC
from service.adapters.kubernetes.recorder_objects import RecorderObjects
from service.adapters.kubernetes.recorders_manifest import LISTENER
from service.adapters.kubernetes.transport import Object
from service.ports.outcomes import PortError
from service.recorder.between import Listening

log = structlog.get_logger()


class Listeners:
    """The one recorder of a place that listens, for all its targets."""

    def __init__(self, objects: RecorderObjects, proof: Callable[[str], str]) -> None:
        """`proof` is the digest of the token by which notes are taken, by a recorder's name; it may raise
        `Refused`."""
        self._objects = objects
        self._proof = proof

    def keep(self, target: str) -> None:
        """Have it listen for the target, too. What stands against that is logged, and holds nobody up."""
        try:
            proof, known = self._proof(LISTENER), self._objects.known(LISTENER)
            if known is None:
                order = Listening((target,), proof)
                self._objects.make(LISTENER, "", order, recorders_manifest.LEAST, ())
            else:
                before = _order_of(known)
                targets = {target} if before is None else {*before.targets, target}
                self._tell(known, Listening(tuple(sorted(targets)), proof))
        except PortError as reason:
            log.warning("nobody notes who answers", target=target, reason=str(reason))

    def leave(self, known: Object, target: str) -> None:
        """It listens for the target no more; for none, it ends."""
        before = _order_of(known)
        if before is None:
            return
        left = tuple(name for name in before.targets if name != target)
        if not left:
            self._objects.delete(LISTENER)
        elif left != before.targets:
            self._tell(known, replace(before, targets=left))

    def _tell(self, known: Object, order: Listening) -> None:
        told = known["metadata"]["annotations"].get(SPEC)
        if told != recorders_manifest.spec_of(order) or self._objects.aged(known):
            self._objects.tell(known, order, anew=True)


def _order_of(known: Object) -> Listening | None:
    """What it is told now; None where that cannot be read."""
    try:
        order = recorders_manifest.order_of(known)
    except ValueError:
        return None
    return order if isinstance(order, Listening) else None
