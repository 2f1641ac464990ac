"""Each kind of effect, and who performs it."""

from policies.effects import (
    Adopt,
    Build,
    CheckAuthority,
    CheckImage,
    CheckPreview,
    Effect,
    Follow,
    HandBack,
    KeepCheckpoint,
    MoveAlias,
    Notify,
    ReportCommit,
    ReportDeployment,
    RunEvaluation,
    SendLineage,
    Settle,
    SetTraffic,
    StartWorkload,
    StopWorkload,
    TagVersion,
    TellChat,
    Wake,
    WriteComment,
)
from policies.events import Tick
from service.bootstrap import Parts
from service.performing.archiving import keep
from service.performing.authority import check_authority
from service.performing.deploying import deploy
from service.performing.evaluating import evaluate
from service.performing.following import follow
from service.performing.images import build, check_image
from service.performing.outcomes import Again, Done
from service.performing.reporting import comment, move_alias, notify, report, tag, tell_chat
from service.performing.serving import adopt, check, hand_back, start, stop
from service.performing.shifting import set_traffic, settle
from service.performing.tracing import send


def perform(parts: Parts, effect: Effect, now: float, since: float) -> Done | Again:
    """Do it, or look how far it is; `since` is when it was begun.

    Raises `Retry` or `Refused` as the port did.
    """
    match effect:
        case Build():
            return build(parts, effect, now)
        case CheckImage():
            return check_image(parts, effect, now, since)
        case RunEvaluation():
            return evaluate(parts, effect, now)
        case CheckAuthority():
            return check_authority(parts, effect, now)
        case StartWorkload():
            return start(parts, effect, now, since)
        case Adopt():
            return adopt(parts, effect, now)
        case CheckPreview():
            return check(parts, effect, now)
        case StopWorkload():
            return stop(parts, effect)
        case Settle():
            return settle(parts, effect)
        case HandBack():
            return hand_back(parts, effect)
        case Follow():
            return follow(parts, effect, now, since)
        case Wake():
            return Done(Tick(now))
        case SetTraffic():
            return set_traffic(parts, effect, now)
        case ReportCommit():
            return report(parts, effect)
        case ReportDeployment():
            return deploy(parts, effect)
        case WriteComment():
            return comment(parts, effect)
        case TellChat():
            return tell_chat(parts, effect)
        case Notify():
            return notify(parts, effect)
        case MoveAlias():
            return move_alias(parts, effect)
        case TagVersion():
            return tag(parts, effect)
        case KeepCheckpoint():
            return keep(parts, effect)
        case SendLineage():
            return send(parts, effect)
