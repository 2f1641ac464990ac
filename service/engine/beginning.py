"""Begins releases: of a planned version, of the version before, or of an ended release's once more."""

from dataclasses import dataclass, replace

from policies import version
from policies.place import backend_name
from policies.release import Cause, Release, Serving, Target
from policies.spec.declaration import Environment, Model, ServeNone
from policies.strategy import SWITCH
from policies.version import CodeOrigin, ModelOrigin, VersionPhase
from service import places
from service.engine.deciding import Deciding
from service.store.rows import VersionRow
from service.store.states import version_of


@dataclass(frozen=True, slots=True)
class Plan:
    """One model to be released: what declares it, why, and the content of its version."""

    model: Model
    cause: Cause
    code: CodeOrigin | None
    registered: ModelOrigin | None
    image: str | None = None
    environment: str | None = None  # the only one to be released to; None: each that waits for no other


def start(deciding: Deciding, plan: Plan) -> tuple[str, ...]:
    """The planned version, received once, and a release of it for each first environment."""
    key = _receive(deciding, plan)
    return tuple(_release(deciding, plan.model, one, key, plan.cause) for one in first_environments(plan))


def first_environments(plan: Plan) -> list[Environment]:
    """Those that the plan releases to at once."""
    wanted = plan.environment
    return [e for e in plan.model.environments if (e.name == wanted if wanted else e.after is None)]


def _receive(deciding: Deciding, plan: Plan) -> str:
    new, effects = version.begin(plan.model, plan.code, plan.registered, plan.image)
    row = deciding.change.version(new.key)
    if row is None:
        deciding.save_version(VersionRow(new.key, plan.model.name, {}), new, effects)
    else:
        _try_anew(deciding, row)
    return new.key


def _try_anew(deciding: Deciding, row: VersionRow) -> None:
    """A version that failed; any other stays as it is."""
    known = version_of(row)
    if known.phase is VersionPhase.FAILED:
        deciding.save_version(row, *version.retry(known))


def _release(deciding: Deciding, model: Model, environment: Environment, key: str, cause: Cause) -> str:
    target = f"{model.name}/{environment.name}"
    rules = model.evaluate.gates if model.evaluate else ()
    place = places.place(deciding.change.clusters(), model, environment)
    return deciding.create(
        Release(
            name="",
            number=0,
            model=model.name,
            target=target,
            environment=environment,
            version=key,
            backend=backend_name(model.name, environment.name, key, place),
            cause=cause,
            rules=rules,
            batch=isinstance(model.serve, ServeNone),
            place=place,
        )
    )


def switch_back(
    deciding: Deciding, target: Target, environment: Environment, cause: Cause, before: Serving
) -> str:
    """A new release of the version before, which is kept warm."""
    return deciding.create(
        Release(
            name="",
            number=0,
            model=target.name.partition("/")[0],
            target=target.name,
            environment=environment,
            version=before.version,
            backend=before.backend,
            cause=replace(cause, registered=before.registered),
            steps=(SWITCH,),
            switch=True,
            image=before.image,
            place=target.place,
        )
    )


def again(deciding: Deciding, old: Release, actor: str) -> str:
    """A new release of an ended one's version; a version that failed is tried anew."""
    row = deciding.change.version(old.version)
    if row is not None:
        _try_anew(deciding, row)
    return deciding.create(
        Release(
            name="",
            number=0,
            model=old.model,
            target=old.target,
            environment=old.environment,
            version=old.version,
            backend=old.backend,
            cause=replace(old.cause, text=f"{actor} tries {old.name} again ({old.cause.text})"),
            rules=old.rules,
            batch=old.batch,
            retries=old.name,
            place=old.place,
        )
    )
