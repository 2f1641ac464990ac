"""What must hold after whatever was killed: the promises, checked on the journal and the stores.

Each check returns sentences; none means that it holds. They know nothing of how the run went.
"""

from collections import Counter, defaultdict
from itertools import pairwise

from sqlalchemy import select

from policies import deployment, messages
from policies.notices import FINAL, of_phase
from policies.release import Phase
from policies.version import VersionPhase
from service import keys
from service.engine import checkpoints, telling, trusting
from service.performing.images import job_name
from service.store.queue import work_of
from service.store.states import number_of, release_of, target_of, version_of
from service.store.tables import work
from tests.faults.beside import ALIASED, APPROVER, FOUND

PART = 1000  # rows that are read at once
ENDS = ("COMPLETE", "ABORT", "FAIL")  # of a run


def broken(harness, seen, settled):
    """Every promise that does not hold, as a sentence each."""
    return [
        *([] if settled else stuck(harness)),
        *harness.failed,
        *seen.refused,
        *lost(harness, seen),
        *twice(harness, seen),
        *weights(harness, seen),
        *older(harness, seen),
        *recorded(harness),
        *counted(harness, seen),
        *elsewhere(harness, seen),
    ]


def stuck(harness):
    """What has not ended."""
    store = harness.parts.store
    opened = [f"{r.name} is stuck in {r.phase.value}" for r in _releases(harness) if not r.final]
    return [*opened, *(f"work {number} waits" for number in store.due()), "it did not settle"]


def lost(harness, seen):
    """Acknowledged deliveries that are not stored, not handled, or not answered; pushes nobody released."""
    wrong, store, inbox = [], harness.parts.store, harness.parts.inbox
    deliveries = [work for work in _all_work(store) if work.kind == "delivery"]
    done = {work.subject for work in deliveries if work.state == "done"}
    taken = Counter(work.subject for work in deliveries)
    wrong += [f"delivery {number} was taken {count} times" for number, count in taken.items() if count > 1]
    for name, (row, body) in seen.acknowledged.items():
        found = inbox.get(int(row))
        if found is None or (found.body != body and name not in seen.commands):
            wrong.append(f"{name} was acknowledged as {row} and is not stored")
        elif row not in done:
            wrong.append(f"{name} was acknowledged as {row} and is not handled")
        elif name in seen.commands and store.answer(row) is None:
            wrong.append(f"the command {name} was acknowledged and is not answered")
    wrong += [f"the comment {key} is not answered" for key in seen.comments - seen.answers.keys()]
    if seen.unacknowledged:
        wrong.append(f"{seen.unacknowledged} deliveries were never acknowledged")
    newest = {}
    for release in sorted(_releases(harness), key=lambda one: number_of(one.name)):
        if not release.switch and release.retries is None:
            newest[release.model] = release
    for model, text in seen.tips.items():
        if seen.contents[newest[model].cause.commit, model] != text:
            wrong.append(f"the newest version of {model} was never released")
    return wrong


