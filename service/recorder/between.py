"""A recorder in a cluster: what its pods are told, and how they are asked.

One that stands between a route and one pair of versions gets requests at `PORT`, and passes them to stable;
one that listens to a data plane gets its spans there. What is asked of itself comes at `CONTROL`. Nothing
that it is told is secret: of the token by which Segue takes notes it knows a digest, and the key of the
digests that are kept in the place of answers is made of the token, so that it has it from the first who
showed that.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass

from service.recorder.orders import Leg, leg_of, row_of

VARIABLE = "RECORDER_ORDER"  # of the pod's environment: its order
PORT, CONTROL = 8080, 8081
SPANS = "/v1/traces"  # of OpenTelemetry's protocol: where one that listens is sent them
# Seconds for which one that is told to end goes on to answer at most, as long as requests come.
MOST_UNFORGOTTEN = 60.0
READY = "/ready"  # answers 200 once both versions were reached
NOTES = "/notes"
LINES = "/requests"  # where it is sent lines of recorded requests, which it asks both versions
FIRST, RATE = "first", "rate"  # of the query then: the number of the first line, and how many a second
MOST_LINES, MOST_SENT = 10_000, 4 << 20  # of one message: lines, and bytes before the last line begins
TOKEN = "X-Segue-Token"  # noqa: S105 (a header's name)
# Of how many requests one that listens was told, and how many of them said their id, and who answered.
TOLD = "/told"
REQUESTS, NAMED, STAMPED = HEARD = ("requests", "named", "stamped")
RECORDER, BATCHES = "recorder", "batches"  # of the answer: who it is of, and [number, notes] each


@dataclass(frozen=True, slots=True)
class Order:
    """Users are answered by `stable`; each request is copied to `candidate`. `proof`: the token's digest."""

    stable: Leg
    candidate: Leg
    proof: str

    def text(self) -> str:
        """As the variable says it: the same order, the same text."""
        legs = {"stable": row_of(self.stable), "candidate": row_of(self.candidate)}
        return json.dumps(legs | {"proof": self.proof}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Listening:
    """It is noted who answered the requests of these targets, by the spans of a data plane."""

    targets: tuple[str, ...]
    proof: str

    def text(self) -> str:
        """As the variable says it: the same order, the same text."""
        return json.dumps({"targets": sorted(self.targets), "proof": self.proof}, sort_keys=True)


def read(text: str) -> Order | Listening:
    """The order as its `text` wrote it. Raises `ValueError` for anything else."""
    try:
        stored = json.loads(text)
        if "targets" in stored:
            return Listening(tuple(map(str, stored["targets"])), str(stored["proof"]))
        return Order(leg_of(stored["stable"]), leg_of(stored["candidate"]), str(stored["proof"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{VARIABLE} is no order of a recorder: {error}") from error


def proof_of(token: str) -> str:
    """By which a pod knows the token, without anybody who reads the pod's order knowing it."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def shows(proof: str, token: str) -> bool:
    """Whether that is the token of the digest."""
    return hmac.compare_digest(proof_of(token), proof)


def key_of(token: str) -> bytes:
    """The key of the digests that are kept in the place of answers."""
    return hmac.new(token.encode(), b"answers", hashlib.sha256).digest()
