"""What `start` needs from outside: a plan for the version that is named, read before anything is stored."""

from policies.events import Command
from policies.spec.declaration import FromImage, FromModel
from service.arrivals import say
from service.bootstrap import Parts
from service.engine import planning
from service.engine.beginning import Plan
from service.obeying import authority, naming
from service.obeying.reply import Reply
from service.ports.outcomes import Refused
from service.sources import REGISTRY_KINDS
from service.store.rows import ModelRow
from service.store.states import model_of

WHOLE_DIGEST = len("sha256:") + 64


def plan(parts: Parts, command: Command) -> Reply | Plan:
    """The plan, or why there is none. Raises `Retry` where a source cannot be asked now."""
    row = next((r for r in parts.store.models() if r.name == command.subject), None)
    if row is None:
        known = naming.some(_theirs(parts, command)) or "none is declared yet"
        return Reply(ok=False, text=f"there is no model {command.subject!r}; known: {known}")
    with parts.store.read() as read:
        no_say = say.no_say(read, command, f"{row.name}/*")
    if no_say is not None:
        return Reply(ok=False, text=no_say)
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


def _theirs(parts: Parts, command: Command) -> list[str]:
    """The models that they may start; of others they are not told."""
    with parts.store.read() as read:
        rights = authority.rights_of(read, command)
    return [row.name for row in parts.store.models() if rights.may_of_model(command.verb, row.name)]


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