def twice(harness, seen):
    """Builds, jobs, starts, reports and steps that happened twice in effect; what was left running."""
    store = harness.parts.store
    versions = [version_of(row) for row in store.versions()]
    names = {job_name(v).rpartition("-")[0]: v for v in versions}
    wrong = []
    for what, counts in (("build", seen.builds), ("job", seen.jobs)):
        for name, count in counts.items():
            known = names.get(name.rpartition("-")[0])
            if known is None:
                wrong.append(f"the {what} {name} belongs to no version")
            elif count > 1:
                wrong.append(f"the {what} {name} was begun {count} times")
        by_version = Counter(name.rpartition("-")[0] for name in counts)
        wrong += [
            f"{count} {what}s of version {name}" for name, count in by_version.items()
            if name in names and count > names[name].attempt + 1
        ]  # fmt: skip
    warm = set()
    for row in store.targets():
        target = target_of(row, row.name)
        warm |= {one.backend for one in (target.stable, target.previous) if one is not None} - {FOUND}
        if target.holder is not None:
            wrong.append(f"{row.name} is still held by {target.holder}")
    if set(seen.running) != warm:
        wrong.append(f"running: {sorted(seen.running)}; wanted: {sorted(warm)}")
    wrong += [f"{count} answers to the comment {key}" for key, count in seen.answers.items() if count > 1]
    for release in (r for r in _releases(harness) if telling.place(r) is not None):
        told, wanted = seen.messages.get(telling.key(release), []), [messages.title(release)]
        if told != wanted:
            wrong.append(f"the chat was told {told} of {release.name}, wanted {wanted}")
    for release in _releases(harness) if seen.turns else ():
        told, last = seen.turns.get(release.name, []), of_phase(release.phase).value
        ends = [turn for turn in told if turn in FINAL]
        if told[:1] != ["pending"] or ends != [last]:
            wrong.append(f"the receiver was told {told} of {release.name}, wanted it from pending to {last}")
    promoted = sorted(
        (r for r in _releases(harness) if r.phase is Phase.PROMOTED), key=lambda one: number_of(one.name)
    )
    for model, version in [r.cause.registered for r in promoted if r.cause.registered][-1:]:
        if seen.aliases.get((model, "champion")) != version:
            wrong.append(f"version {version} of {model} was promoted last; the aliases are {seen.aliases}")
    # Registered versions share the commit of their file: what stands there is of the one that ended last.
    ends = {
        (r.cause.commit, r.target): r.name for r in sorted(_releases(harness), key=lambda r: r.ended or 0.0)
    }
    for release in promoted:
        own = release.cause.commit and not release.switch and release.retries is None
        last = ends[release.cause.commit, release.target] == release.name
        if own and last and "is promoted" not in seen.notes.get(release.cause.commit, ""):
            wrong.append(f"{release.name} was promoted, and its commit does not say so")
    return wrong


def weights(harness, seen):
    """Traffic that was written otherwise than the ladder allows."""
    wrong = []
    epochs = {(r.target, r.epoch): r for r in _releases(harness) if r.epoch}
    for (target, epoch), writes in _by_epoch(seen.writes).items():
        release = epochs.get((target, epoch))
        if release is None:
            wrong.append(f"{target} was written under epoch {epoch}, which no release held")
            continue
        rungs = {0.0, 10.0, 50.0, 100.0}  # which of them comes next is for the guards to say
        before, back = 0.0, False
        for write in writes:
            given = dict(write.weights)
            if abs(sum(given.values()) - 100) > 1e-6 or write.missing:
                wrong.append(f"{target}, epoch {epoch}: {given}, of which {write.missing} do not run")
            weight = given.get(release.backend, 0.0)
            if weight not in rungs:
                wrong.append(f"{target}, epoch {epoch}: a weight of {weight}")
            elif weight > before and back:
                wrong.append(f"{target}, epoch {epoch}: {weight} after it was taken back")
            back = back or weight < before
            before = weight
    return wrong


def older(harness, seen):
    """Traffic that went back to an older version by itself; releases begun in another order than pushed."""
    wrong = []
    held = defaultdict(list)
    for write in seen.writes:
        held[write.target].append((write.epoch, write.attempt))
    for target, writes in held.items():
        wrong += [f"{target}: epoch and attempt {b} after {a}" for a, b in pairwise(writes) if b < a]
    order = {commit: number for number, (commit, _) in enumerate(seen.pushes)}
    by_target = defaultdict(list)
    for release in sorted(_releases(harness), key=lambda one: number_of(one.name)):
        by_target[release.target].append(release)
    for target, releases in by_target.items():
        began = [r for r in releases if not r.switch and r.retries is None and r.cause.commit in order]
        for one, next_ in pairwise(began):
            if order[next_.cause.commit] < order[one.cause.commit]:
                wrong.append(f"{target}: {next_.name} began for an older push than {one.name}")
        holders = sorted((r.epoch, number_of(r.name)) for r in releases if r.epoch)
        wrong += [
            f"{target}: rel-{b[1]} held it after rel-{a[1]}" for a, b in pairwise(holders) if b[1] < a[1]
        ]
    return wrong


