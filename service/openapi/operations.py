"""What every address of `/api/v1` takes and answers: one table, beside that of who may ask it.

An address that is served and not here fails a test, and so does an answer that is not of its shape.
"""

from collections.abc import Mapping

from policies.asking import Gate
from service.openapi import admitting
from service.openapi.operation import (
    API,
    BY_NAME,
    FLAG,
    INTAKE,
    LIMIT,
    MOST,
    NEXT,
    STREAM,
    Operation,
    listed,
)
from service.openapi.schema import (
    ANYTHING,
    COUNT,
    PERCENT,
    TEXT,
    TIME,
    YES,
    Schema,
    among,
    by_name,
    many,
    maybe,
    of,
    ref,
)
from service.showing.exported import KINDS, Form
from service.showing.lineage import KINDS as LINEAGE_KINDS

_RELEASE: Schema = {"type": "string", "pattern": "^rel-[1-9][0-9]{0,8}$", "examples": ["rel-1"]}
_MARK: Schema = {"type": "string", "pattern": r"^([0-9]{1,9}\.[0-9]{1,12})?$"}
_ID: Schema = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_SECONDS: Schema = {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,6})?$"}
_OWN: Schema = {}  # others' formats, with schemas of their own
_OF_RELEASE: Mapping[str, Schema] = {"name": _RELEASE}
_MODEL: Schema = {"type": "string", "examples": ["wine"]}
_OF_TARGET: Mapping[str, Schema] = {
    "model": _MODEL,
    "environment": {"type": "string", "examples": ["production"]},
}


def _sent(name: str, about: str, body: str) -> Operation:
    """What the intake stores."""
    refused = (400, 403, 411, 413, 415, 422)
    return Operation(name, about, {202: ref("stored")}, body=ref(body), refused=refused, server=INTAKE)


_LOGS = of(logs=by_name(TEXT))
_PROOF = of(
    head=ref("point"),
    begins=ref("point"),
    ends=ref("point"),
    proof=ref("proof"),
    says=many(TEXT),
    next=NEXT,
)
_MORE_LOGS = of(logs=by_name(TEXT), marks=by_name(TEXT), over=YES)

