"""Every parser of what strangers send, with seeds that it understands and what must hold for anything else."""

import hashlib
import hmac
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from handlers import commands, forms, labels, pressing, signing, strict_json
from handlers.commands import Wrong
from handlers.errors import HandlerError, Unverified
from policies import gto, tags
from policies.events import Command
from service import plugins, segue_yaml
from service.adapters.oci.challenges import challenges
from tests.deliveries import FIXTURES, Recorded, recorded
from tests.fuzz import answers
from tests.fuzz.mutating import mutated, mutated_headers

ROOT = Path(__file__).resolve().parents[2]
MOST_HINTS = 5_000
CARRIED = {
    "mattermost",
    "registry",
    "harbor",
    "gitlab",
    "gitlab-group",
    "alertmanager",
    "cloudevents",
}  # nothing of the body need be signed
COMMENT = "/segue approve rel-1 sha256:1f0c1f0c1f0c good\n> /segue abort\n```\n/segue help\n```\n/segue rollback wine\n"
SECRET = b"example-hook-secret"


class Broken(AssertionError):
    """A parser did what it must not; the message says what."""


@dataclass(frozen=True)
class Parser:
    """`once` gives it one changed input and says what became of it; raises `Broken`, or whatever it raised."""

    name: str
    once: Callable[[random.Random], str]


def parsers() -> tuple[Parser, ...]:
    """All of them: one for each kind of sender that is installed, and the others by name."""
    handlers = [Parser(f"{kind} deliveries", _handler(kind)) for kind in plugins.names("event_sources")]
    return (
        *handlers,
        Parser("strict JSON", _strict_json),
        Parser("commands", _commands),
        Parser("true labels", _labels),
        Parser("segue.yaml", _segue_yaml),
        Parser("tags of images", _tags),
        Parser("tags of GTO", _gto),
        Parser("challenges of registries", _challenges),
        *(Parser(name, once) for name, once in answers.BY_NAME.items()),
    )


# --- senders ---------------------------------------------------------------------------------


@cache
def seeds(kind: str) -> tuple[Recorded, ...]:
    """Deliveries of that kind, each as small as it can be while it says the same, and one of them whole."""
    handler = plugins.load("event_sources", kind)
    found = _kept(kind)
    if not found:
        raise Broken(
            f"there is no delivery of {kind} to begin with: add one to MADE or to tests/fixtures/{kind}"
        )
    return (*(_smaller(handler, one) for one in found), found[0])


PUSH = b'{"pusher": "ann", "changes": [{"ref": "refs/heads/main", "before": "0", "after": "1"}]}'
TAGGED = b'{"events": [{"action": "push", "target": {"repository": "team/fraud", "tag": "1.4.0"}}]}'
ORDER = b'{"command": "rollback", "target": "wine/production", "reason": "why"}'
EVENT = b'{"specversion": "1.0", "id": "1", "source": "/ci", "type": "built", "data": {"model": "wine", "version": "7"}}'
ALERT = (
    b'{"version": "4", "alerts": [{"status": "firing", "labels": {"segue_target": "wine/production"}, "annotations": '
    b'{"summary": "slow"}, "startsAt": "2026-11-23T14:20:20.1Z", "fingerprint": "a1b2"}]}'
)
ARTIFACT = (
    b'{"type": "PUSH_ARTIFACT", "event_data": {"resources": [{"digest": "sha256:1", "tag": "main-42"}], "repository": '
    b'{"repo_full_name": "acme/fraud"}}}'
)
CLOUD_ARTIFACT = ARTIFACT.replace(b"PUSH_ARTIFACT", b"harbor.artifact.pushed").replace(b"event_data", b"data")
SLASH = b"team_id=T1&channel_id=C1&user_id=U1&command=%2Fsegue&text=approve+rel-1&trigger_id=1&token=t"
PRESS = (
    b'{"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1"}, "channel": {"id": "C1"}, "message": {"ts": '
    b'"1.1"}, "actions": [{"type": "button", "action_ts": "2.1", "value": "{\\"line\\": \\"/segue abort rel-1\\", '
    b'\\"seen\\": \\"\\"}"}]}'
)
MENTION = (
    b'{"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": {"type": "app_mention", "user": "U1", '
    b'"channel": "C1", "ts": "1700000000.1", "text": "<@U2> approve rel-1 &gt; &lt;x"}}'
)
POST = "p" * 26
TYPED = f"channel_id={POST}&user_id={POST}&command=%2Fsegue&text=abort+rel-1&trigger_id=1&token={SECRET.decode()}".encode()
PRESSED = json.dumps(
    {
        "user_id": POST,
        "channel_id": POST,
        "post_id": POST,
        "context": pressing.signed(SECRET, POST, "/segue abort rel-1", "shifting", 1795415906.0),
    }
).encode()
SAID = (
    b'{"type": "m.room.message", "event_id": "$e1", "sender": "@ann:x.test", "room_id": "!r:x.test", "origin_server_ts": '
    b'1700000000000, "content": {"msgtype": "m.text", "body": "/segue approve rel-1"}}'
)
FORM = {"Content-Type": forms.FORM}
MADE = {
    "slack": ((SLASH, FORM), (b"payload=" + quote(PRESS).encode(), FORM), (PRESS, {}), (MENTION, {})),
    "mattermost": ((TYPED, FORM), (PRESSED, {})),
    "matrix": ((SAID, {}),),
    "harbor": ((ARTIFACT, {}), (CLOUD_ARTIFACT, {})),
    "bare": ((PUSH, {}),),
    "registry": ((TAGGED, {}),),
    "alertmanager": ((ALERT, {}),),
    "hook": ((ORDER, {}), (b'{"model": "churn", "version": "7"}', {})),
    "cloudevents": (
        (EVENT, {"Content-Type": "application/cloudevents+json"}),
        (b"[" + EVENT + b"]", {"Content-Type": "application/cloudevents-batch+json"}),
        (
            ORDER,
            {
                "Content-Type": "application/json",
                "ce-specversion": "1.0",
                "ce-id": "1",
                "ce-source": "/ci",
                "ce-type": "x",
            },
        ),
    ),
}

