"""`parse`: a file's tree into the models that it declares, or into all its mistakes at once."""

from dataclasses import dataclass

from policies.spec import building, rules
from policies.spec.declaration import Environment, Model
from policies.spec.forms import NAME
from policies.spec.keys import ROLLOUT_KEYS, keys_of
from policies.spec.kinds import Block, Section
from policies.spec.merging import only, overlay, substitute, substitute_all, without
from policies.spec.mistakes import Findings, Mistake
from policies.spec.node import Mapping, Node, Place, Scalar, cut
from policies.spec.reading import BAD, as_mapping, read_block, read_value
from policies.spec.wrong import Wrong

_FILE_KEYS = frozenset(keys_of(Section.FILE))
MOST = 100  # models of one file
_SAMPLE = "name"  # stands for the model's name while `defaults` is read alone


@dataclass(frozen=True, slots=True)
class Parsed:
    """The models of a file; none of them where there is any mistake."""

    models: tuple[Model, ...]
    mistakes: tuple[Mistake, ...]


def parse(root: Node, folder: str) -> Parsed:
    """What the file in `folder` ("" is the repository's root) declares."""
    findings = Findings()
    models: list[Model | None] = []
    if not isinstance(root, Mapping) or not root.entries:
        message = "a segue.yaml is a mapping with at least where versions come from and how they serve"
        findings.add(root.place, message, allowed=("name", "model", "image", "build", "models"))
    elif root.has("models"):
        models = _several(root, folder, findings)
    else:
        models = [_alone(root, folder, findings)]
    if len(findings):
        return Parsed((), findings.sorted())
    return Parsed(tuple(model for model in models if model is not None), ())


def _alone(root: Mapping, folder: str, findings: Findings) -> Model | None:
    """A file that is one model."""
    _read_version(root, findings)
    for key in ("defaults", "folder"):
        value = root.get(key)
        if value is not None:
            findings.add(value.place, f"`{key}` goes with `models`; this file declares one model", found=key)
    node = without(root, _FILE_KEYS | {"folder"})
    name = _own_name(node, folder, findings)
    named = substitute_all(without(node, frozenset({"name"})), name)
    return _declare(named, name, folder, findings)


def _own_name(node: Mapping, folder: str, findings: Findings) -> str:
    written = node.get("name")
    if written is not None:
        name = read_value(keys_of(Section.MODEL)["name"].kind, written, findings)
        return _SAMPLE if name is BAD else str(name)
    name = folder.rsplit("/", 1)[-1]
    if not name:
        findings.add(
            node.place, "`name` is needed: a file in the repository's root has no folder to be named after"
        )
        return _SAMPLE
    try:
        NAME.read(name)
    except Wrong:
        message = f"`name` is needed: the folder's name `{cut(name)}` is not {NAME.says}"
        findings.add(node.place, message, found=name, allowed=(NAME.says,))
        return _SAMPLE
    return name


def _several(root: Mapping, folder: str, findings: Findings) -> list[Model | None]:
    """A file with `models:` and perhaps `defaults:`."""
    _read_version(root, findings)
    _refuse_outside(root, findings)
    defaults = _defaults(root, findings)
    models = root.get("models")
    if not isinstance(models, Mapping) or not models.entries:
        place = (models or root).place
        findings.add(place, "`models` names no model; write each as a key, such as `churn: {}`")
        return []
    if len(models.entries) > MOST:
        message = f"`models` has {len(models.entries)} entries; at most {MOST} are read from one file"
        findings.add(models.place, message, found=str(len(models.entries)))
    entries = models.entries[:MOST]
    return [_one_of(_read_name(name, findings), value, defaults, folder, findings) for name, value in entries]


def _read_name(key: Scalar, findings: Findings) -> str:
    """The model's name; a sample in its place where it is none, so that the rest can be read."""
    try:
        return str(NAME.read(key.text))
    except Wrong as wrong:
        found = cut(key.text)
        message = f"the model's name `{found}` {wrong}; it wants {NAME.says}"
        findings.add(key.place, message, found=found, allowed=(NAME.says,))
        return _SAMPLE


