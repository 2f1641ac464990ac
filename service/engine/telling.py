"""What people in a chat are told of a release: one message, which says how it stands and what can be done.

It is made from what is stored when it is said, so that the newest is said however late that is. Which room:
where the release's environment asks for approvals (`approvals: {in: …}`), and those that are only told
(`tell`), where nothing can be pressed.
"""

from handlers.commands import PREFIX
from policies import messages
from policies.effects import TellChat
from policies.release import Phase, Release
from service.engine import actions
from service.engine.actions import Action
from service.ports.chat import Button, Message
from service.sources import CHAT_KINDS
from service.store.change import Change

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


def effects(change: Change, release: Release) -> tuple[TellChat, ...]:
    """That its rooms are told of it, as far as their chats are connected."""
    wanted = places(release)
    chats = {one.name for one in change.sources() if one.kind in CHAT_KINDS} if wanted else set()
    return tuple(TellChat(*where, release.name) for where in wanted if where[0] in chats)


def reference(room: str, release: str) -> str:
    """Under which the message of a release is remembered: its room's id and its own, `<room>/<message>`."""
    return f"message:{room}:{release}"


def key(release: Release) -> str:
    """What its message is found by: another installation may use its name in the same room."""
    return f"{release.name}-{release.began:.3f}"


def message(release: Release, where: tuple[str, str]) -> Message:
    """How the release stands, and, in the room that is asked about it, what can be done."""
    asks = where == place(release)
    can = actions.as_things_stand(release) if asks else ()
    return Message(
        messages.title(release), _text(release, asks=asks), tuple(_button(release, a) for a in can)
    )


def _text(release: Release, *, asks: bool) -> str:
    lines = [messages.explanation(release, asks=asks)]
    if release.phase is Phase.APPROVAL:
        lines.append(_approvals(release))
    text = "\n".join(lines)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\n… see: segue show {release.name}"


def _approvals(release: Release) -> str:
    rule = release.environment.approvals
    who = f" from {', '.join(rule.people)}" if rule.people else ""
    given = ", ".join(one.actor for one in release.approvals if one.plan == release.plan) or "nobody yet"
    return f"approvals: {rule.count} needed{who}; given by {given}"


def _button(release: Release, action: Action) -> Button:
    digest = f" {action.digest[:19]}" if action.digest else ""
    return Button(
        words=action.words,
        line=f"{PREFIX} {action.verb} {release.name}{digest}",
        seen=action.seen,
        asked="" if action.verb in UNASKED else action.about,
        harsh=action.harsh,
    )
