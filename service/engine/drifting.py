"""What is stored where somebody else changed what serves, or what names it: the drift, the remedy for it, and
what came of that. What follows is decided in `policies.drifting`.
"""

from collections.abc import Callable
from dataclasses import replace

from policies import drifting
from policies.drifting import Verb
from policies.effects import Effect, MoveAlias, StartWorkload, lane
from policies.events import Drifted
from policies.place import Place
from policies.release import Target
from policies.settle import CHAMPION
from policies.spec.declaration import Mode, WhenDrifted
from service.engine import served, telling
from service.engine.deciding import Deciding
from service.store.queue import Work
from service.store.reading import Reading
from service.store.rows import TargetRow
from service.store.states import EFFECT, TARGET, model_of, number_of, release_of, target_of

KIND = "drift"  # of the work that looks
Mended = Callable[[Target], Target | str]  # the target as the remedy leaves it, or why it cannot


def look(name: str, turn: str) -> Work:
    """Have it looked at whether a target is as it was left; once for each turn."""
    return Work(f"{KIND}:{name}", KIND, f"{KIND}:{name}:{turn}", name)


def note(deciding: Deciding, name: str, drift: str, apart: str) -> None:
    """Note how what serves, and what names it, differ from what was written ("": they do not), once for each
    change. A release that holds the target stops for what serves."""
    before = target_of(deciding.change.target(name), name)
    if (before.drift, before.apart) == (drift, apart) and not drifting.unruled(before):
        return
    kept = "\n".join(one for one in before.accepted.splitlines() if one in apart.splitlines())
    after = replace(before, apart=apart, accepted=kept)
    if drift != before.drift or drifting.unruled(before):
        after = drifting.noted(after, drift, _rule(deciding, after), deciding.now)
    if drift != before.drift:
        _record(deciding, name, "drift", drift)
    if apart != before.apart:
        _record(deciding, name, "names apart", apart)
    _save(deciding, before, after)
    if drift and drift != before.drift and after.holder is not None:
        deciding.release_event(after.holder, Drifted(drift, deciding.now))


def order(deciding: Deciding, target: Target, verb: Verb, actor: str, reason: str) -> None:
    """Have done about a target's drift what a person said; what only names it is done at once."""
    after = target
    if target.drift:
        after = replace(drifting.ordered(target, verb, actor, reason, deciding.now), repairs=())
    if drifting.open_names(target) and verb == "adopt":
        after = replace(after, accepted=target.apart)
        deciding.change.record(
            target.name, actor, "taken for right", {"what": target.apart, "reason": reason}
        )
    if drifting.open_names(target) and verb == "repair" and (back := _moved_back(deciding.change, target)):
        _perform(deciding, target.name, back)
    _save(deciding, target, after)


def mended(
    deciding: Deciding, name: str, epoch: int, how: Mended | str, follows: tuple[Effect, ...] = ()
) -> None:
    """What came of the remedy of this epoch, unless there is another by now; a text says why nothing did."""
    before = target_of(deciding.change.target(name), name)
    remedy = before.remedy
    if remedy is None or remedy.epoch != epoch:
        return
    after = how if isinstance(how, str) else how(before)
    done = {"repair": "repaired", "adopt": "taken for right"}[remedy.verb]
    if isinstance(after, str):
        done, why, after, follows = "not mended", after, drifting.unmended(before, after), ()
    else:
        why = remedy.reason
    detail = {"what": remedy.seen, "reason": why}
    if after.stable is not None and after.stable != before.stable:
        detail[served.INSTEAD] = after.stable.version or after.stable.backend
    deciding.change.record(name, remedy.actor, done, detail)
    for effect in follows:
        _perform(deciding, name, effect)
    _save(deciding, before, after)


def started(target: Target, place: Place) -> StartWorkload | None:
    """What starts stable's workload once more; None where Segue did not make it."""
    stable, remedy = target.stable, target.remedy
    if stable is None or remedy is None or not stable.version:
        return None
    return StartWorkload(f"repair-{remedy.epoch}", stable.version, stable.backend, target.name, place)


def names(read: Reading, target: Target) -> str:
    """How what Git and the registry's alias name differs from what serves, by what was seen of them last; ""
    while something is on its way that may settle it."""
    if target.stable is None or target.place.watched or not target.stable.release:
        return ""
    if target.holder is not None or read.releases(target=target.name, final=False, limit=1):
        return ""
    return "\n".join(part for part in (_champion(read, target), _git(read, target)) if part)


