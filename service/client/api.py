"""Everything that the API answers, one method each."""

import hashlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from service.client import following
from service.client.admitting import Admitting
from service.client.asking import Given, part, said
from service.client.errors import Refusal, Unreachable
from service.client.following import Told
from service.client.results import (
    Answer,
    Cluster,
    Connection,
    Entry,
    Event,
    Gone,
    Increments,
    Known,
    LogsBehind,
    Model,
    OneEvent,
    OneRelease,
    Proven,
    Release,
    Report,
    ServedThen,
    Setting,
    Simulation,
    Source,
    Stored,
    Target,
    Verdict,
)
from service.client.rows import Rows

REPLY_SECONDS = 30.0
ASK_SECONDS = 0.05
SIMULATED_SECONDS = 180.0  # that one is waited for: others may be played before it


@dataclass(frozen=True, slots=True)
class Client(Admitting):
    """One installation's API with a person's token. Every method raises `Unreachable` or `Refusal`."""

    def releases(
        self, *, target: Given = None, model: Given = None, only_open: bool = False, before: Given = None
    ) -> Rows[Release]:
        """Releases, newest first."""
        query = said(target=target, model=model, open="1" if only_open else None, before=before)
        return self._rows("releases", "before", query)

    def release(self, name: str, *, after: Given = None, parked_before: Given = None) -> OneRelease:
        """A release with its version, its work that was given up, newest first, and its record, oldest first:
        200 entries behind the one of the id `after`. `next` and `parked_next` say where they go on."""
        asked = said(after=after, parked_before=parked_before)
        return cast("OneRelease", self._get(f"releases/{part(name)}", asked))

    def follow(self, name: str, since: str = "") -> Iterator[Told]:
        """A release as it goes on, until it has ended; behind the event of that id. A connection that breaks
        is made anew."""
        return following.follow(self._door, f"{self.web}/api/v1/releases/{part(name)}/stream", since)

    def logs(self, name: str) -> Mapping[str, str]:
        """The end of what its build, its evaluation and its workload printed."""
        return cast("Mapping[str, str]", self._get(f"releases/{part(name)}/logs")["logs"])

    def logs_behind(self, name: str, *, build: str = "", evaluation: str = "") -> LogsBehind:
        """What came behind the marks of an answer before; empty ones are the beginning."""
        query = {"build": build, "evaluation": evaluation}
        return cast("LogsBehind", self._get(f"releases/{part(name)}/logs", query))

    def report(self, name: str) -> Report:
        """What a release was judged by, over time."""
        return cast("Report", self._get(f"releases/{part(name)}/report")["report"])

    def increments(self, name: str) -> Increments:
        """The recorded intervals and the policy that judged them, in their stored form."""
        return cast("Increments", self._get(f"releases/{part(name)}/increments"))

    def targets(self) -> Rows[Target]:
        """What serves where."""
        return self._rows("targets", "after", {})

    def sources(self) -> Rows[Source]:
        """What is connected, and what the last look at it found."""
        return self._rows("sources", "after", {})

    def clusters(self) -> Rows[Cluster]:
        """Clusters that are connected."""
        return self._rows("clusters", "after", {})

    def settings(self) -> Rows[Setting]:
        """Every setting as it is in force, without logins."""
        return self._rows("settings", "after", {})

    def models(self) -> Rows[Model]:
        """Models as the default branches declare them."""
        return self._rows("models", "after", {})

    def labels(self, model: str) -> Rows[Known]:
        """How many true labels are known of a model's answers, by table and version."""
        return self._rows(f"models/{part(model)}/labels", "after", {})

    def events(self, *, source: Given = None, only_failed: bool = False, before: Given = None) -> Rows[Event]:
        """What came in and was seen, newest first."""
        query = said(source=source, failed="1" if only_failed else None, before=before)
        return self._rows("events", "before", query)

    def event(self, name: str, *, body: bool = False) -> OneEvent:
        """One of them, with the delivery that it came in as."""
        return cast("OneEvent", self._get(f"events/{part(name)}", {"body": "1"} if body else {}))

    def record(self, *, after: Given = None) -> Rows[Entry]:
        """Who did what, oldest first."""
        return self._rows("record", "after", said(after=after))

    def export_record(
        self,
        form: str = "jsonl",
        *,
        since: float | None = None,
        until: float | None = None,
        model: Given = None,
        release: Given = None,
    ) -> Iterator[bytes]:
        """The record as a file, a piece at a time: `jsonl` or `csv`, with all that its hashes cover."""
        times = {"since": since, "until": until}
        query = said(form=form, model=model, release=release)
        query |= {name: _seconds(at) for name, at in times.items() if at is not None}
        return self._door.lines(f"{self.web}/api/v1/record/export", query)

    def prove_record(self, checkpoint: bytes | None = None) -> Iterator[Proven]:
        """What is proven of the record, held against a checkpoint that was kept elsewhere: 20,000 entries at
        a time, up to its end or to the first that is not as it was written."""
        after: str | None = "0"
        ends: str | None = None
        while after is not None:
            found = self._proven(after, checkpoint)
            if ends not in {None, found["begins"]["hash"]}:
                raise Refusal(f"entry {after} was changed while the record was proven", 409)
            yield found
            ends, after = found["ends"]["hash"], found["next"]

    def simulate(
        self,
        rate: float,
        *,
        target: Given = None,
        segue_yaml: Given = None,
        wait: float = SIMULATED_SECONDS,
        **more: Any,
    ) -> Simulation:
        """What a policy does with simulated traffic of so many requests a second: a target's, a file's or
        Segue's own. `more` is as the API names it: `environment`, `errors`, `worse`, `weights`, …"""
        told = {"rate": rate, **said(target=target, segue_yaml=segue_yaml), **more}
        until = time.monotonic() + wait
        while True:
            found = self._door.post(f"{self.web}/api/v1/simulations", None, json=told)
            if "again" not in found:
                return cast("Simulation", found)
            if time.monotonic() + found["again"] > until:
                raise Unreachable(
                    f"the policy was not played within {wait:g} s; ask again, or: segue simulate"
                )
            time.sleep(found["again"])

    def served(self, target: str, *, at: float | None = None) -> ServedThen:
        """What had traffic at a target at a moment, in Unix seconds, else now; the greatest share first."""
        query = said(at=None if at is None else _seconds(at))
        return cast("ServedThen", self._get(f"targets/{_target(target)}/served", query))

    def lineage(self, of: str, form: str = "openlineage", *, before: Given = None) -> Iterator[bytes]:
        """From what a release (`rel-7`) or a target's releases came and what they served, a piece at a time:
        `openlineage` run events, one a line, or a `cyclonedx` bill of materials."""
        about = f"targets/{_target(of)}" if "/" in of else f"releases/{part(of)}"
        return self._door.lines(f"{self.web}/api/v1/{about}/lineage", said(form=form, before=before))

    def verdict(self, target: str, *, weight: float | None = None, image: Given = None) -> Verdict:
        """What to do with the traffic of a target's candidate, for who shifts it themselves."""
        query = said(weight=None if weight is None else f"{weight:g}", image=image)
        return cast("Verdict", self._get("/".join(map(part, ("verdicts", *target.split("/", 1)))), query))

    def command(
        self,
        verb: str,
        subject: str | None = None,
        *,
        digest: str | None = None,
        reason: str | None = None,
        **arguments: str,
    ) -> Answer:
        """Store a command and wait for its reply. It is stored once, however often it has to be sent."""
        stored = self.store(verb, subject, digest=digest, reason=reason, **arguments)
        until = time.monotonic() + REPLY_SECONDS
        while time.monotonic() < until:
            answer = self.answer(stored["delivery"])
            if answer is not None:
                return answer
            time.sleep(ASK_SECONDS)
        raise Unreachable(
            f"the command is stored as delivery {stored['delivery']}, but nothing obeyed it within"
            f" {REPLY_SECONDS:g} s; see: segue doctor"
        )

    def store(
        self,
        verb: str,
        subject: str | None = None,
        *,
        digest: str | None = None,
        reason: str | None = None,
        key: str | None = None,
        **arguments: str,
    ) -> Stored:
        """Store a command, to be obeyed later. With a `key` of one's own it is one command, whichever process
        sends it again."""
        body = said(verb=verb, subject=subject, digest=digest, reason=reason, channel=self.channel)
        told = {**body, "arguments": arguments}
        url = f"{self.intake}/api/v1/commands"
        return cast("Stored", self._door.post(url, key or str(uuid.uuid4()), json=told))

    def answer(self, delivery: str) -> Answer | None:
        """What a stored command was answered; None while it is not obeyed."""
        return cast("Answer | None", self._get(f"commands/{part(delivery)}")["answer"])

    def connect(
        self,
        kind: str,
        url: Given = None,
        *,
        name: Given = None,
        owns: Sequence[str] = (),
        people: Sequence[str] = (),
        turns: Sequence[str] = (),
        sender: Given = None,
        to: Sequence[str] = (),
        organisation: bool = False,
    ) -> Connection:
        """Connect a source, chat, receiver or sender, or change the connection; `told` says what was done."""
        lists = {"owns": owns, "people": people, "turns": turns, "to": to}
        body: dict[str, Any] = {"kind": kind, **said(url=url, name=name, **{"from": sender})}
        body |= {field: list(given) for field, given in lists.items() if given}
        body |= {"organisation": True} if organisation else {}
        return cast("Connection", self._door.post(f"{self.web}/api/v1/sources", None, json=body))

    def disconnect(self, name: str) -> Gone:
        """Take a connection away; `told` says what was done, and is left to do."""
        return cast("Gone", self._door.delete(f"{self.web}/api/v1/sources/{part(name)}", {}))

    def add_labels(self, batch: bytes) -> Stored:
        """Store a batch of true labels. The same batch sent twice is one."""
        key = hashlib.sha256(batch).hexdigest()
        return cast("Stored", self._door.post(f"{self.intake}/api/v1/labels", key, data=batch))

    def _proven(self, after: str, checkpoint: bytes | None) -> Proven:
        if checkpoint is None:
            return cast("Proven", self._get("record/proof", {"after": after}))
        given = {"params": {"after": after}, "headers": {"Content-Type": "application/json"}}
        url = f"{self.web}/api/v1/record/proof"
        return cast("Proven", self._door.post(url, None, data=checkpoint, **given))


def _seconds(at: float) -> str:
    """A moment as exact as addresses take it: what happened in the same second must not count as later."""
    return f"{at:.6f}"


def _target(name: str) -> str:
    model, _, environment = name.partition("/")
    return f"{part(model)}/{part(environment)}"
