"""What people in a chat are told of a release: one message, which says how it stands and what can be done.

It is made from what is stored when it is said, so that the newest is said however late that is. Which room:
where the release's environment asks for approvals (`approvals: {in: …}`), and those that are only told
(`tell`), where nothing can be pressed.
"""

from collections.abc import Sequence

from handlers.commands import PREFIX
from policies import drifting, messages
from policies.effects import TellChat
from policies.release import Phase, Release, Target
from service.engine import actions
from service.engine.actions import Action
from service.ports.chat import Button, Message
from service.ports.connections import Source
from service.sources import CHAT_KINDS

MOST_TEXT = 2800  # characters of a message's text: Slack takes 3,000
UNASKED = frozenset({"pause", "resume"})  # done at once: nothing is lost by them


def place(release: Release) -> tuple[str, str] | None:
    """The chat and the room that the release is told in; None where its rules name none."""
    channel = release.environment.approvals.channel
    return None if channel is None else _place(channel)


def places(release: Release) -> tuple[tuple[str, str], ...]:
    """All chats and rooms that it is told in: where it is asked about first."""
    asked = place(release)
    told = (asked, *map(_place, release.environment.tell))
    return tuple(dict.fromkeys(where for where in told if where is not None))


def _place(channel: str) -> tuple[str, str]:
    source, _, room = channel.partition(":")
    return source, room


def effects(sources: Sequence[Source], release: Release) -> tuple[TellChat, ...]:
    """That its rooms are told of it, as far as their chats are connected."""
    chats = {one.name for one in sources if one.kind in CHAT_KINDS}
    return tuple(TellChat(*where, release.name) for where in places(release) if where[0] in chats)


def reference(room: str, release: str) -> str:
    """Under which the message of a release is remembered: its room's id and its own, `<room>/<message>`."""
    return f"message:{room}:{release}"


def key(release: Release) -> str:
    """What its message is found by: another installation may use its name in the same room."""
    return f"{release.name}-{release.began:.3f}"


def message(release: Release, where: tuple[str, str], target: Target | None = None) -> Message:
    """How the release stands, and, in the room that is asked about it, what can be done; where it serves
    `target`, also what somebody else changed there."""
    asks = where == place(release)
    buttons = [_button(release.name, one) for one in actions.as_things_stand(release)]
    drift = ""
    if target is not None and target.stable is not None and target.stable.release == release.name:
        drift = drifting.told(target)
        buttons += [_button(target.name, one) for one in actions.of_drift(target) if not one.explained]
    return Message(messages.title(release), text(release, drift, asks=asks), tuple(buttons) if asks else ())


def text(release: Release, drift: str = "", *, asks: bool = True) -> str:
    """What people are told below the title: why, its gates and guards, who approved, what to write."""
    lines = [messages.explanation(release, asks=asks)]
    if release.phase is Phase.APPROVAL:
        lines.append(_approvals(release))
    if drift:
        lines.append(drift)
    return cut("\n".join(lines), release.name)


def cut(said: str, name: str) -> str:
    """As much of it as every chat takes, and where the rest is."""
    return said if len(said) <= MOST_TEXT else f"{said[:MOST_TEXT]}\n… see: segue show {name}"


def _approvals(release: Release) -> str:
    rule = release.environment.approvals
    who = f" from {', '.join(rule.people)}" if rule.people else ""
    given = ", ".join(one.actor for one in release.approvals if one.plan == release.plan) or "nobody yet"
    return f"approvals: {rule.count} needed{who}; given by {given}"


def _button(subject: str, action: Action) -> Button:
    digest = f" {action.digest[:19]}" if action.digest else ""
    return Button(
        words=action.words,
        line=f"{PREFIX} {action.verb} {subject}{digest}",
        seen=action.seen,
        asked="" if action.verb in UNASKED else action.about,
        harsh=action.harsh,
    )
