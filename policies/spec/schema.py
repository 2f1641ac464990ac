"""The JSON Schema of `segue.yaml`, for editors, made from the table of keys that the parser reads.

It knows shapes, keys and the form of each text. What keys mean together is left to `segue check`, so the
schema refuses less than the parser, never more: a text may hold `{name}`, a quoted number is a number.
(Words and numbers are the exception: there nobody writes `{name}`.) Draft 7, which all editors know.
"""

from typing import Any

from policies.spec.forms import Form
from policies.spec.keys import keys_of
from policies.spec.kinds import Block, Key, Kind, Many, Named, OneOf, Plain, Section
from policies.spec.rules import SERVES, VERSIONS
from policies.spec.wrong import Wrong

Schema = dict[str, Any]
DRAFT = "http://json-schema.org/draft-07/schema#"
_NAME_IN_IT = r"\{name\}"
_UNQUOTED = {"number": ("1", "1.5", "-1"), "boolean": ("true", "false")}  # texts that YAML tools do not keep
_NULL: Schema = {"type": "null"}
_INLINE = {Section.FILE, Section.GUARDS}  # written where they stand


def schema() -> Schema:
    """The whole schema as a JSON value."""
    file, model = keys_of(Section.FILE), keys_of(Section.MODEL)
    alone = {"segue": file["segue"], **{name: key for name, key in model.items() if name != "folder"}}
    return {
        "$schema": DRAFT,
        "title": "segue.yaml",
        "type": "object",
        "if": {"required": ["models"]},
        "then": _block(file),
        "else": {**_block(alone), "allOf": [_exactly_one(VERSIONS), _exactly_one(SERVES)]},
        "definitions": {_slug(section): _section(section) for section in Section if section not in _INLINE},
    }


def _section(section: Section) -> Schema:
    """A section's keys. A model's are those below `models` and in `defaults`, where none has a name."""
    unnamed = {name: key for name, key in keys_of(section).items() if name != "name"}
    return {"type": "object", **_block(unnamed)}


def _block(keys: dict[str, Key]) -> Schema:
    return {"properties": {name: _key(key) for name, key in keys.items()}, "additionalProperties": False}


def _key(key: Key) -> Schema:
    told: Schema = {"description": key.doc + (f" Default: {key.note}." if key.note else "")}
    if key.default is not None:
        told["default"] = _plain_value(key.default)
    shape = _kind(key.kind)
    # A key that merges may stand without a value: what it inherits stays.
    return {**told, **(_any_of(shape, _NULL) if key.merges else shape)}


def _kind(kind: Kind) -> Schema:
    match kind:
        case Plain(form=form):
            return _text(form)
        case Block(section=section):
            return _any_of({"$ref": f"#/definitions/{_slug(section)}"}, _NULL)
        case Named():
            return _named(kind)
        case Many(of=of, most=most, single=single):
            items = {"type": "array", "minItems": 1, "maxItems": most, "items": _kind(of)}
            return _any_of(_kind(of), items) if single else items
        case OneOf(kinds=kinds):
            return _any_of(*(_kind(one) for one in kinds))


def _named(kind: Named) -> Schema:
    known = keys_of(kind.section) if kind.section else {}
    shape: Schema = {
        "type": "object",
        "propertyNames": {"pattern": kind.name.json["pattern"]},
        "maxProperties": kind.most,
        "additionalProperties": _kind(kind.of),
    }
    return {**shape, "properties": {name: _key(key) for name, key in known.items()}} if known else shape


def _text(form: Form) -> Schema:
    """The form's own fragment; a text may hold `{name}`, and is a number where YAML makes it one."""
    if form.json.get("type") != "string":
        return form.json
    types = ["string", *(name for name, texts in _UNQUOTED.items() if any(_reads(form, t) for t in texts))]
    fragment: Schema = {"type": types if len(types) > 1 else "string"}
    if "pattern" in form.json:
        fragment["pattern"] = f"{form.json['pattern']}|{_NAME_IN_IT}"
    return fragment


def _reads(form: Form, text: str) -> bool:
    try:
        form.read(text)
    except Wrong:
        return False
    return True


def _any_of(*shapes: Schema) -> Schema:
    """One of the shapes, each written once and none inside another."""
    flat: list[Schema] = []
    for shape in shapes:
        inner = shape["anyOf"] if set(shape) == {"anyOf"} else [shape]
        flat += [one for one in inner if one not in flat]
    return {"anyOf": flat} if len(flat) > 1 else flat[0]


def _exactly_one(names: tuple[str, ...]) -> Schema:
    return {"oneOf": [{"required": [name]} for name in names]}


def _plain_value(text: str) -> Any:
    """A default as JSON: 8080 and false, not their texts."""
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text.isdigit() else text


def _slug(section: Section) -> str:
    return section.name.lower()
