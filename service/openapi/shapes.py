"""The shapes that the API answers and takes, as JSON Schema (2020-12, which OpenAPI 3.1 speaks).

Answers have every field, null where there is nothing; later versions may add fields. What a field means
stands in docs/reference/http.md, and tests compare the two.
"""

from collections.abc import Mapping
from typing import Any

from handlers import labels
from handlers.commands import BY_VERB
from policies.asking import Answer
from policies.evidence import Verdict
from policies.release import Phase
from policies.roles import Role
from policies.spec.declaration import Mode
from policies.version import VersionPhase
from service.arrivals.asking_to_connect import KINDS
from service.arrivals.receivers import TURNS
from service.engine import checkpoints
from service.engine.happened import State
from service.identity import admitting

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


PAIR = many(TEXT, minItems=2, maxItems=2)
RANGE = many(NUMBER, minItems=2, maxItems=2)
POINTS = many(many(NUMBER))
FINDING = {
    "guard": TEXT,
    "verdict": among(Verdict),
    "rule": TEXT,
    "numbers": by_name(NUMBER),
    "interval": maybe(RANGE),
    "samples": COUNT,
    "needed": TEXT,
}
LIKELY = of(share=NUMBER, low=NUMBER, high=NUMBER)  # a share with its 95 % interval
MOSTLY = of(median=maybe(NUMBER), nine_in_ten=maybe(NUMBER))
STEP: Schema = {
    "anyOf": [
        of(shadow=NUMBER, guarded=YES),
        of(shift=many(NUMBER), dwell=maybe(NUMBER), guarded=YES),
        of(watch=NUMBER, guarded=YES),
    ]
}
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
    "problem": of(type=TEXT, title=TEXT, status=COUNT, detail=TEXT, instance=TEXT),
    "stored": of(delivery=TEXT, duplicate=YES),
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
    "finding": of(**FINDING),
    "evidence": of(
        verdict=among(Verdict),
        weight=NUMBER,
        allowed=NUMBER,
        share=maybe(NUMBER),
        findings=many(ref("finding")),
    ),
    "release": of(
        name=TEXT,
        number=COUNT,
        model=TEXT,
        target=TEXT,
        version=TEXT,
        backend=TEXT,
        stamp=maybe(TEXT),
        image=maybe(TEXT),
        phase=among(Phase),
        mode=among(Mode),
        would=maybe(TEXT),
        final=YES,
        title=TEXT,
        reason=maybe(TEXT),
        waits=maybe(TEXT),
        cause=TEXT,
        author=maybe(TEXT),
        commit=maybe(TEXT),
        registered=maybe(PAIR),
        steps=many(STEP),
        position=COUNT,
        wanted=NUMBER,
        observed=NUMBER,
        peak=NUMBER,
        epoch=COUNT,
        paused=YES,
        proven=YES,
        unproven=many(TEXT),
        gates=many(TEXT),
        metrics=by_name(NUMBER),
        plan=maybe(TEXT),
        results=maybe(TEXT),
        approvals=many(of(actor=TEXT, at=TIME)),
        override=maybe(of(actor=TEXT, reason=TEXT, at=TIME)),
        evidence=maybe(ref("evidence")),
        began=maybe(TIME),
        ended=maybe(TIME),
    ),
    "estimate": of(
        text=TEXT, seconds=maybe(NUMBER), requests=maybe(NUMBER), longest=maybe(NUMBER), rate=maybe(NUMBER)
    ),
    "version": of(
        key=TEXT,
        model=TEXT,
        phase=among(VersionPhase),
        reason=maybe(TEXT),
        commit=maybe(TEXT),
        registered=maybe(PAIR),
        image=maybe(TEXT),
        layers=by_name(TEXT),
        metrics=by_name(NUMBER),
    ),
    "parked": of(id=COUNT, kind=TEXT, subject=TEXT, reason=TEXT, at=maybe(TIME), again=maybe(TEXT)),
    "entry": of(id=COUNT, at=TIME, subject=TEXT, actor=TEXT, action=TEXT, detail=ANYTHING, hash=TEXT),
    "point": of(entry=COUNT, hash=TEXT),
    "proof": of(
        proven=YES,
        first=maybe(COUNT),
        last=maybe(COUNT),
        entries=COUNT,
        gaps=COUNT,
        held=maybe(of(entry=COUNT, at=TIME)),
        unused=COUNT,
        tampered=maybe(of(entry=COUNT, reason=TEXT)),
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
    "simulation": of(
        title=TEXT, seed=COUNT, left_out=many(TEXT), coarse=many(ref("coarse")), kinds=many(ref("forecast"))
    ),
    "coarse": of(guard=TEXT, at=NUMBER, unseen=maybe(NUMBER), missing=many(NUMBER), text=TEXT),
    "forecast": of(
        kind=TEXT,
        good=YES,
        runs=COUNT,
        every=NUMBER,
        simulated_seconds=NUMBER,
        **dict.fromkeys(("rolled_back", "promoted", "undecided", "not_proven"), LIKELY),
        **dict.fromkeys(("seconds_to_100", "seconds_to_rollback", "seconds_to_promotion"), MOSTLY),
        **dict.fromkeys(("requests", "failed", "failed_beyond_stable"), MOSTLY),
    ),
    "serving": of(
        release=maybe(TEXT),
        version=maybe(TEXT),
        image=TEXT,
        backend=TEXT,
        stamp=maybe(TEXT),
        url=TEXT,
        since=TIME,
        registered=maybe(PAIR),
        adopted=maybe(TEXT),
    ),
    "target": of(
        name=TEXT,
        address=maybe(TEXT),
        epoch=COUNT,
        holder=maybe(TEXT),
        stable=maybe(ref("serving")),
        previous=maybe(ref("serving")),
        place=maybe(
            of(
                cluster=TEXT,
                namespace=maybe(TEXT),
                deployment=maybe(TEXT),
                route=maybe(TEXT),
                services=maybe(many(maybe(TEXT), minItems=2, maxItems=2)),
            )
        ),
        drift=maybe(TEXT),
        apart=maybe(TEXT),
        seen=maybe(TEXT),
        mending=maybe(TEXT),
        waits=maybe(TEXT),
    ),
    "served": of(
        release=TEXT,
        share=PERCENT,
        version=TEXT,
        image=maybe(TEXT),
        commit=maybe(TEXT),
        source=maybe(TEXT),
        registered=maybe(many(TEXT, minItems=2, maxItems=2)),
        since=maybe(TIME),
        until=maybe(TIME),
    ),
    "report": of(
        sentence=TEXT,
        release=ref("release"),
        began=maybe(TIME),
        ended=maybe(TIME),
        weights=POINTS,
        gaps=many(of(**{"from": TIME, "to": TIME, "intervals": COUNT, "reason": TEXT})),
        budget=of(false_rollbacks=NUMBER, harm_at=NUMBER, hold_at=NUMBER, points=POINTS),
        guards=many(of(**FINDING, evidence=POINTS, rates=maybe(of(candidate=POINTS, stable=POINTS)))),
        latency=maybe(of(bounds=many(NUMBER), candidate=many(NUMBER), stable=many(NUMBER))),
        cost=of(
            requests=NUMBER,
            failed=NUMBER,
            stable_rate=maybe(NUMBER),
            expected=maybe(NUMBER),
            points=POINTS,
        ),
    ),
    "verdict": of(
        answer=among(Answer),
        reason=TEXT,
        verdict=among(Verdict),
        current=YES,
        release=maybe(TEXT),
        image=maybe(TEXT),
        weight=maybe(NUMBER),
        allowed=maybe(NUMBER),
        would=maybe(TEXT),
        findings=many(ref("finding")),
    ),
    "answer": of(ok=YES, text=TEXT, release=maybe(TEXT)),
    "event": of(
        id=TEXT,
        at=TIME,
        source=TEXT,
        kind=TEXT,
        what=TEXT,
        state=among(State),
        text=maybe(TEXT),
        led=many(TEXT),
        tries=COUNT,
        delivery=maybe(COUNT),
    ),
    "message": of(headers=by_name(TEXT), delivery=TEXT, digest=TEXT, size=COUNT, body=maybe(TEXT)),
    "source": of(name=TEXT, kind=TEXT, url=TEXT, owns=many(TEXT), tone=TEXT, says=TEXT, since=maybe(TIME)),
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
    "cluster": of(
        name=TEXT,
        default=YES,
        in_cluster=YES,
        context=maybe(TEXT),
        namespace=TEXT,
        gateway=maybe(TEXT),
        address=maybe(TEXT),
        metrics=maybe(TEXT),
        plane=TEXT,
        gitops=maybe(TEXT),
    ),
    "setting": of(name=TEXT, value=TEXT, origin=TEXT),
    "model": of(name=TEXT, source=TEXT, folder=TEXT, commit=TEXT),
    "known": of(
        source=TEXT, version=maybe(TEXT), labels=COUNT, wrong=COUNT, first=TIME, last=TIME, came=TIME
    ),
    "grant": of(role=among(Role), on=TEXT),
    "token": of(name=TEXT, roles=many(ref("grant")), created=TIME, expires=maybe(TIME)),
    "made": of(name=TEXT, token=TEXT, roles=many(ref("grant")), expires=TIME),
    "login": of(name=TEXT, holder=TEXT, logins=COUNT, since=TIME, used=TIME),
    "role": of(who=TEXT, role=among(Role), on=TEXT, by=TEXT, at=TIME),
    "changed": of(who=TEXT, changed=COUNT, roles=many(ref("grant"))),
    "person": of(name=TEXT, accounts=many(TEXT)),
}
