"""Commands of people: what was understood, whether it may be done, what happens next or why not.

The answer is stored under the delivery that brought the command. Authority is checked here, when
the command takes effect, and not only when it was received.
"""

from dataclasses import dataclass, replace

from handlers.commands import render
from policies import approvals
from policies.effects import WriteComment
from policies.events import Command
from policies.release import HOLDING, Cause, Phase, Release, Serving, Target
from policies.spec.declaration import FromImage, FromModel
from service import commenting, ordering, planning, replaying, seen
from service.bootstrap import Parts
from service.deciding import Deciding, Plan, decide
from service.ports.outcomes import Refused
from service.queue import Work
from service.rows import ModelRow
from service.sources import REGISTRY_KINDS
from service.states import COMMAND, model_of, number_of, release_of, target_of

MIDDLE = {
    "promote": {Phase.SHIFTING, Phase.WATCHING},
    "pause": {Phase.STARTING, Phase.CHECKING, Phase.SHIFTING, Phase.WATCHING},
    "resume": {Phase.STARTING, Phase.CHECKING, Phase.SHIFTING, Phase.WATCHING},
    "approve": {Phase.APPROVAL},
    "reject": {Phase.APPROVAL},
}
WHOLE_DIGEST = len("sha256:") + 64
RETRIABLE = {Phase.FAILED, Phase.REFUSED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.REJECTED}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person is told. `ok` False: nothing was done, and `text` says why and what to do."""

    ok: bool
    text: str
    release: str | None = None


def answer(parts: Parts, work: Work) -> None:
    """Obey a stored command and keep the reply, in one change."""
    command = _with_groups(parts, COMMAND.load(work.body))
    prepared = _prepare(parts, command)

    def store(deciding: Deciding) -> None:
        reply = prepared if isinstance(prepared, Reply) else obey(deciding, command, prepared)
        body = {"ok": reply.ok, "text": reply.text, "release": reply.release}
        deciding.change.save_answer(work.subject, body)
        if command.where is not None:
            text = commenting.answer_text(
                render(command), reply.text if reply.ok else f"not done: {reply.text}"
            )
            deciding.perform(work.subject, WriteComment(command.channel, command.where, work.subject, text))
        detail = {
            "verb": command.verb,
            "subject": command.subject,
            "reply": reply.text,
            "reason": command.reason or "",
            "channel": command.channel,
        }
        deciding.change.record(reply.release or command.subject or "segue", command.actor, "command", detail)
        deciding.change.finish(work)

    decide(parts.store, store)


def _with_groups(parts: Parts, command: Command) -> Command:
    """The command with those groups of its author that an approval may need: what models of the source name
    where it was said. Raises `Retry` where the host cannot be asked."""
    if command.verb != "approve" or command.where is None:
        return command
    named = {
        who
        for row in parts.store.models(command.channel)
        for environment in model_of(row).environments
        for who in environment.approvals.people
        if who.startswith("@")
    }
    host, login = parts.git(command.channel), command.actor.partition(":")[2]
    return replace(command, groups=tuple(who for who in sorted(named) if host.belongs(login, who[1:])))


def _prepare(parts: Parts, command: Command) -> Reply | Plan | None:
    """What a command needs from outside, read before anything is stored."""
    if command.verb != "start":
        return None
    row = next((r for r in parts.store.models() if r.name == command.subject), None)
    if row is None:
        known = ", ".join(r.name for r in parts.store.models()) or "none is declared yet"
        return Reply(ok=False, text=f"there is no model {command.subject!r}; known: {known}")
    given = dict(command.arguments)
    try:
        if isinstance(model_of(row).source, FromModel):
            return _of_registry(parts, row, given, command.actor)
        if isinstance(model_of(row).source, FromImage):
            return _of_image(parts, row, given, command.actor)
        if "image" in given:
            return planning.built_plan(parts, row, given["image"], command.actor)
        return _of_branch(parts, row, given, command.actor)
    except Refused as reason:
        return Reply(ok=False, text=str(reason))


def _of_registry(parts: Parts, row: ModelRow, given: dict[str, str], actor: str) -> Plan:
    """A registered version; which registry has it is asked only where several are connected."""
    if "image" in given or "version" not in given:
        raise Refused(f"{row.name} comes from a registry; write which version: --version N")
    known = [s.name for s in parts.store.sources() if s.kind in REGISTRY_KINDS]
    wanted = given.get("registry")
    fitting = [name for name in known if wanted in {None, name}]
    if len(fitting) != 1:
        names = ", ".join(known) or "none is connected; write: segue connect mlflow URL"
        raise Refused(f"which registry? known: {names}")
    return planning.registered_plan(parts, row, fitting[0], given["version"], actor)


def _of_image(parts: Parts, row: ModelRow, given: dict[str, str], actor: str) -> Plan:
    """The newest matching tag; an image by its whole digest, or the beginning of one released before."""
    if set(given) - {"image"}:
        raise Refused(f"{row.name} comes from an image registry; name an image by --image sha256:...")
    image = given.get("image")
    if image is not None and len(image) < WHOLE_DIGEST:
        return planning.built_plan(parts, row, image, actor)
    return planning.newest_plan(parts, row, image, actor)


def _of_branch(parts: Parts, row: ModelRow, given: dict[str, str], actor: str) -> Plan:
    """The code of the default branch. Raises `Refused` where something was named that it has not."""
    if given:
        options = ", ".join(f"--{name}" for name in given)
        raise Refused(f"{row.name} is built from code and not registered; leave out {options}")
    return planning.declared_plan(parts, row, actor)


def obey(deciding: Deciding, command: Command, plan: Plan | None) -> Reply:
    """Do what the command says, or say why not."""
    why_not = ordering.outdated(deciding.change, command) or seen.changed(deciding.change, command)
    if why_not is not None:
        return Reply(ok=False, text=why_not)
    match command.verb:
        case "start" if plan is not None:
            names = deciding.start(plan)
            return Reply(ok=True, text=f"started {', '.join(names)}", release=names[0])
        case "rollback":
            return _rollback(deciding, command)
        case "retry":
            return _retry(deciding, command)
        case "hand-back":
            return _hand_back(deciding, command)
        case "replay-event":
            ok, text = replaying.replay(deciding.change, command.subject or "", command.at)
            return Reply(ok=ok, text=text)
        case "approve" | "reject" | "promote" | "abort" | "pause" | "resume":
            return _to_release(deciding, command)
        case _:
            return Reply(ok=False, text=f"{command.verb} is not a command here; write: segue --help")


def _to_release(deciding: Deciding, command: Command) -> Reply:
    release = _find(deciding, command)
    if isinstance(release, Reply):
        return release
    if command.groups and release.model not in {row.name for row in deciding.change.models(command.channel)}:
        command = replace(command, groups=())  # another host may have groups of the same names
    wrong = _why_not(release, command) or _not_theirs(deciding, release, command)
    if wrong:
        return Reply(ok=False, text=wrong, release=release.name)
    after = deciding.release_event(release.name, command)
    if after is None or after == release:
        return Reply(ok=False, text=_unchanged(release, command), release=release.name)
    return Reply(ok=True, text=_done(after, command), release=release.name)


def _find(deciding: Deciding, command: Command) -> Release | Reply:
    """The release that is meant: by name, or the only open one of a target."""
    subject = command.subject or ""
    if number_of(subject):
        row = deciding.change.release(number_of(subject))
        if row is None:
            return Reply(ok=False, text=f"there is no release {subject}; see: segue releases")
        return release_of(row)
    return _only_open(deciding, command)


def _only_open(deciding: Deciding, command: Command) -> Release | Reply:
    opened = [release_of(row) for row in deciding.change.releases(final=False)]
    wanted = MIDDLE.get(command.verb, set(HOLDING) | {Phase.PENDING, Phase.APPROVAL, Phase.QUEUED})
    fitting = [r for r in opened if r.phase in wanted and command.subject in {None, r.model, r.target}]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        return Reply(ok=False, text=f"there is no release to {command.verb}; see: segue releases")
    names = ", ".join(r.name for r in fitting)
    return Reply(ok=False, text=f"{command.verb} which one? {names}")


def _newest(deciding: Deciding, command: Command) -> Release | Reply:
    if command.subject is None:
        return Reply(ok=False, text="try what again? name a release or a target; see: segue releases")
    releases = (release_of(row) for row in deciding.change.releases())
    found = next((r for r in releases if command.subject in {r.model, r.target}), None)
    text = f"there is no release of {command.subject!r}; see: segue releases"
    return found or Reply(ok=False, text=text)


def _why_not(release: Release, command: Command) -> str | None:
    if release.final:
        return f"{release.name} has ended: {release.phase.value}"
    wanted = MIDDLE.get(command.verb)
    if wanted is not None and release.phase not in wanted:
        allowed = " or ".join(sorted(phase.value for phase in wanted))
        where = f"one in the phase {allowed}"
        return f"{release.name} is in the phase {release.phase.value}; {command.verb} is for {where}"
    if command.verb == "approve":
        rule = release.environment.approvals
        refusal = approvals.may_approve(rule, release.cause.author, command.actor, command.groups)
        return f"{command.actor}: {refusal}" if refusal else None
    return None


def _not_theirs(deciding: Deciding, release: Release, command: Command) -> str | None:
    """Why whoever pushed the code, or nobody knows whether they did, cannot approve it.

    At a host a person is known by a login and a commit by any name that Git was told, so there a release of
    code needs a push that the host has named the person of. A comment approves only what waited then.
    """
    if command.verb != "approve":
        return None
    if command.where is not None and command.at < release.since:
        return f"{release.name} has waited only since after you wrote; look at it: segue show {release.name}"
    cause = release.cause
    if cause.source is None or cause.commit is None or cause.author is None:
        return None  # not code of ours: only people on the list count
    known = commenting.pushers(deciding.change, cause.source, cause.commit)
    if any(approvals.same_person(who, command.actor) for who in known):
        return f"{command.actor}: who pushed a commit cannot approve it"
    if command.where is not None and not known:
        return f"nobody told who pushed {cause.commit[:12]}; approve by: segue approve {release.name}"
    return None


def _unchanged(release: Release, command: Command) -> str:
    if command.verb == "approve":
        now = release.plan[:19]
        return f"you saw {command.digest}, and {now} waits now; look again: segue show {release.name}"
    if release.evidence is not None and command.verb == "promote":
        return f"{release.name} is under suspicion or still moving; see: segue show {release.name}"
    return f"{release.name} is {release.phase.value}; nothing changed"


def _done(after: Release, command: Command) -> str:
    if command.verb == "approve" and after.phase is Phase.APPROVAL:
        count = after.environment.approvals.count
        return f"{after.name}: approval noted, {count} needed in all"
    return f"{after.name} is {after.phase.value}"


def _rollback(deciding: Deciding, command: Command) -> Reply:
    """Back to the version before: by taking back what is on its way, or by a new release."""
    target = _target(deciding, command)
    if isinstance(target, Reply):
        return target
    if target.holder is not None:
        holder = deciding.change.release(number_of(target.holder))
        if holder is not None and release_of(holder).switch:
            text = f"{target.holder} is switching {target.name} back already"
            return Reply(ok=True, text=text, release=target.holder)
        abort = Command(
            "abort", target.holder, None, command.reason, command.actor, command.channel, command.at
        )
        deciding.release_event(target.holder, abort)
        return Reply(ok=True, text=f"{target.holder} is being taken back", release=target.holder)
    if target.stable is None or target.previous is None:
        return Reply(ok=False, text=f"{target.name} has no version before to go back to")
    row = deciding.change.release(number_of(target.stable.release))
    if row is None:
        return Reply(ok=False, text=f"the release that serves {target.name} is not known any more")
    serving = release_of(row)
    why = f": {command.reason}" if command.reason else ""
    cause = Cause(
        f"{command.actor} rolled {target.name} back{why}", command.actor, registry=serving.cause.registry
    )
    name = deciding.switch_back(target, serving.environment, cause)
    return Reply(
        ok=True,
        text=f"{name} switches {target.name} back to {_named(target.previous)}",
        release=name,
    )


def _named(serving: Serving) -> str:
    return f"{serving.release}'s version" if serving.release else "what was found there"


def _hand_back(deciding: Deciding, command: Command) -> Reply:
    """A place as it was found; what serves now goes on serving there."""
    target = _target(deciding, command)
    if isinstance(target, Reply):
        return target
    why_not = deciding.hand_back(target.name)
    if why_not is not None:
        return Reply(ok=False, text=why_not)
    where = f"{target.place.namespace}/{target.place.deployment}"
    return Reply(ok=True, text=f"{target.name} goes back to {where}; see: segue targets")


def _target(deciding: Deciding, command: Command) -> Target | Reply:
    subject = command.subject or ""
    if number_of(subject):
        row = deciding.change.release(number_of(subject))
        subject = row.target if row is not None else subject
    rows = deciding.change.targets()
    fitting = [row for row in rows if subject in {row.name, row.name.partition("/")[0]}]
    if len(fitting) == 1:
        return target_of(fitting[0], fitting[0].name)
    known = ", ".join(row.name for row in fitting or rows) or "none yet"
    return Reply(ok=False, text=f"which target is {subject!r}? known: {known}")


def _retry(deciding: Deciding, command: Command) -> Reply:
    """An ended release, by name, or the newest of a model or target."""
    release = _find(deciding, command) if number_of(command.subject or "") else _newest(deciding, command)
    if isinstance(release, Reply):
        return release
    if release.phase not in RETRIABLE:
        return Reply(
            ok=False,
            text=f"{release.name} is {release.phase.value}; there is nothing to try again",
            release=release.name,
        )
    ruled = planning.under_present_rules(release, deciding.change.models())
    name = deciding.again(ruled, command.actor)
    return Reply(ok=True, text=f"{name} tries {release.name} again", release=name)
