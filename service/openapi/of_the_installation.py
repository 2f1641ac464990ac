"""What the API answers of the installation: who may do what, its connections, events and record; and to
what was sent or refused."""

from collections.abc import Mapping

from policies.roles import Role
from service.engine.happened import State
from service.openapi.schema import (
    ANYTHING,
    COUNT,
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

SHAPES: Mapping[str, Schema] = {
    "problem": of(type=TEXT, title=TEXT, status=COUNT, detail=TEXT, instance=TEXT),
    "stored": of(delivery=TEXT, duplicate=YES),
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
