"""How often a version's pods ended and came back, counted so that a replaced pod is not forgotten.

The kubelet counts per pod, and a pod that was killed takes its count with it. What was seen is kept
beside the Deployment: each pod's own count, and the sum of those that are gone. A pod that vanished
counts as one more, unless the cluster said that it evicts it or fewer pods are wanted.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

RESTARTS = "segue.dev/restarts"  # the annotation of a Deployment that keeps it
_LONGEST = 12  # characters of a pod's uid, enough to tell a Deployment's pods apart


@dataclass(frozen=True, slots=True)
class Ledger:
    """`gone` counts what pods that are no more had; `pods` holds those seen last: their count, and
    whether the cluster itself ends them. Of `wanted` ones `spare` may vanish, since fewer are wanted."""

    gone: int = 0
    pods: dict[str, tuple[int, bool]] = field(default_factory=dict)
    wanted: int = 0
    spare: int = 0

    @property
    def total(self) -> int:
        """All restarts so far."""
        return self.gone + sum(count for count, _ in self.pods.values())

    @classmethod
    def read(cls, text: str | None) -> Self:
        """From an annotation; an empty one where there is none."""
        told = json.loads(text or "{}")
        pods = {uid: (int(count), bool(excused)) for uid, (count, excused) in told.get("pods", {}).items()}
        return cls(int(told.get("gone", 0)), pods, int(told.get("wanted", 0)), int(told.get("spare", 0)))

    def text(self) -> str:
        """For an annotation."""
        told = {"gone": self.gone, "pods": self.pods, "wanted": self.wanted, "spare": self.spare}
        return json.dumps(told, sort_keys=True, separators=(",", ":"))

    def seen(self, pods: Iterable[dict[str, Any]], wanted: int) -> "Ledger":
        """After another look: these pods are there, so many are wanted."""
        now = {_uid(pod): (_count(pod), _excused(pod)) for pod in pods}
        left = {uid: known for uid, known in self.pods.items() if uid not in now}
        spare = self.spare + max(0, self.wanted - wanted)
        lost = sum(1 for _, excused in left.values() if not excused)
        gone = self.gone + sum(count for count, _ in left.values()) + max(0, lost - spare)
        return Ledger(gone, now, wanted, max(0, spare - lost))


def _uid(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["uid"])[:_LONGEST]


def _count(pod: dict[str, Any]) -> int:
    status = pod.get("status", {})
    counts = (int(one.get("restartCount", 0)) for one in status.get("containerStatuses") or [])
    return sum(counts) + int(status.get("phase") == "Failed")


def _excused(pod: dict[str, Any]) -> bool:
    """Drained, preempted or lost with its node; what a kubelet evicts for its use of memory is not."""
    conditions = pod.get("status", {}).get("conditions") or []
    ended = (
        one for one in conditions if one.get("type") == "DisruptionTarget" and one.get("status") == "True"
    )
    return any(one.get("reason") != "TerminationByKubelet" for one in ended) or (
        pod.get("status", {}).get("phase") == "Failed"  # counted already
    )
