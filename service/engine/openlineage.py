"""Releases as OpenLineage run events: a target is a job, a release its run. Pure functions to plain values.

Events of one release repeat to the byte: ids are derived from names. Dataset names follow
https://openlineage.io/docs/spec/naming/ where there is a rule; the event's form is that of
https://openlineage.io/spec/2-0-2/OpenLineage.json.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from policies import messages
from policies.release import Phase, Release
from policies.version import Version
from service.engine.served import Served

PRODUCER = f"https://segue.dev/segue@{version('segue')}"
RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets"
OWN_FACET = "https://segue.dev/lineage/v1#ReleaseRunFacet"
_ENDS = {
    Phase.PROMOTED: "COMPLETE",
    Phase.ALREADY_THERE: "COMPLETE",
    Phase.ABORTED: "ABORT",
    Phase.REJECTED: "ABORT",
    Phase.SUPERSEDED: "ABORT",
}  # all others are FAIL


@dataclass(frozen=True, slots=True)
class Turn:
    """What happened to a release: the event's type, when, and the share of traffic that it had then."""

    kind: str
    at: float
    weight: float


def turns(served: Served) -> list[Turn]:
    """The turns of a release so far, in order: its begin, each share of traffic, its end."""
    release = served.release
    found = [Turn("START", release.began, 0.0)]
    found += [Turn("RUNNING", share.at, share.weight) for share in served.shares]
    if release.final and release.ended is not None:
        kind = _ENDS.get(release.phase, "FAIL")
        found.append(Turn(kind, release.ended, 100.0 if served.since is not None else 0.0))
    return found


def event(served: Served, turn: Turn, namespace: str, sources: Mapping[str, str]) -> dict[str, Any]:
    """One event. `namespace` is the installation's address; `sources` are addresses by the names of
    connections."""
    release = served.release
    return {
        "eventTime": _time(turn.at),
        "eventType": turn.kind,
        "producer": PRODUCER,
        "schemaURL": RUN_EVENT,
        "job": {"namespace": namespace, "name": release.target, "facets": {"jobType": _job_type()}},
        "run": {"runId": run_id(namespace, release.name), "facets": _run(served, turn)},
        "inputs": list(_inputs(served.version, sources)),
        "outputs": list(_outputs(release, namespace, turn.weight)),
    }


def run_id(namespace: str, release: str) -> str:
    """The run of a release of the installation at this address."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{namespace}/releases/{release}"))


def _run(served: Served, turn: Turn) -> dict[str, Any]:
    """What only Segue knows is one facet of its own; standard ones beside it, where there is one."""
    release, known = served.release, served.version
    own: dict[str, Any] = {
        "release": release.name,
        "version": release.version,
        "cause": release.cause.text,
        "author": release.cause.author,
        "weight": turn.weight,
    }
    if turn.kind != "START":  # when the version may not be built yet
        own |= {"image": release.image or None, "metrics": dict(known.metrics) if known is not None else {}}
    if turn.kind not in {"START", "RUNNING"}:
        own |= {
            "phase": release.phase.value,
            "reason": release.reason or None,
            "proof": messages.proof(release) if release.phase is Phase.PROMOTED else None,
            "approvals": [approval.actor for approval in release.approvals],
        }
    facets = {"segue_release": _facet(OWN_FACET, **own)}
    if turn.kind == "FAIL":
        said = {"message": release.reason or release.phase.value, "programmingLanguage": "Python"}
        facets["errorMessage"] = _facet(f"{FACETS}/1-0-0/ErrorMessageRunFacet.json", **said)
    return facets


def _inputs(known: Version | None, sources: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if known is None:
        return
    if known.code is not None:
        code = known.code
        yield _dataset(sources.get(code.source, code.source), code.folder or ".", code.commit)
    if known.registered is not None:
        model = known.registered
        yield _dataset(sources.get(model.source, model.source), f"models/{model.name}", model.version)


def _outputs(release: Release, namespace: str, weight: float) -> Iterator[dict[str, Any]]:
    """What answers at the target. Without traffic nothing was changed there."""
    if weight > 0:
        yield _dataset(namespace, f"targets/{release.target}", release.image or release.version)


def _dataset(namespace: str, name: str, known_by: str) -> dict[str, Any]:
    facet = _facet(f"{FACETS}/1-0-0/DatasetVersionDatasetFacet.json", datasetVersion=known_by)
    return {"namespace": namespace, "name": name, "facets": {"version": facet}}


def _job_type() -> dict[str, Any]:
    said = {"processingType": "SERVICE", "integration": "SEGUE", "jobType": "MODEL"}
    return _facet(f"{FACETS}/2-0-4/JobTypeJobFacet.json", **said)


def _facet(schema: str, **said: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": schema, **said}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
