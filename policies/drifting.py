"""What follows where somebody else changed what serves: pure decisions over a target.

Nothing is written while a release is on its way: it stops, and people decide. A remedy is for the one drift
that it names, and a policy that repairs stops where each repair is undone: Segue fights with nobody.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal

from policies.release import Release, Remedy, Serving, Target
from policies.settle import CHAMPION
from policies.spec.declaration import WhenDrifted

POLICY = "the policy"
HOUR = 3600.0
MOST_REPAIRS = 3  # by the policy within an hour: whoever changes it again does so each time
Verb = Literal["repair", "adopt"]


def mark(target: Target) -> str:
    """What somebody saw of a target's drift, in a form that a command can name; "" where there is none."""
    seen = "\n".join((target.drift, *open_names(target)))
    return f"sha256:{hashlib.sha256(seen.encode()).hexdigest()}" if seen else ""


def noted(target: Target, what: str, rule: WhenDrifted, at: float) -> Target:
    """The target with this drift ("": none), and with the remedy that its policy has for it."""
    lately = tuple(one for one in target.repairs if at - one < HOUR)
    target = replace(target, drift=what, remedy=None, unmended="", repairs=lately)
    if not what or target.holder is not None:
        return target
    match rule:
        case WhenDrifted.HOLD:
            return target
        case WhenDrifted.ADOPT:
            return ordered(target, "adopt", POLICY, "", at)
        case WhenDrifted.REPAIR if len(lately) < MOST_REPAIRS:
            return replace(ordered(target, "repair", POLICY, "", at), repairs=(*lately, at))
        case WhenDrifted.REPAIR:
            return target


def unruled(target: Target) -> bool:
    """Whether its policy may have a remedy for its drift still: during a release it was only told."""
    mended = target.remedy is not None or target.unmended or len(target.repairs) >= MOST_REPAIRS
    return bool(target.drift) and target.holder is None and not mended


def ordered(target: Target, verb: Verb, actor: str, reason: str, at: float) -> Target:
    """The target with a remedy for the drift that it has now. Its write has an epoch of its own, so that
    whatever is older comes too late, and it comes too late for any release that begins after it."""
    epoch = target.epoch + 1
    return replace(
        target, epoch=epoch, unmended="", remedy=Remedy(verb, target.drift, actor, reason, epoch, at)
    )


def repaired(target: Target) -> Target:
    """What Segue decided was written once more."""
    return replace(target, drift="", remedy=None)


def adopted(target: Target, remedy: Remedy, shares: Mapping[str, float], at: float) -> Target | str:
    """What has all requests now is stable; or why it cannot be taken for right. `shares` in percent."""
    if target.holder is not None:
        return _began(target)
    known = {one.backend: one for one in (target.stable, target.previous) if one is not None}
    whole = next((name for name, share in shares.items() if share == 100), None)
    if whole is None:
        said = ", ".join(f"{name} {share:g} %" for name, share in shares.items()) or "nothing"
        return f"what has all requests could serve from now on, and it sends {said}; repair it instead"
    if whole not in known:
        return f"{whole} has all requests, and no release brought it here; repair it, or release it"
    if target.stable is not None and whole == target.stable.backend:
        return "its requests go where Segue sent them, and what else was changed it writes itself; repair it"
    serving = taken(known[whole], remedy, at)
    return replace(_unburdened(target), stable=serving, previous=target.stable)


def adopted_image(target: Target, remedy: Remedy, image: str, at: float) -> Target | str:
    """What was found there serves from another image, which is right from now on; or why not."""
    stable = target.stable
    if target.holder is not None:
        return _began(target)
    if stable is None or stable.version:
        return "Segue made what serves there; an image of somebody else's needs a release, or repair it"
    return replace(_unburdened(target), stable=replace(taken(stable, remedy, at), image=image))


def taken(serving: Serving, remedy: Remedy, at: float) -> Serving:
    """As it is when somebody else put it there."""
    why = f": {remedy.reason}" if remedy.reason else ""
    return replace(serving, since=at, adopted=f"{remedy.actor} took it for right{why}")


def unmended(target: Target, why: str) -> Target:
    """A remedy that could not be done: the drift stays, and people are told why."""
    return replace(target, remedy=None, unmended=why)


def _began(target: Target) -> str:
    return (
        f"{target.holder} began meanwhile, against what Segue decided; abort it, or let its evidence decide"
    )


def _unburdened(target: Target) -> Target:
    return replace(target, drift="", remedy=None, unmended="", repairs=())


# --- what names it ----------------------------------------------------------------------------


def champion_apart(target: Target, named: str | None, serving: Collection[str]) -> str:
    """How the alias that Segue moves to what serves was moved elsewhere; "" where it was not.

    `named` is the version that it names, `serving` those of all the model's environments: the alias
    follows whichever was promoted last.
    """
    stable = target.stable
    if stable is None or stable.registered is None or named in serving:
        return ""
    model, version = stable.registered
    names = "names nothing" if named is None else f"names version {named}"
    return f"{model}@{CHAMPION} {names}, and version {version} serves"


def commit_apart(target: Target, newest: Release) -> str:
    """How the newest version of a commit ended, where another serves."""
    stable, commit = target.stable, (newest.cause.commit or "")[:12]
    if stable is None:
        return ""
    ended = f"Git names {commit}, whose {newest.name} is {newest.phase.value}"
    return f"{ended}, and {stable.release or 'what was found there'} serves"


def open_names(target: Target) -> tuple[str, ...]:
    """What names something else than serves, unless people said that this is right."""
    return tuple(one for one in target.apart.splitlines() if one not in target.accepted.splitlines())


def found(target: Target) -> str:
    """What somebody else changed, and what names something else than serves, for people; "" for nothing."""
    drift = f"changed by somebody else: {target.drift}" if target.drift else ""
    return "\n".join(part for part in (drift, *open_names(target)) if part)


def told(target: Target) -> str:
    """The same, with what becomes of it or what they can do."""
    said = found(target)
    return f"{said}\n{following(target)}" if said else ""


def beyond(target: Target) -> str:
    """Why it cannot be repaired, where Segue does not write what differs; "" where it does."""
    if not mark(target) or target.drift or any(f"@{CHAMPION}" in one for one in open_names(target)):
        return ""
    return "Segue writes nothing into Git: revert the commit there, or release another one"


def following(target: Target) -> str:
    """What becomes of it, or what people can do; "" where there is nothing."""
    if not mark(target):
        return ""
    name, remedy = target.name, target.remedy
    if target.holder is not None:
        return f"{target.holder} is on its way, and what people say to it decides"
    if remedy is not None:
        done = "written once more as Segue decided" if remedy.verb == "repair" else "taken for right"
        return f"being {done}, as {remedy.actor} said"
    repair = beyond(target) or f"write it once more as Segue decided: segue repair {name}"
    ways = f"{repair}; take it for right: segue adopt {name} --reason REASON"
    if target.unmended:
        return f"not mended: {target.unmended}. {ways}"
    if target.drift and len(target.repairs) >= MOST_REPAIRS:
        return (
            f"it was repaired {len(target.repairs)} times within an hour, and changed again each time; Segue"
            f" leaves it now. End what changes it, then: segue repair {name}"
        )
    return ways