def recorded(harness):
    """A record that was changed, or that tells of something twice; work that was given up."""
    store, wrong = harness.parts.store, []
    if store.verify() is not None:
        wrong.append(f"the record is not as it was written: {store.verify()}")
    began = Counter(e.subject for e in _record(store) if e.action == "began")
    wrong += [f"{name} began {count} times" for name, count in began.items() if count > 1]
    for row in store.versions():
        state = version_of(row)
        actions = Counter(entry.action for entry in store.record_of(row.key, limit=1000))
        for phase in (VersionPhase.BUILDING, VersionPhase.EVALUATING, VersionPhase.READY):
            if actions[phase.value] > state.attempt + 1:
                wrong.append(f"version {row.key} was {phase.value} {actions[phase.value]} times")
    return wrong + [f"work {w.id} ({w.kind}) was given up: {w.error}" for w in store.dead()]


def counted(harness, seen):
    """Requests that guards counted more often than they were made."""
    wrong = []
    for release in _releases(harness):
        rows = harness.series.increments(release.name)
        total = sum(row.body["candidate"][0] for row in rows if "candidate" in row.body)
        if total > seen.served.get(release.backend, 0.0) + 1e-6:
            wrong.append(f"{release.name}: {total} requests counted, {seen.served.get(release.backend)} made")
    return wrong


def elsewhere(harness, seen):
    """What a wide world was told beside traffic: of approved releases, deployments, runs, and checkpoints."""
    if not harness.wide:
        return []
    wrong, releases = [], _releases(harness)
    for release in (r for r in releases if r.model == ALIASED):
        if release.phase is Phase.PROMOTED and [one.actor for one in release.approvals] != [APPROVER]:
            wrong.append(f"{release.name} was promoted, and {APPROVER} did not approve it")
        told = seen.deployed.get(telling.key(release))
        if told not in {None, deployment.state(release), deployment.INACTIVE}:
            wrong.append(f"the host lists {release.name} as {told}, and it is {release.phase.value}")
        if told is None and release.phase is Phase.PROMOTED:
            wrong.append(f"the host does not list {release.name}, which was promoted")
    runs = defaultdict(list)
    for event in seen.runs:
        runs[event["run"]["facets"]["segue_release"]["release"]].append(event["eventType"])
    for release in (r for r in releases if r.name in runs):
        told = Counter(runs[release.name])
        if told["START"] > 1 or sum(told[kind] for kind in ENDS) > 1:
            wrong.append(
                f"{release.name} began or ended twice for the server of lineage: {runs[release.name]}"
            )
    public = keys.trusted(keys.public(harness.settings.secret(trusting.KEY)))
    with harness.parts.store.read() as read:
        heads = [checkpoints.read(content, public) for content in seen.kept.values()]
        wrong += [
            f"the checkpoint of entry {h.size} is of no entry" for h in heads if not read.record_holds(h)
        ]
    return wrong if heads and runs else [*wrong, "no checkpoint was kept, or no run told of"]


def _releases(harness):
    return [release_of(row) for row in harness.releases()]


def _all_work(store):
    """A part of it at a time: PostgreSQL ends a statement whose rows are not taken within seconds."""
    found, last = [], 0
    with store.read() as read:
        while rows := read.connection.execute(
            select(work).where(work.c.id > last).order_by(work.c.id).limit(PART)
        ).all():
            found += [work_of(row) for row in rows]
            last = found[-1].id
    return found


def _record(store):
    """All of it, a part at a time."""
    found = []
    while entries := store.record_of(after=found[-1].id if found else 0, limit=PART):
        found += entries
    return found


def _by_epoch(writes):
    found = defaultdict(list)
    for write in writes:
        found[write.target, write.epoch].append(write)
    return found
