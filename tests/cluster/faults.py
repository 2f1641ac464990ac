"""What can go wrong with a call to an API server, and rules that say with which calls it does."""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

READS = frozenset({"get", "list", "watch"})
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Fault(StrEnum):
    """What can go wrong with one call."""

    DROP_BEFORE = "drop before"  # the connection breaks; the server never heard of the call
    DROP_AFTER = "drop after"  # the server has done it; the connection breaks before it says so
    ERROR_BEFORE = "500 before"
    ERROR_AFTER = "500 after"  # the server has done it, and somebody in between answers 500
    UNAVAILABLE = "503"
    BUSY = "429"  # with Retry-After
    CONFLICT = "409"  # another write was faster; nothing is done
    EXPIRED = "410"  # a list or watch is too old to go on
    HANG = "hang"  # no answer, and nothing is done
    HANG_AFTER = "hang after"  # no answer, and it is done
    LATE = "late"  # no answer; it is done some time after the caller gave up and went on
    SLOW = "slow"
    CUT = "cut"  # the answer, or the watch, breaks off in the middle


@dataclass(frozen=True, slots=True)
class Call:
    """One request, in the words of a role: verb, API group, resource (with a subresource after `/`)."""

    number: int  # from 0, in the order of arrival
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    at: float  # seconds of the monotonic clock

    @property
    def right(self) -> tuple[str, str]:
        """What a role has to grant: `("get", "deployments.apps")`."""
        return self.verb, f"{self.resource}.{self.group}" if self.group else self.resource


def call_of(number: int, method: str, path: str) -> Call:
    """A request in the words of a role. Paths that name no resource are their own resource.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
    """
    parts = urlsplit(path)
    words = [word for word in parts.path.split("/") if word]
    group, rest = "", words[2:]
    if words[:1] == ["apis"]:
        group, rest = words[1], words[3:]
    if words[0] not in {"api", "apis"} or not rest:
        return Call(number, method.lower(), "", parts.path, "", "", time.monotonic())
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    resource = "/".join([rest[0], *rest[2:3]])
    verb = _VERBS.get(method) or ("get" if name else "list")
    if "watch" in parse_qs(parts.query):
        verb = "watch"
    name = name.partition(":")[0] if resource.endswith("/proxy") else name
    return Call(number, verb, group, resource, namespace, name, time.monotonic())


Rule = Callable[[Call], Fault | None]


def never(call: Call) -> None:
    """No call goes wrong."""


def at(number: int, fault: Fault) -> Rule:
    """One call goes wrong, by its number."""
    return lambda call: fault if call.number == number else None


def nth(right: tuple[str, str], turn: int, fault: Fault, tries: int = 1) -> Rule:
    """One call goes wrong: of those with this verb and resource the one after so many others; and as
    many of the next as make `tries` in all, which are the same call where it is tried again at once."""
    before = itertools.count()

    def rule(call: Call) -> Fault | None:
        return fault if call.right == right and turn <= next(before) < turn + tries else None

    return rule


def always(fault: Fault, *verbs: str) -> Rule:
    """Every call of these verbs goes wrong; no verbs: every call."""
    return lambda call: fault if not verbs or call.verb in verbs else None


def share(part: float, seed: int, faults: Sequence[Fault]) -> Rule:
    """So many of the calls go wrong, each in a way that fits it; the same seed chooses the same calls."""

    def rule(call: Call) -> Fault | None:
        chance = random.Random(f"{seed} {call.number}")
        fitting = [fault for fault in faults if may_meet(fault, call.verb)]
        return chance.choice(fitting) if fitting and chance.random() < part else None

    return rule


def may_meet(fault: Fault, verb: str) -> bool:
    """Whether an API server could do this to such a call, and it would make a difference."""
    match fault:
        case Fault.CONFLICT | Fault.LATE:
            return verb not in READS
        case Fault.EXPIRED:
            return verb in {"list", "watch"}
        case _:
            return True