def _one_of(name: str, value: Node, defaults: Mapping, folder: str, findings: Findings) -> Model | None:
    entry = as_mapping(value)
    if entry is None:
        read_value(Block(Section.MODEL), value, findings)
        return None
    if (second := entry.get("name")) is not None:
        message = "`name` is not written under `models`: the key is the name"
        findings.add(second.place, message, found="name")
    own = without(entry, frozenset({"name"}))
    merged = substitute_all(overlay(Section.MODEL, defaults, own), name)
    below = merged.get("folder")
    inner = read_value(keys_of(Section.MODEL)["folder"].kind, below, findings) if below else name
    joined = "/".join(part for part in (folder, "" if inner is BAD else inner) if part)
    return _declare(without(merged, frozenset({"folder"})), name, joined, findings)


def _defaults(root: Mapping, findings: Findings) -> Mapping:
    """What models inherit, checked by itself once, so that a mistake in it is told once."""
    written = root.get("defaults")
    mapping = as_mapping(written) if written else None
    if written is not None:
        read_value(keys_of(Section.FILE)["defaults"].kind, substitute(written, _SAMPLE), findings)
    if mapping is None:
        return Mapping((), Place("defaults"))
    if (name := mapping.get("name")) is not None:
        findings.add(
            name.place, "`name` cannot be a default: each key under `models` is a name", found="name"
        )
    known = frozenset(keys_of(Section.MODEL)) - {"name"}
    return only(mapping, known)


def _refuse_outside(root: Mapping, findings: Findings) -> None:
    inside = keys_of(Section.MODEL)
    for name, _ in root.entries:
        if name.text in inside:
            message = f"`{name.text}` stands beside `models`: put it under `defaults:`, or under one model"
            findings.add(name.place, message, found=name.text, allowed=tuple(_FILE_KEYS))
        elif name.text not in _FILE_KEYS:
            read_block(Section.FILE, only(root, frozenset({name.text})), findings)


def _read_version(root: Mapping, findings: Findings) -> None:
    written = root.get("segue")
    if written is not None:
        read_value(keys_of(Section.FILE)["segue"].kind, written, findings)


def _declare(node: Mapping, name: str, folder: str, findings: Findings) -> Model | None:
    found = Findings()
    values = read_block(Section.MODEL, node, found)
    rules.check_model(node, values, found)
    environments = _environments(node, found)
    findings.take(found)
    if len(found):
        return None
    return building.model(name, folder, values, environments)


def _environments(model: Mapping, findings: Findings) -> tuple[Environment, ...]:
    written = model.get("environments")
    if written is None:
        production = _environment("production", Mapping((), model.place), model, findings)
        return () if production is None else (production,)
    if not isinstance(written, Mapping):
        return ()
    if not written.entries:
        findings.add(written.place, "`environments` names none; leave it out for one named `production`")
    built: list[Environment] = []
    after: dict[str, str] = {}
    for name, value in written.entries[:20]:
        own = as_mapping(value)
        environment = None if own is None else _environment(name.text, own, model, findings)
        if environment is not None:
            built.append(environment)
            if environment.after is not None:
                after[name.text] = environment.after
    rules.check_order(written, after, findings)
    return tuple(built)


def _environment(name: str, own: Mapping, model: Mapping, findings: Findings) -> Environment | None:
    """The model's rules with the environment's laid over them."""
    found = Findings()
    node = overlay(Section.ENVIRONMENT, only(model, ROLLOUT_KEYS), own)
    values = read_block(Section.ENVIRONMENT, node, found)
    rules.check_environment(model, node, values, found)
    findings.take(found)
    if len(found):
        return None
    return building.environment(name, values, batch=rules.batch(model))