OPERATIONS: Mapping[str, Operation] = {
    f"POST {API}/commands": _sent(
        "give_command", "Store a command; its answer is read by its delivery", "command"
    ),
    f"POST {API}/labels": _sent("add_labels", "Store true labels of a model's answers", "labels"),
    f"GET {API}/me": Operation(
        "who_am_i",
        "Whose token it is, and what it may do where",
        {200: of(name=TEXT, roles=many(ref("grant")))},
        refused=(),
    ),
    f"GET {API}/releases": Operation(
        "list_releases",
        "Releases, newest first, 50 unless `limit` says else; the next page is `before` this one's `next`",
        {200: of(releases=many(ref("release"), maxItems=MOST), next=NEXT)},
        query={"target": TEXT, "model": TEXT, "open": FLAG, "before": _RELEASE, "limit": LIMIT},
        refused=(400, 403),
    ),
    f"GET {API}/releases/<name>": Operation(
        "get_release",
        "A release with its version, its record, oldest first, and its work that was given up, newest first;"
        " the record's next page is `after` this one's `next`, that of the work `parked_before` this one's"
        " `parked_next`",
        {
            200: of(
                release=ref("release"),
                estimate=maybe(ref("estimate")),
                version=maybe(ref("version")),
                record=many(ref("entry"), maxItems=MOST),
                next=NEXT,
                parked=many(ref("parked"), maxItems=MOST),
                parked_next=NEXT,
            )
        },
        path=_OF_RELEASE,
        query={"after": _ID, "limit": LIMIT, "parked_before": _ID},
        refused=(400, 404),
    ),
    f"GET {API}/releases/<name>/stream": Operation(
        "follow_release",
        "Its record and its state as server-sent events `entry`, `release` and `end`",
        {200: TEXT},
        path=_OF_RELEASE,
        refused=(400, 404, 429),
        kinds=(STREAM,),
    ),
    f"GET {API}/releases/<name>/logs": Operation(
        "get_logs",
        "What it printed last; what came behind marks of `build` and `evaluation`, which may be empty",
        {200: {"anyOf": [_LOGS, _MORE_LOGS]}},
        path=_OF_RELEASE,
        query={"build": _MARK, "evaluation": _MARK},
        refused=(400, 404),
    ),
    f"GET {API}/releases/<name>/report": Operation(
        "get_report",
        "Its evidence over time, computed anew",
        {200: of(report=ref("report"))},
        path=_OF_RELEASE,
        refused=(404,),
    ),
    f"GET {API}/releases/<name>/increments": Operation(
        "get_increments",
        "The recorded intervals and the policy that judged them, in their stored form",
        {200: of(environment=ANYTHING, recorded=ANYTHING)},
        path=_OF_RELEASE,
        refused=(404,),
    ),
    f"GET {API}/targets": listed("list_targets", "What serves where, by name", "targets", "target"),
    f"GET {API}/releases/<name>/lineage": Operation(
        "get_lineage",
        "From what it came and what it served: OpenLineage run events, or a CycloneDX document",
        {200: _OWN},
        path=_OF_RELEASE,
        query={"form": among(LINEAGE_KINDS)},
        refused=(400, 404),
        kinds=tuple(LINEAGE_KINDS.values()),
    ),
    f"GET {API}/targets/<model>/<environment>/lineage": Operation(
        "get_target_lineage",
        "The same of a target's newest 100 releases; the next are `before` the oldest of them",
        {200: _OWN},
        path=_OF_TARGET,
        query={"form": among(LINEAGE_KINDS), "before": _RELEASE},
        refused=(400, 404),
        kinds=tuple(LINEAGE_KINDS.values()),
    ),
    f"GET {API}/targets/<model>/<environment>/served": Operation(
        "get_served",
        "What served a target at a moment, the greatest share first",
        {200: of(target=TEXT, at=TIME, served=many(ref("served")))},
        path=_OF_TARGET,
        query={"at": _SECONDS},
        refused=(400, 404),
    ),
    f"GET {API}/commands/<delivery>": Operation(
        "get_answer",
        "What a command was answered; null while it is not obeyed, and for somebody else's",
        {200: of(answer=maybe(ref("answer")))},
        path={"delivery": TEXT},
    ),
    f"GET {API}/sources": listed(
        "list_sources", "What is connected and what the last look at it found, by name", "sources", "source"
    ),
    f"POST {API}/sources": Operation(
        "connect_source",
        "Connect a source, chat, receiver or sender, or change the connection; what was done and is left",
        {200: of(name=TEXT, kind=TEXT, url=TEXT, owns=many(TEXT), told=many(TEXT))},
        body=ref("connection"),
        refused=(400, 403, 413, 422),
    ),
    f"DELETE {API}/sources/<name>": Operation(
        "disconnect_source",
        "Take a connection away; what was done and is left to do",
        {200: of(name=TEXT, told=many(TEXT))},
        path={"name": TEXT},
        refused=(403, 404, 422),
    ),
    f"GET {API}/clusters": listed(
        "list_clusters", "Clusters that are connected, by name", "clusters", "cluster"
    ),
    f"GET {API}/settings": listed(
        "list_settings", "Every setting as it is in force, without logins, by name", "settings", "setting"
    ),
    f"GET {API}/models": listed(
        "list_models", "Models as the default branches declare them, by name", "models", "model"
    ),
    f"GET {API}/models/<name>/labels": Operation(
        "count_labels",
        "How many true labels are known, by table and version; the next page is `after` this one's `next`",
        {200: of(labels=many(ref("known"), maxItems=MOST), next=NEXT)},
        path={"name": _MODEL},
        query=BY_NAME,
        refused=(400, 404),
    ),
    f"GET {API}/events": Operation(
        "list_events",
        "What came in and was seen, newest first; the next page is `before` this one's `next`",
        {200: of(events=many(ref("event"), maxItems=MOST), next=NEXT)},
        query={
            "source": TEXT,
            "failed": FLAG,
            "before": {"type": "string", "pattern": r"^[0-9]{1,9}\.[0-9]{1,9}$"},
            "limit": LIMIT,
        },
        refused=(400, 403),
    ),
    f"GET {API}/events/<name>": Operation(
        "get_event",
        "One of them, and the delivery that it came in as, with its body if asked for",
        {200: of(event=ref("event"), message=maybe(ref("message")))},
        path={"name": {"type": "string", "pattern": "^(work-)?[0-9]{1,9}$", "examples": ["1"]}},
        query={"body": FLAG},
        refused=(400, 403, 404),
    ),
    f"GET {API}/record": Operation(
        "list_record",
        "Who did what, oldest first; the next page is `after` this one's `next`",
        {200: of(record=many(ref("entry"), maxItems=MOST), next=NEXT)},
        query={"after": _ID, "limit": LIMIT},
        refused=(400, 403),
    ),
    f"GET {API}/record/export": Operation(
        "export_record",
        "The record as a file, whole or a part, each entry as it is stored",
        {200: TEXT},
        query={
            "form": among(Form),
            "since": _SECONDS,
            "until": _SECONDS,
            "model": _MODEL,
            "release": _RELEASE,
        },
        refused=(400, 403, 404),
        kinds=tuple(KINDS.values()),
    ),
    f"GET {API}/record/proof": Operation(
        "prove_record",
        "Whether 20,000 entries are as they were written, and follow each other; the next are `after` this"
        " one's `next`",
        {200: _PROOF},
        query={"after": _ID},
        refused=(400, 403, 404),
    ),
    f"POST {API}/record/proof": Operation(
        "hold_record",
        "The same, held against a checkpoint that was kept elsewhere",
        {200: _PROOF},
        query={"after": _ID},
        body=ref("checkpoint"),
        refused=(400, 403, 404, 413, 422),
    ),
    f"POST {API}/simulations": Operation(
        "try_policy",
        "Rollouts of a policy on simulated traffic, in percent, seconds and requests a second; 202 while they"
        " are played: ask again",
        {200: ref("simulation"), 202: of(again=COUNT)},
        body=ref("trial"),
        refused=(400, 403, 404, 413, 422),
    ),
    f"POST {API}/links": Operation(
        "make_link",
        "A link that opens the page, logged in as the token's owner, once",
        {200: of(link=TEXT, seconds=COUNT)},
    ),
    f"GET {API}/verdicts/<model>/<environment>": Operation(
        "get_verdict",
        "Whether the candidate may go on, for a tool that shifts traffic itself",
        {200: ref("verdict")},
        path=_OF_TARGET,
        query={"weight": PERCENT, "image": TEXT},
        refused=(400, 404),
        basic=True,
    ),
    f"POST {API}/gates/<gate>/<model>/<environment>": Operation(
        "ask_gate",
        "Whether Flagger's gate of that name is open: 200, else 409",
        {200: ref("verdict"), 409: ref("verdict")},
        path={"gate": among(Gate), **_OF_TARGET},
        query={"step": PERCENT},
        refused=(400, 404),
        basic=True,
    ),
    f"GET {API}/openapi.json": Operation(
        "get_document", "This document; needs no token", {200: ANYTHING}, refused=()
    ),
    **admitting.OPERATIONS,
}