def _champion(read: Reading, target: Target) -> str:
    if target.stable is None or target.stable.registered is None:
        return ""
    model, _ = target.stable.registered
    source = _source(read, target)
    seen = _values(read, source)
    moving = any(work.body.get("model") == model for work in read.unfinished(MoveAlias.__name__))
    if moving or f"{model}@{CHAMPION}" not in seen:
        return ""
    ours = (target_of(row, row.name).stable for row in _of_model(read, target))
    serving = {one.registered[1] for one in ours if one is not None and one.registered is not None}
    return drifting.champion_apart(target, seen[f"{model}@{CHAMPION}"], serving)


def _of_model(read: Reading, target: Target) -> list[TargetRow]:
    model, _, _ = target.name.partition("/")
    declared = next((model_of(row) for row in read.models() if row.name == model), None)
    environments = declared.environments if declared is not None else ()
    return read.targets_of(sorted({target.name, *(f"{model}/{one.name}" for one in environments)}))


def _git(read: Reading, target: Target) -> str:
    """The newest version of a commit that some branch or tag names still, where it ended otherwise."""
    stable = target.stable
    rows = read.releases(target=target.name, limit=5)
    newest = next((one for one in map(release_of, rows) if one.cause.commit and not one.switch), None)
    if stable is None or newest is None or newest.version == stable.version:
        return ""
    heads = _values(read, newest.cause.source).values()
    return drifting.commit_apart(target, newest) if newest.cause.commit in heads else ""


def _values(read: Reading, source: str | None) -> dict[str, str | None]:
    """What was seen last at a source, by reference; nothing where it is not connected any more."""
    if source not in {one.name for one in read.sources()}:
        return {}
    return {one.reference: one.value for one in Reading.cursors(read, source or "")}


def _moved_back(read: Reading, target: Target) -> MoveAlias | None:
    """The alias to what serves, as long as it names what it was seen to name."""
    source = _source(read, target)
    if source is None or target.stable is None or target.stable.registered is None:
        return None
    model, version = target.stable.registered
    named = read.cursor(source, f"{model}@{CHAMPION}")
    return MoveAlias(source, model, CHAMPION, version, expected=named)


def _source(read: Reading, target: Target) -> str | None:
    row = read.release(number_of(target.stable.release)) if target.stable is not None else None
    return None if row is None else release_of(row).cause.registry


def _rule(deciding: Deciding, target: Target) -> WhenDrifted:
    """What the protected branch's declaration says now; where Segue only watches, it changes nothing."""
    model, _, environment = target.name.partition("/")
    declared = next((model_of(row) for row in deciding.change.models() if row.name == model), None)
    rules = declared.environment(environment) if declared is not None else None
    if rules is None or rules.mode is Mode.OBSERVE:
        return WhenDrifted.HOLD
    return rules.when_drifted


def _record(deciding: Deciding, name: str, what: str, said: str) -> None:
    deciding.change.record(name, "segue", what if said else f"{what} is over", {"what": said})


def _save(deciding: Deciding, before: Target, after: Target) -> None:
    """Store it; look again at once where there is something to be done; tell the room of what serves."""
    row = deciding.change.target(before.name)
    if row is None or after == before:
        return
    deciding.change.save_target(replace(row, state=TARGET.dump(after)))
    _tell(deciding, after)
    if after.remedy is not None and after.remedy != before.remedy:
        remedy = after.remedy
        detail = {"what": remedy.seen, "reason": remedy.reason}
        deciding.change.record(after.name, remedy.actor, f"{remedy.verb} ordered", detail)
        deciding.change.add_work(look(after.name, f"remedy-{remedy.epoch}"))


def _tell(deciding: Deciding, target: Target) -> None:
    """The rooms of the release that serves are told; a message says how things stand when it is said."""
    row = deciding.change.release(number_of(target.stable.release)) if target.stable is not None else None
    for effect in telling.effects(deciding.change.sources(), release_of(row)) if row is not None else ():
        _perform(deciding, target.name, effect)


def _perform(deciding: Deciding, name: str, effect: Effect) -> None:
    """Once for each state of the target: the same may be needed again later."""
    row = deciding.change.target(name)
    kind, body, where = type(effect).__name__, EFFECT.dump(effect), lane(effect, name)
    key = f"{name}:{row.rev if row is not None else 0}:{kind}:{where}"
    deciding.change.add_work(Work(where, kind, key, name, body))