# An organisation's hook sends what its repositories' would.
SENDERS = {
    "bitbucket-workspace": "bitbucket",
    "gitea-org": "gitea",
    "github-org": "github",
    "gitlab-group": "gitlab",
}


def _kept(kind: str) -> tuple[Recorded, ...]:
    """The deliveries that are kept as files, and those made here: signed, and with the secret in a header."""
    sender = SENDERS.get(kind, kind)
    found = recorded(sender) if (FIXTURES / sender).is_dir() else ()
    return (*found, *(_signed(kind, body, headers) for body, headers in MADE.get(kind, ())))


def _signed(kind: str, body: bytes, headers: dict[str, str]) -> Recorded:
    signature = signing.sign(SECRET, b"one.1795415906." + body)
    names = {"webhook-id": "one", "webhook-timestamp": "1795415906", "webhook-signature": signature}
    slack = hmac.new(SECRET, b"v0:1795415906:" + body, hashlib.sha256).hexdigest()
    names |= {"X-Slack-Request-Timestamp": "1795415906", "X-Slack-Signature": f"v0={slack}"}
    return Recorded(kind, {**headers, **names, "Authorization": "Bearer " + SECRET.decode()}, body, SECRET)


def _smaller(handler: Any, one: Recorded) -> Recorded:
    """Without what the handler does not read: small inputs are tried more often in the same time."""
    try:
        value, said = strict_json.load(one.body), handler.parse(one.headers, one.body)
    except HandlerError:
        return one
    for place in [value, *(v for v in value.values() if isinstance(v, dict))]:
        for key in list(place):
            kept = place.pop(key)
            if _parsed(handler, one.headers, value) != said:
                place[key] = kept
    return Recorded(one.name, one.headers, _text(value), one.secret)


def _parsed(handler: Any, headers: dict[str, str], value: Any) -> Any:
    try:
        return handler.parse(headers, _text(value))
    except HandlerError:
        return None


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _handler(kind: str) -> Callable[[random.Random], str]:
    handler = plugins.load("event_sources", kind)
    originals = {one.body for one in _kept(kind)}

    def once(chance: random.Random) -> str:
        seed = chance.choice(seeds(kind))
        headers, body = mutated_headers(chance, seed.headers), mutated(chance, seed.body)
        try:
            handler.verify(headers, body, (seed.secret,), seed.sent)
        except Unverified:
            pass
        else:
            if kind not in CARRIED and body not in originals:
                raise Broken("a body that nobody signed was verified")
            _storable(handler.delivery_id(headers, body))  # must be there for what is verified
        try:
            if hasattr(handler, "kept"):
                handler.acknowledge(headers, body)
                _check_hints(handler.parse(headers, handler.kept(headers, body)))  # what is stored is read
            hints = handler.parse(headers, body)
        except HandlerError:
            return "refused"
        _check_hints(hints)
        return "hints" if hints else "nothing"

    return once


def _check_hints(hints: Any) -> None:
    if not isinstance(hints, tuple) or len(hints) > MOST_HINTS:
        raise Broken(f"{len(hints)} hints, or not a tuple of them")
    for hint in hints:
        for field in fields(hint):
            _storable(getattr(hint, field.name))


def _storable(text: Any) -> None:
    """Every store must take it. Raises `UnicodeEncodeError` for half a character."""
    if isinstance(text, tuple):
        for one in text:
            _storable(one)
    elif isinstance(text, str) and b"\0" in text.encode("utf-8"):
        raise Broken("a hint holds a NUL")
    elif not isinstance(text, str | float | None):
        raise Broken(f"a hint holds {text!r}")


