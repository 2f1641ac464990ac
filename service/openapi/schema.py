"""JSON Schema (2020-12, which OpenAPI 3.1 speaks), in a few words."""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer"}
YES: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}
TIME: Schema = {"type": "number", "description": "seconds since 1970"}
PERCENT: Schema = {"type": "number", "minimum": 0, "maximum": 100}


def of(**fields: Schema) -> Schema:
    """An object with all of these fields."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def only(**fields: Schema) -> Schema:
    """The same of what is sent: no other field may be in it."""
    return {**of(**fields), "additionalProperties": False}


def maybe(one: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [one, {"type": "null"}]}


def many(one: Schema, **more: int) -> Schema:
    """A list of them."""
    return {"type": "array", "items": one, **more}


def by_name(one: Schema) -> Schema:
    """An object of any names."""
    return {"type": "object", "additionalProperties": one}


def among(words: Any) -> Schema:
    """One of some words."""
    return {"type": "string", "enum": [str(word) for word in words]}


def ref(name: str) -> Schema:
    """The shape of that name."""
    return {"$ref": f"#/components/schemas/{name}"}
