"""Decisions, stored: load states, `advance`, save states and effects in one transaction.

A `Deciding` works within one change of the store. All that follows from an event follows inside it:
a version that became ready tells its releases, a target that became free gives the next its turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from policies import limits, messages, rollout, turns, version
from policies.effects import Effect, Wake, lane
from policies.events import (
    AuthorityChecked,
    Command,
    EffectFailed,
    EvidenceChanged,
    Overtaken,
    ReleaseEvent,
    Superseded,
    Tick,
    TurnCame,
    VersionEvent,
    VersionFailed,
    VersionReady,
    Waits,
)
from policies.limits import Live
from policies.release import Phase, Release, Target
from policies.version import Version, VersionPhase
from policies.windows import Frozen
from service.engine import deploying, firing, freezes, notifying, ruling, telling
from service.store.change import Change
from service.store.codec import canonical
from service.store.queue import Work
from service.store.rows import ReleaseRow, TargetRow, VersionRow
from service.store.states import (
    EFFECT,
    TARGET,
    VERSION,
    number_of,
    release_of,
    release_row,
    release_row_after,
    target_of,
    version_of,
)
from service.store.store import TRIES, Store

T = TypeVar("T")
EVERY = 1 << 31  # releases: none may be overlooked
SHOWN = ("phase", "wanted", "observed", "paused", "reason", "waits", "unproven", "approvals", "override")


def decide(store: Store, decision: Callable[["Deciding"], T], tries: int = TRIES) -> T:
    """Run a decision in one change of the store; anew where another change came first."""
    return store.decide(lambda change: decision(Deciding(change)), tries)


class Deciding:
    """The decisions of one change."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.now = change.now

    # --- releases ------------------------------------------------------------------------

    def create(self, release: Release) -> str:
        """Number and store a new release; one whose version is settled already goes on at once."""
        number, count = self.change.next_release(release.target)
        release = ruling.held_as_now(self.change, release)
        release = replace(release, name=f"rel-{number}", number=count, began=self.now, since=self.now)
        saved = self.change.save_release(release_row(release, 0, self.now))
        detail = {"cause": release.cause.text, "target": release.target, "version": release.version}
        self.change.record(release.name, release.cause.author or "unknown", "began", detail)
        told = notifying.effects(self.change.sources(), None, release, self.now)
        self._add(release.name, saved.rev, told, release.model)
        row = self.change.version(release.version)
        if row is not None:
            self._tell_if_settled(release, version_of(row))
        elif release.switch:  # back to what was found there, which Segue never built
            self.release_event(release.name, VersionReady(release.image, (), self.now))
        return release.name

    # --- events --------------------------------------------------------------------------

    def version_event(self, key: str, event: VersionEvent) -> None:
        """Apply an answer to a version; its releases learn when it is settled."""
        row = self.change.version(key)
        if row is None:
            return
        before = version_of(row)
        after, effects = version.advance(before, event)
        if after != before:
            self.save_version(row, after, effects)

    def save_version(self, row: VersionRow, after: Version, effects: tuple[Effect, ...] = ()) -> None:
        """Store a version as it is now, with what is to be done for it; its releases learn of it."""
        saved = self.change.save_version(replace(row, state=VERSION.dump(after)))
        self._add(after.key, saved.rev, effects, after.model.name)
        detail = {"reason": after.reason, "image": after.image, "metrics": dict(after.metrics)}
        self.change.record(after.key, "segue", after.phase.value, detail)
        for waiting in self.change.releases(version_key=after.key, final=False):
            if after.settled:
                self._tell_if_settled(release_of(waiting), after)
            else:
                self.release_event(release_of(waiting).name, Waits("", "", self.now))

    def version_waits(self, key: str, event: Waits) -> None:
        """Let the releases of a version show why its step takes its time."""
        row = self.change.version(key)
        if row is None or version_of(row).step != event.step:
            return
        for waiting in self.change.releases(version_key=key, final=False):
            self.release_event(release_of(waiting).name, replace(event, step=""))

    def _tell_if_settled(self, release: Release, state: Version) -> None:
        if release.phase is not Phase.PENDING or not state.settled:
            return
        event: ReleaseEvent
        if state.phase is VersionPhase.FAILED or state.image is None:
            event = VersionFailed(state.reason or "the version has no image", self.now)
        else:
            event = VersionReady(state.image, state.metrics, self.now)
        self.release_event(release.name, event)

    def release_event(self, name: str, event: ReleaseEvent) -> Release | None:
        """Apply an event to a release and its target; the release as it is then."""
        row = self.change.release(number_of(name))
        if row is not None and self.change.hold(row.target):
            row = self.change.release(number_of(name))
        if row is None:
            return None
        before = release_of(row)
        held = self.change.target(before.target)
        target = target_of(held, before.target)
        if isinstance(event, Tick) and before.phase is Phase.QUEUED and target.holder is None:
            self.next_turn(before.target)  # a freeze is over
            row = self.change.release(number_of(name))
            return None if row is None else release_of(row)
        ahead, freeze = self._ahead(before, target, event), self._freeze(before, event)
        decision = rollout.advance(before, target, event, ahead, freeze)
        after = decision.release
        if (after, decision.target, decision.effects) == (before, target, ()):
            return before
        saved = self.change.save_release(release_row_after(row, before, after))
        if decision.target != target:
            here = held or TargetRow(before.target, {})
            self.change.save_target(replace(here, state=TARGET.dump(decision.target)))
        self._add(name, saved.rev, (*decision.effects, *self._told(before, after)), after.model)
        self._record(before, after, event)
        if after.phase is Phase.STARTING and before.phase is not Phase.STARTING:
            return self._held_by_alert(after, event.at) or after
        lost = after.phase is Phase.APPROVAL and isinstance(event, AuthorityChecked | EffectFailed)
        if decision.target.holder is None and (after.final or lost):
            self._turn_is_over(after)
        elif after.phase is Phase.QUEUED and decision.target.holder is not None:
            self._overtake(decision.target.holder, after)
        return after

    def weigh(self, events: Mapping[str, EvidenceChanged]) -> None:
        """Apply evidence to these releases, each by itself. What leads to nothing but that it is known, as
        most does, is stored together."""
        known: list[ReleaseRow] = []
        for row, before, target in self._held_together([number_of(name) for name in events]):
            event = events[row.name]
            decision = rollout.advance(before, target, event, freeze=self._freeze(before, event))
            after = decision.release
            told = after.phase is not before.phase or after.held != before.held
            if decision.effects or decision.target != target or told:
                self.release_event(row.name, event)
            elif after != before:
                known.append(release_row_after(row, before, after))
                self._record(before, after, event)
        self.change.save_releases(known)

    def _held_together(self, numbers: Sequence[int]) -> list[tuple[ReleaseRow, Release, Target]]:
        rows = self.change.releases_of(numbers)
        if rows and self.change.hold(*(row.target for row in rows)):
            rows = self.change.releases_of(numbers)
        held = {row.name: row for row in self.change.targets_of([row.target for row in rows])}
        targets = {row.target: target_of(held.get(row.target), row.target) for row in rows}
        return [(row, release_of(row), targets[row.target]) for row in rows]

    def _held_by_alert(self, release: Release, at: float) -> Release | None:
        """A release that begins while an alert fires waits before any traffic; going back does not."""
        known = None if release.switch else firing.at(self.change, release.target)
        if known is None:
            return None
        source, why = known
        pause = Command("pause", release.name, None, f"{why}, since before it began", source, source, at)
        self.change.record(release.name, source, "command", {"verb": "pause", "reason": pause.reason})
        return self.release_event(release.name, pause)

    def _freeze(self, release: Release, event: ReleaseEvent) -> Frozen | None:
        """What holds it, by the policy's freeze or error budget, or by the operator's freeze."""
        return freezes.of(self.change, release, event.at)

    def _ahead(self, release: Release, target: Target, event: ReleaseEvent) -> str:
        """What takes the target before the release may, where this event could let it have it; or ""."""
        waits = release.phase in {Phase.PENDING, Phase.APPROVAL, Phase.QUEUED}
        if not waits or not isinstance(event, VersionReady | Command | AuthorityChecked | EffectFailed):
            return ""
        return self._before(release, target)

    def _before(self, release: Release, target: Target) -> str:
        if target.holder is not None:
            return f"{target.holder}, which is on its way"
        first = turns.ahead(release, self._waiting(target))
        return self._no_room(release) if first is None else f"{first.name}, whose turn is before"

    def _no_room(self, release: Release) -> str:
        """What the operator's limits say; a rollback that people asked for waits for no room."""
        if not self.change.limits.any or release.switch or release.batch:
            return ""
        return limits.full(self.change.limits, _live(release), self.change.live())

    def _waiting(self, target: Target) -> list[Release]:
        opened = (
            release_of(row) for row in self.change.releases(target=target.name, final=False, limit=EVERY)
        )
        return [release for release in opened if release.name != target.holder]

    def _overtake(self, holder: str, newer: Release) -> None:
        row = self.change.release(number_of(holder))
        if row is not None and turns.cancels(newer, release_of(row)):
            self.release_event(holder, Overtaken(newer.name, self.now))

    def _turn_is_over(self, ended: Release) -> None:
        """The target is free for its next; under limits the room goes to whoever has waited longest."""
        beside = self.change.queued_beside(_live(ended)) if self.change.limits.any else []
        taken = False
        for target in dict.fromkeys((*beside, ended.target)):
            if not taken or target == ended.target:
                taken = self.next_turn(target) or taken

    def next_turn(self, target: str) -> bool:
        """Whoever is first takes its turn, if it has room; whether it did.

        What is older is superseded, the others hear what is ahead.
        """
        self.change.hold(target)
        held = target_of(self.change.target(target), target)
        waiting = self._waiting(held)
        first = turns.first(waiting) if held.holder is None else None
        if first is not None and self._no_room(first):
            first = None
        after = None if first is None else self.release_event(first.name, TurnCame(self.now))
        for release in waiting:
            if first is not None and release.number < first.number:
                self.release_event(release.name, Superseded(first.name, self.now))
            elif release is not first and release.phase is Phase.QUEUED:
                why = self._before(release, target_of(self.change.target(target), target))
                if why != release.waits:
                    self.release_event(release.name, Waits("", why, self.now))
        return after is not None and (after.phase is not Phase.QUEUED or bool(after.step))

    def give_up(self, work: Work, reason: str) -> None:
        """Park work that cannot be done, and have people told of what nobody waits for. Raises `Lost`."""
        self.change.fail(work, reason)
        notifying.give_up(self.change, work, reason)

    # --- what follows --------------------------------------------------------------------

    def perform(self, subject: str, effect: Effect) -> None:
        """An effect that no machine waits for; the same effect twice is one."""
        body = EFFECT.dump(effect)
        key = f"{subject}:{canonical(body)}"
        self.change.add_work(Work(lane(effect, subject), type(effect).__name__, key, subject, body))

    def _add(self, subject: str, rev: int, effects: tuple[Effect, ...], model: str) -> None:
        for number, effect in enumerate(effects):
            self.change.add_work(
                Work(
                    lane=lane(effect, subject),
                    kind=type(effect).__name__,
                    key=f"{subject}:{rev}:{number}",
                    subject=subject,
                    body=EFFECT.dump(effect),
                    not_before=effect.at if isinstance(effect, Wake) else 0.0,
                    # By kind, too: a model whose commits cannot be told is still built.
                    party=f"{model}:{type(effect).__name__}",
                )
            )

    def _told(self, before: Release, after: Release) -> tuple[Effect, ...]:
        """That people are told, and the release's host, where something changed that they are shown."""
        if not _shows(before, after):
            return ()
        sources = self.change.sources()
        listed = deploying.effect(self.change, sources, before, after)
        told = notifying.effects(sources, before, after, self.now)
        return (*(() if listed is None else (listed,)), *telling.effects(sources, after), *told)

    def _record(self, before: Release, after: Release, event: ReleaseEvent) -> None:
        if not _shows(before, after):
            return
        evidence = after.evidence or before.evidence
        detail: dict[str, Any] = {
            "event": type(event).__name__,
            "wanted": after.wanted,
            "observed": after.observed,
            "reason": after.reason or after.waits,
            "title": messages.title(after),
            "evidence": [messages.finding(f) for f in evidence.findings] if evidence else [],
            "plan": after.plan,
            "evidence_digest": after.asked[-1].evidence if after.asked else "",
            "unproven": list(after.unproven),
        }
        self.change.record(after.name, getattr(event, "actor", "segue"), after.phase.value, detail)


def _shows(before: Release, after: Release) -> bool:
    """Whether something changed that people are shown."""
    return any(getattr(before, name) != getattr(after, name) for name in SHOWN)


def _live(release: Release) -> Live:
    return Live(release.model, release.place.cluster)
