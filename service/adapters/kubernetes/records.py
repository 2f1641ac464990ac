"""What Segue wrote into an object that carries traffic, kept in that object: one annotation, by target.

The record lies beside what it speaks of, so that one compare-and-swap writes both. It holds the order
of the write (epoch, attempt), the split as it was asked for, and what was found before Segue came, so
that handing back restores exactly that. Pure functions over decoded objects.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from policies import recording
from policies.recording import Recording
from service.adapters import routes
from service.adapters.kubernetes import recorders_manifest
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route

ANNOTATION = "segue.dev/traffic"
REVERT_SECONDS = 60.0  # within which so many reverts are a war
REVERTS = 3
# What Segue writes into its routes beside the split; a change to that raises it. 1: who answered (`stamps`).
# A worker of before, beside a newer one's, then takes what it does not know of for nobody's change.
FORM = 1


@dataclass(frozen=True, slots=True)
class Record:
    """The newest write to one target. Without backends: removed, and the order is remembered.

    `found`: what Segue found, a JSON value of the router that wrote it. `reverts`: when somebody was
    seen to have undone a write, in epoch seconds. `recorder` takes the requests of the version that has them
    all while they are copied to `copied`, as `recording` says. `form`: of whoever wrote it.
    """

    owner: str
    epoch: int
    attempt: int
    backends: tuple[Backend, ...] = ()
    sticky: Literal["none", "cookie", "header"] = "none"
    found: tuple[dict[str, Any], ...] = ()
    reverts: tuple[float, ...] = ()
    recording: Recording | None = None
    copied: str = ""
    recorder: Backend | None = None
    form: int = FORM

    @property
    def order(self) -> tuple[int, int]:
        return self.epoch, self.attempt

    @property
    def written(self) -> tuple[Backend, ...]:
        """The split as the object says it."""
        if self.recorder is None:
            return self.backends
        return (*(replace(one, weight=0.0) for one in self.backends), self.recorder)


def records(live: Mapping[str, Any]) -> dict[str, Record]:
    """All targets' records of an object; one that cannot be read is never taken for none."""
    metadata = live.get("metadata", {})
    text = (metadata.get("annotations") or {}).get(ANNOTATION)
    if text is None:
        return {}
    try:
        return {target: _record(stored) for target, stored in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        place = f"{metadata.get('namespace')}/{metadata.get('name')}"
        raise Refused(
            f"the annotation {ANNOTATION} of {place} cannot be read ({type(error).__name__}); somebody"
            " changed it; remove it to let Segue begin anew"
        ) from error


def with_record(live: Mapping[str, Any], target: str, record: Record | None) -> dict[str, Any]:
    """The object with this record in the place of the target's last one; None: without any."""
    kept = {name: one for name, one in records(live).items() if name != target}
    kept |= {} if record is None else {target: record}
    metadata = dict(live["metadata"])
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != ANNOTATION}
    if kept:
        text = json.dumps({name: _stored(one) for name, one in sorted(kept.items())}, separators=(",", ":"))
        annotations[ANNOTATION] = text
    return {**live, "metadata": {**metadata, "annotations": annotations}}


def check(record: Record | None, target: str, owner: str, order: tuple[int, int]) -> None:
    """Raise `Refused` where a later write is stored, or another installation's."""
    if record is None:
        return
    if record.owner != owner:
        raise Refused(f"{target} is held there by another installation of Segue ({record.owner})")
    routes.check_order(target, order, record.order)


def of_route(route: Route, owner: str, before: Record | None, recorder: Backend | None = None) -> Record:
    """The record of this write; what was found and undone before is kept."""
    fresh = Record(
        owner,
        route.epoch,
        route.attempt,
        route.backends,
        route.sticky,
        recording=route.recording,
        copied=route.copied,
        recorder=recorder,
    )
    return fresh if before is None else replace(fresh, found=before.found, reverts=before.reverts)


def route_of(target: str, record: Record) -> Route:
    """The split as it was asked for. A recorder that waits for its requests is no version."""
    asked = (record.recording, record.copied)
    versions = tuple(one for one in record.backends if not recorders_manifest.is_recorder(one.name))
    return Route(target, record.epoch, versions, record.sticky, record.attempt, *asked)


def written_route(target: str, record: Record) -> Route:
    """The split as the object says it."""
    return replace(route_of(target, record), backends=record.written)


def undone(record: Record, now: float) -> Record:
    """The record with one more revert, seen now; those that are long past are forgotten."""
    recent = tuple(at for at in record.reverts if now - at < REVERT_SECONDS)
    return replace(record, reverts=(*recent, now))


def at_war(record: Record) -> bool:
    """Whether somebody undoes each write: going on would only swing the traffic."""
    return len(record.reverts) >= REVERTS


def _record(stored: Mapping[str, Any]) -> Record:
    return Record(
        str(stored["owner"]),
        int(stored["epoch"]),
        int(stored["attempt"]),
        tuple(Backend(str(name), str(url), float(weight)) for name, url, weight in stored["backends"]),
        stored["sticky"],
        tuple(dict(one) for one in stored["found"]),
        tuple(float(at) for at in stored["reverts"]),
        form=int(stored.get("form", 0)),
        **(_shadow(stored["shadow"]) if "shadow" in stored else {}),
    )


def _shadow(stored: Mapping[str, Any]) -> dict[str, Any]:
    name, url = stored["recorder"]
    recorder = Backend(str(name), str(url), 100.0)
    asked = recording.from_json(stored["recording"])
    return {"recording": asked, "copied": str(stored["copied"]), "recorder": recorder}


def _stored(record: Record) -> dict[str, Any]:
    shadow: dict[str, Any] = {}
    if record.recorder is not None and record.recording is not None:
        at = [record.recorder.name, record.recorder.url]
        shadow = {
            "shadow": {
                "recording": recording.to_json(record.recording),
                "copied": record.copied,
                "recorder": at,
            }
        }
    return shadow | {
        "owner": record.owner,
        "epoch": record.epoch,
        "attempt": record.attempt,
        "backends": [[one.name, one.url, one.weight] for one in record.backends],
        "sticky": record.sticky,
        "found": list(record.found),
        "reverts": list(record.reverts),
        "form": record.form,
    }
