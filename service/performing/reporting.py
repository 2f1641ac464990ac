"""What the world is told: a commit's status, a command's answer, a chat's message, a receiver's
notice, a version's tags, what an alias names."""

from policies.effects import MoveAlias, Notify, ReportCommit, TagVersion, TellChat, WriteComment
from service.arrivals import watching
from service.bootstrap import Parts
from service.engine import notifying, telling
from service.performing import deploying
from service.performing.outcomes import Done, Posted
from service.ports.chat import Message
from service.ports.git import CommitState, CommitStatus
from service.ports.outcomes import Refused
from service.sources import CHAT_KINDS
from service.store.states import number_of, release_of, target_of


def report(parts: Parts, effect: ReportCommit) -> Done:
    """Say it about the commit, under the effect's key: a later report of that key replaces it."""
    state = CommitState(effect.state)
    status = CommitStatus(
        effect.commit,
        effect.key,
        state,
        effect.title,
        effect.text,
        effect.rows,
        deploying.page(parts.settings, effect.release),
    )
    parts.git(effect.source).report(status)
    return Done()


def comment(parts: Parts, effect: WriteComment) -> Done:
    """Say it where the command was said."""
    if parts.source(effect.source).kind in CHAT_KINDS:
        room, _, thread = effect.where.partition("/")
        parts.chat(effect.source).put(room, effect.key, Message("", effect.text), under=thread)
    else:
        parts.git(effect.source).comment(effect.where, effect.key, effect.text)
    return Done()


def tell_chat(parts: Parts, effect: TellChat) -> Done:
    """The release's message, as it stands now; where it is is remembered with the end of the work."""
    reference = telling.reference(effect.room, effect.release)
    with parts.store.read() as read:
        row, known = read.release(number_of(effect.release)), read.cursor(effect.source, reference)
    if row is None:
        raise Refused(f"{effect.release} is not known any more")
    release, chat = release_of(row), parts.chat(effect.source)
    target = target_of(parts.store.target(release.target), release.target)
    room = chat.room(effect.room)
    before, _, posted = (known or "").partition("/")
    posted = posted if before == room else ""
    message = telling.message(release, (effect.source, effect.room), target)
    posted = chat.put(room, telling.key(release), message, posted)
    return Done(posted=Posted(effect.source, reference, f"{room}/{posted}"))


def notify(parts: Parts, effect: Notify) -> Done:
    """Tell the receiver what has happened, as it was then; nothing that was turned off since."""
    source = next((one for one in parts.store.sources() if one.name == effect.source), None)
    if source is not None and notifying.wanted(source, effect):
        parts.receiver(source.name).tell(effect.notice, effect.to)
    return Done()


def tag(parts: Parts, effect: TagVersion) -> Done:
    """Say it about the registered version, as far as the operator wants that written."""
    wanted = parts.settings.version_notes
    if wanted != "none":
        parts.registry(effect.source).set_tags(effect.model, effect.version, effect.tags)
    if wanted == "all" and effect.note:
        parts.registry(effect.source).describe(effect.model, effect.version, effect.target, effect.note)
    return Done()


def move_alias(parts: Parts, effect: MoveAlias) -> Done:
    """What people did meanwhile is observed first: after our own write nobody could see it."""
    registry = parts.registry(effect.source)
    named = registry.aliases().get((effect.model, effect.alias))
    if named == effect.version:
        return Done(moved=effect)
    watching.look(parts, parts.source(effect.source))
    if effect.expected not in {None, named}:
        return Done()
    registry.set_alias(effect.model, effect.alias, effect.version)
    return Done(moved=effect)
