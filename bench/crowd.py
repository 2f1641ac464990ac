"""Fills a store: ten thousand live releases, as many that ended, four thousand targets in clusters.

States are real ones, but written as rows, many at a time: nothing is decided here. Live and ended releases
take turns, so that no page of either is at hand because it happens to be the newest.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import insert, text

from policies import strategy
from policies.effects import Build, CheckPreview, Effect, StartWorkload, Wake, lane
from policies.events import EvidenceChanged
from policies.evidence import Evidence, Finding, Verdict
from policies.place import HERE, Place, backend_name
from policies.release import HOLDING, Cause, Phase, Release, Serving, Target
from policies.spec.declaration import Environment, Guard, GuardKind
from service.store import tables
from service.store.database import patient
from service.store.due import LONGEST_LEASE
from service.store.queue import Work
from service.store.rows import ReleaseRow, TargetRow
from service.store.states import EFFECT, EVIDENCE, TARGET, number_of, release_row
from service.store.store import Store

# How many are at what: a target has one that holds it, and up to two that wait.
LIVE = {
    Phase.SHIFTING: 2_000,
    Phase.WATCHING: 1_000,
    Phase.STARTING: 500,
    Phase.CHECKING: 500,
    Phase.QUEUED: 3_000,
    Phase.PENDING: 2_000,
    Phase.APPROVAL: 1_000,
}
TARGETS, PER_MODEL, CLUSTERS = 4_000, 2, 20
TOGETHER = 500  # rows in one statement
GUARDS = tuple(Guard(kind.value, kind) for kind in (GuardKind.ERRORS, GuardKind.LATENCY, GuardKind.ALIVE))
DWELL = 1_800.0  # seconds: longer than the benchmark, so that no weight moves in it
ENVIRONMENTS = tuple(
    Environment(name, guards=GUARDS, dwell=DWELL, watch=DWELL) for name in ("production", "europe")
)
DIGEST = "sha256:" + "5e" * 32
RULE = "candidate not worse than stable by more than 0.1 % of all requests, at 1 % false alarms"


def fill(store: Store, live_at: Mapping[Phase, int] = LIVE, *, clusters: int = CLUSTERS) -> list[Release]:
    """Write all of it; the releases that are judged now. Without `clusters` all are on this machine."""
    with store.change() as change:
        holding = sum(count for phase, count in live_at.items() if phase in HOLDING)
        live = [
            made(number, phase, change.now, holding, clusters)
            for number, phase in enumerate(_phases(live_at), 1)
        ]
        ended = [
            replace(one, name=f"rel-{number_of(one.name) - 1}", number=2 * one.number - 1) for one in live
        ]
        ended = [replace(one, phase=Phase.PROMOTED, ended=change.now) for one in ended]
        targets = [_target(one, change.now) for one in live[:holding]]
        work = [row for one in live for row in _work(one, change.now)]
        done = [_ended(row, number) for number, row in enumerate(work)]
        everything = {
            tables.release: (_columns(release_row(one, 1, one.began)) for one in (*live, *ended)),
            tables.target: (_columns(TargetRow(one.name, TARGET.dump(one), 1)) for one in targets),
            tables.work: (*done, *work),
        }
        for table, rows in everything.items():
            for part in _parts(rows):
                change.connection.execute(insert(table).values(part))
        patient(change.connection)
        change.connection.execute(text("ANALYZE"))  # as it comes by itself where a store grows
    return [one for one in live if one.phase in {Phase.SHIFTING, Phase.WATCHING}]


def told(one: Release, sequence: int, now: float) -> Work:
    """What the observer tells of a release where nothing changed, as it tells it."""
    seen = replace(_evidence(one), sequence=sequence)
    key = f"evidence:{one.name}:{seen.epoch}:{sequence}"
    body = EVIDENCE.dump(EvidenceChanged(seen, now))
    return Work(f"evidence:{one.name}", "evidence", key, one.name, body)


def _phases(live_at: Mapping[Phase, int]) -> Iterator[Phase]:
    """Whoever holds a target first, one for each target."""
    order = sorted(live_at, key=lambda phase: phase not in HOLDING)
    return itertools.chain.from_iterable(itertools.repeat(phase, live_at[phase]) for phase in order)


def made(count: int, phase: Phase, now: float, targets: int, clusters: int = 0) -> Release:
    """The release of that number, one of those that take turns on so many targets."""
    nth = (count - 1) % targets
    environment = ENVIRONMENTS[nth % PER_MODEL]
    model, place = f"model-{nth // PER_MODEL}", Place(f"cluster-{nth % clusters}", "ml") if clusters else HERE
    version = f"{count:064x}"
    cause = Cause(f"push to main of {model}", "ann", "git", f"{count:040x}", "mlflow", (model, str(count)))
    release = Release(
        f"rel-{2 * count}",
        2 * ((count - 1) // targets + 1),
        model,
        f"{model}/{environment.name}",
        environment,
        version,
        backend_name(model, environment.name, version[::-1], place),
        cause,
        phase=phase,
        began=now,
        since=now,
        place=place,
    )
    if phase not in HOLDING:
        return release
    steps, weight = strategy.plan(environment, first=False), 5.0 if phase is Phase.SHIFTING else 100.0
    weight = weight if phase in {Phase.SHIFTING, Phase.WATCHING} else 0.0
    release = replace(
        release, steps=steps, epoch=3, image=DIGEST, wanted=weight, observed=weight, peak=weight
    )
    release = replace(release, position=int(phase is Phase.WATCHING), step=f"{phase.value}-1")
    return replace(release, evidence=_evidence(release), evidence_at=now) if weight else release


def _evidence(one: Release) -> Evidence:
    numbers = (("candidate requests", 1_200.0), ("candidate errors", 3.0), ("stable errors", 40.0))
    findings = tuple(
        Finding(guard.name, Verdict.CLEARED, RULE, numbers, (-0.001, 0.0015), 24_000, "") for guard in GUARDS
    )
    return Evidence(Verdict.CLEARED, findings, one.observed, one.epoch, one.observed, one.observed, 1)


def _target(holder: Release, now: float) -> Target:
    before = replace(holder, version=holder.version[::-1])
    stable = Serving("rel-1", 1, before.version, DIGEST, f"{holder.backend}-before", "http://10.0.0.1", now)
    return Target(
        holder.target,
        holder.epoch,
        holder.name,
        holder.number,
        stable,
        replace(stable, backend=f"{holder.backend}-earlier"),
        holder.place,
    )


def _work(one: Release, now: float) -> list[dict[str, Any]]:
    """What each waits for; nothing of it is due for now."""
    waited: dict[Phase, list[Effect]] = {
        Phase.SHIFTING: [Wake(now + DWELL), Wake(now + 2 * DWELL)],
        Phase.WATCHING: [Wake(now + DWELL), Wake(now + 2 * DWELL)],
        Phase.STARTING: [StartWorkload(one.step, one.version, one.backend, one.target, one.place)],
        Phase.CHECKING: [
            CheckPreview(one.step, one.target, one.version, one.backend, "http://10.0.0.2", one.place)
        ],
        Phase.PENDING: [Build("build-1", one.version)],
        Phase.APPROVAL: [Wake(now + 86_400)],
    }
    effects = waited.get(one.phase, [])
    return [_row(one, number, effect, now) for number, effect in enumerate(effects)]


def _row(one: Release, number: int, effect: Effect, now: float) -> dict[str, Any]:
    clock = isinstance(effect, Wake)
    due = effect.at if isinstance(effect, Wake) else now + LONGEST_LEASE - 60.0
    return {
        "lane": lane(effect, one.name),
        "kind": type(effect).__name__,
        "key": f"{one.name}:1:{number}",
        "subject": one.name,
        "body": EFFECT.dump(effect),
        "state": "pending" if clock else "started",
        "attempts": 0,
        "retries": 0,
        "not_before": due,
        "epoch": 0 if clock else 1,
        "created": now,
        "started": None if clock else now,
        "finished": None,
        "party": None if clock else f"{one.model}:{type(effect).__name__}",
        "rank": due,
    }


def _ended(row: dict[str, Any], number: int) -> dict[str, Any]:
    """The same as it was for the release before: it stays for some days."""
    here = {"lane": f"{row['lane']}:before", "key": f"before:{number}", "subject": f"rel-{2 * number + 1}"}
    return {**row, **here, "state": "done", "finished": row["created"]}


def _columns(row: ReleaseRow | TargetRow) -> dict[str, Any]:
    found = {one.name: getattr(row, one.name) for one in fields(row)}
    return {**found, "name": row.name}


def _parts(rows: Iterable[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    all_rows = iter(rows)
    while part := list(itertools.islice(all_rows, TOGETHER)):
        yield part
