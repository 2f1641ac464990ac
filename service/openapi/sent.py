"""What is sent to the API: bodies that hold nothing but what they may."""

import re
from collections.abc import Mapping

from handlers import labels
from handlers.commands import BY_VERB
from policies.roles import Role
from service.arrivals.asking_to_connect import KINDS
from service.arrivals.receivers import TURNS
from service.engine import checkpoints
from service.identity import admitting
from service.openapi.schema import TEXT, TIME, YES, Schema, among, by_name, many, maybe, only

CLASS: Schema = {"type": ["string", "number", "boolean"]}
ROW: Schema = {
    "type": "object",
    "required": ["request", "at"],
    "properties": {
        "request": {"type": "string", "minLength": 1, "maxLength": 200},
        "at": {
            "description": "when it was answered: seconds since 1970, or a time with its zone",
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100_000_000_000},
                {"type": "string", "pattern": r"^[1-9][0-9]{0,10}(\.[0-9]+)?$"},
                {"type": "string", "format": "date-time", "pattern": "^(19[7-9]|[2-4][0-9]{2})[0-9]-"},
            ],
        },
        "version": {"type": ["string", "null"], "minLength": 1, "maxLength": 200},
        "wrong": {"enum": [True, False, 0, 1, "true", "false", "yes", "no", "1", "0"]},
        "label": maybe(CLASS),
    },
    "patternProperties": {
        rf"^{re.escape(labels.SEGMENT)}": {
            "description": "in which segment the request was, by the label after the dot: segment.tenant",
            "type": ["string", "number", "boolean", "null"],
            "maxLength": 100,
        }
    },
    "anyOf": [
        {"required": ["wrong"]},
        {"required": ["prediction", "label"], "properties": {"prediction": CLASS, "label": CLASS}},
    ],
}
ON: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9._*-]{1,128}(/[A-Za-z0-9._*-]{1,128})?$",
    "examples": ["wine/*"],
}
WORDS: Schema = {"type": ["string", "null"], "maxLength": 2000}

SHAPES: Mapping[str, Schema] = {
    "command": {
        "type": "object",
        "required": ["verb"],
        "additionalProperties": False,
        "properties": {
            "verb": among(BY_VERB),
            "subject": WORDS,
            "digest": WORDS,
            "reason": WORDS,
            "channel": {"enum": ["api", "cli", None]},
            "arguments": by_name(TEXT),
        },
    },
    "labels": {
        "type": "object",
        "required": ["model", "table", "labels"],
        "properties": {
            "model": {"type": "string", "maxLength": 200},
            "table": {
                "type": "string",
                "maxLength": 1000,
                "pattern": r"^[a-z0-9_-]+(\.[A-Za-z0-9_-]+)+$",
            },
            "labels": many(ROW, minItems=1, maxItems=labels.MOST),
        },
    },
    "new_token": only(
        name={"type": "string", "pattern": r"^[^@:/\s][^:/]*$", "maxLength": admitting.LONGEST_NAME},
        roles=many(only(role=among(Role), on=ON), minItems=1, maxItems=admitting.MOST_GRANTS),
        expires={**TIME, "description": "at most a year from now, nor after the token that it is made by"},
    ),
    "new_role": only(
        who={
            "type": "string",
            "pattern": "^(?!token:)(@.|[^@:][^:]*:.)",
            "maxLength": admitting.LONGEST_HOLDER,
        },
        role=among(role for role in Role if role is not Role.VERDICTS),
        on=ON,
    ),
    "accounts": only(
        accounts=many(
            {"type": "string", "minLength": 1, "maxLength": admitting.LONGEST_HOLDER},
            minItems=1,
            maxItems=admitting.MOST_ACCOUNTS,
        )
    ),
    "checkpoint": {
        "type": "object",
        "description": "a DSSE envelope, as `segue audit checkpoint` writes it",
        "required": ["payloadType", "payload", "signatures"],
        "properties": {
            "payloadType": {"const": checkpoints.KIND},
            "payload": TEXT,
            "signatures": many({"type": "object", "required": ["sig"], "properties": {"sig": TEXT}}),
        },
    },
    "trial": {
        "type": "object",
        "required": ["rate"],
        "additionalProperties": False,
        "properties": {
            "target": maybe(TEXT),
            "segue_yaml": maybe(TEXT),
            "model": maybe(TEXT),
            "environment": maybe(TEXT),
            "rate": {"type": "number", "minimum": 0.01, "maximum": 10_000},
            "errors": {"type": "number", "minimum": 0.001, "maximum": 50},
            "worse": {"type": "number", "minimum": 1.1, "maximum": 100},
            "false_rollbacks": {"type": "number", "minimum": 0.1, "maximum": 20},
            "dwell": {"type": "number", "minimum": 0, "maximum": 86_400},
            "weights": many({"type": "number", "exclusiveMinimum": 0, "maximum": 100}, maxItems=20),
        },
    },
    "connection": {
        "type": "object",
        "required": ["kind"],
        "additionalProperties": False,
        "properties": {
            "kind": among(sorted(KINDS)),
            "url": maybe(TEXT),
            "name": maybe(TEXT),
            "owns": many(TEXT),
            "people": many(TEXT),
            "turns": many(among(TURNS)),
            "from": maybe(TEXT),
            "to": many(TEXT),
            "organisation": YES,
        },
    },
}
