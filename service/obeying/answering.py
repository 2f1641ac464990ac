"""Commands of people: what was understood, whether it may be done, what happens next or why not.

The answer is stored under the delivery that brought the command. Authority is checked here, when
the command takes effect, and not only when it was received.
"""

from dataclasses import replace

from handlers.commands import render
from policies.approvals import known_here
from policies.effects import WriteComment
from policies.events import Command
from service.arrivals import commenting, say
from service.bootstrap import Parts
from service.engine import beginning, dismissing, ordering, replaying, seen
from service.engine.beginning import Plan
from service.engine.deciding import Deciding, decide
from service.obeying import admins, authority, back, begun, mending, releases, starting
from service.obeying.reply import Reply
from service.sources import CHAT_KINDS
from service.store.queue import Work
from service.store.states import COMMAND, model_of, number_of, release_of

OF_ALL = frozenset({"replay-event", "dismiss-event"})  # may be of any target


def answer(parts: Parts, work: Work) -> None:
    """Obey a stored command and keep the reply, in one change."""
    command = COMMAND.load(work.body)
    in_chat = command.where is not None and parts.source(command.channel).kind in CHAT_KINDS
    command = command if in_chat else _with_groups(parts, command)
    prepared = _prepared(parts, command) if command.verb == "start" else admins.refusal(parts, command)

    def store(deciding: Deciding) -> Reply:
        reply = prepared if isinstance(prepared, Reply) else obey(deciding, command, prepared)
        body = {"ok": reply.ok, "text": reply.text, "release": reply.release}
        deciding.change.save_answer(work.subject, body)
        if command.where is not None:
            shown = commenting.plain_text if in_chat else commenting.answer_text
            text = shown(render(command), reply.text if reply.ok else f"not done: {reply.text}")
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
        return reply

    reply = decide(parts.store, store)
    if reply.ok and command.verb == "override":
        row = parts.store.release(number_of(reply.release or ""))
        if row is not None:
            releases.tell_loudly(release_of(row), command)


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
        if who.startswith("@") and not known_here(who)
    }
    host, login = parts.git(command.channel), command.actor.partition(":")[2]
    return replace(command, groups=tuple(who for who in sorted(named) if host.belongs(login, who[1:])))


def _prepared(parts: Parts, command: Command) -> Reply | Plan:
    with parts.store.read() as read:
        why_not = authority.why_no_start(read, command)
    return starting.plan(parts, command) if why_not is None else Reply(ok=False, text=why_not)


def obey(deciding: Deciding, command: Command, plan: Plan | None) -> Reply:
    """Do what the command says, or say why not."""
    why_not = (
        authority.why_not(deciding, command, plan)
        or ordering.outdated(deciding.change, command)
        or seen.changed(deciding.change, command)
    )
    if why_not is None and command.verb in OF_ALL:
        why_not = say.no_say_about_all(deciding.change, command)
    if why_not is not None:
        return Reply(ok=False, text=why_not)
    match command.verb:
        case "start" if plan is not None:
            names = beginning.start(deciding, plan)
            return Reply(ok=True, text=begun.started(deciding, names), release=names[0])
        case "rollback":
            return back.rollback(deciding, command)
        case "retry":
            return back.retry(deciding, command)
        case "repair":
            return mending.repair(deciding, command)
        case "adopt":
            return mending.adopt(deciding, command)
        case "hand-back":
            return back.hand_back(deciding, command)
        case "replay-event":
            ok, text = replaying.replay(deciding.change, command.subject or "", command.at)
            return Reply(ok=ok, text=text)
        case "dismiss-event":
            ok, text = dismissing.dismiss(deciding.change, command)
            return Reply(ok=ok, text=text)
        case "approve" | "override" | "reject" | "promote" | "abort" | "pause" | "resume":
            return releases.tell(deciding, command)
        case _:
            return Reply(ok=False, text=f"{command.verb} is not a command here; write: segue --help")