# --- the others ------------------------------------------------------------------------------


def _strict_json(chance: random.Random) -> str:
    body = mutated(chance, chance.choice(seeds("gitea")).body)
    try:
        strict_json.load(body)
    except HandlerError:
        return "refused"
    return "read"


def _commands(chance: random.Random) -> str:
    text = mutated(chance, COMMENT.encode()).decode("utf-8", "replace")
    found = commands.parse(text, "code:ann", "code", 1.0)
    if len(found) != len(commands.command_lines(text)):
        raise Broken("a line was neither a command nor a wrong one")
    for one in found:
        if isinstance(one, Command) and commands.parse(commands.render(one), one.actor, one.channel, 1.0) != (
            one,
        ):
            raise Broken(f"a command is not what it is written as: {one}")
        if not isinstance(one, Command | Wrong):
            raise Broken(f"{one!r} is no command")
    return "commands" if found else "nothing"


LABELS = b"""{"model": "churn", "table": "warehouse.labels", "labels": [
{"request": "r-17", "at": "2026-01-31T14:03:00Z", "version": "1f0c", "wrong": true},
{"request": "r-18", "at": 1769868181, "prediction": "cat", "label": 1.5}]}"""
ROWS = b'request,at,version,wrong,label\nr-17,2026-01-31T14:03:00Z,v,"true",1\nr-18,1769868181,,no,\n'


def _labels(chance: random.Random) -> str:
    """A batch that is taken is what it is written as; a file's rows are labels, or named."""
    try:
        if chance.random() < 0.5:
            batch = labels.parse(mutated(chance, LABELS))
            if labels.parse(labels.body_of(batch)) != batch:
                raise Broken(f"a batch is not what it is written as: {batch}")
        else:
            read = chance.choice((labels.rows_of_csv, labels.rows_of_lines))
            list(read(mutated(chance, ROWS).decode("utf-8", "replace")))
    except HandlerError:
        return "refused"
    return "labels"


MONOREPO = b"""\
defaults:
  image: ghcr.io/acme/{name}:main-*
  deployment: ml/{name}
  route: ml/{name}
  environments:
    staging: {cluster: stg}
    production:
      cluster: prod
      after: staging
      approvals: {count: 1, from: [ann, "code:bob"], expires: 8h}
      guards: {errors: {worse_by: 1%}, latency: {worse_by: 10%}}
models: {churn: {}, fraud: {paths: [lib/**, models/fraud]}, ltv: {}}
"""


@cache
def _files() -> tuple[bytes, ...]:
    return (MONOREPO, *(path.read_bytes() for path in sorted((ROOT / "examples").rglob("segue.yaml"))))


def _segue_yaml(chance: random.Random) -> str:
    checked = segue_yaml.check(mutated(chance, chance.choice(_files())), "models/wine")
    if checked.models and checked.mistakes:
        raise Broken("a file has models and mistakes")
    for mistake in checked.mistakes:
        mistake.message.encode("utf-8")
    return "models" if checked.models else "mistakes"


NAMES = b"main-1\nmain-2\nv1.2.3\n1.10.0\n1.9.9-rc.1\nlatest\nmain-20260101\nsha256-00.sig"


def _tags(chance: random.Random) -> str:
    names = mutated(chance, NAMES).decode("utf-8", "replace").split("\n")
    pattern = chance.choice(("main-*", "v*", "*", "*-rc*"))
    matching = tags.matching(names, pattern)
    found = tags.newest(tags.counted(matching, pattern), pattern)
    if found is not None and found not in names:
        raise Broken(f"{found!r} was never a tag")
    return "found" if found else "nothing"


STAGES = b"wine@v1.0.0#1\nwine#prod#2\nwine@v1.0.0!#3\nwine#prod!#4\nmodels/wine=wine#prod#5\nwine@deprecated#6\nbeer#prod"


def _gto(chance: random.Random) -> str:
    names = mutated(chance, STAGES).decode("utf-8", "replace").split("\n")
    commits = {name: str(number % 3) for number, name in enumerate(names)}
    found = gto.held(commits, "wine", "prod")
    if found is not None and commits.get(found.tag.name) != found.tag.commit:
        raise Broken(f"{found.tag} was never there")
    return "held" if found else "nobody"


ASKED = b'Basic realm="a, b", Bearer realm="https://t/token",service="s",scope="repository:a/b:pull,push", Negotiate'


def _challenges(chance: random.Random) -> str:
    found = challenges(mutated(chance, ASKED).decode("latin-1"))
    if any(one.scheme != one.scheme.lower() for one in found):
        raise Broken("a scheme is not in small letters")
    return "challenges" if found else "nothing"
