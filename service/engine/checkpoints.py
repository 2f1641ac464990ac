"""Checkpoints of the record: its head, signed with the installation's key, to be kept elsewhere.

The file is a DSSE envelope (https://github.com/secure-systems-lab/dsse/blob/master/envelope.md), so that
others can verify it with the public key alone. Its payload is {"size", "hash", "at"}.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from policies.trust import signed_bytes
from service import keys
from service.engine.trusting import KEY, KEYS_BEFORE
from service.keys import Public
from service.settings import Settings
from service.store.chain import Head
from service.store.codec import canonical

KIND = "application/vnd.segue.checkpoint+json"
_LARGEST = 1 << 16  # bytes of a file
_SHOWN = 12  # letters of the hash in a file's name


class NoCheckpoint(ValueError):
    """A file that is none, or none that a known key signed."""


def name(head: Head) -> str:
    """The file's name, in the record's order. Another head of the same size is another file."""
    return f"checkpoint-{head.size:012}-{head.hash[:_SHOWN]}.json"


def sign(head: Head, private: bytes) -> bytes:
    """The file. Raises `KeyProblem` for a key that cannot be used."""
    payload = canonical({"size": head.size, "hash": head.hash, "at": head.at}).encode()
    signature = keys.sign(private, signed_bytes(KIND, payload))
    (public,) = keys.trusted(keys.public(private))
    envelope = {
        "payloadType": KIND,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": keys.name(public), "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=1).encode() + b"\n"


def known(settings: Settings) -> tuple[Public, ...]:
    """The keys that may have signed this installation's: its own, and those that it replaced; none where it
    has none. Raises `KeyProblem` for files that hold something else."""
    private = settings.secret(KEY)
    if private is None:
        return ()
    return keys.trusted(keys.public(private) + (settings.secret(KEYS_BEFORE) or b""))


def read(content: bytes, known: Sequence[Public]) -> Head:
    """The head that the file is of. Raises `NoCheckpoint` unless one of the keys signed it."""
    if len(content) > _LARGEST:
        raise NoCheckpoint("it is too large for a checkpoint")
    try:
        envelope = json.loads(content)
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
        kind = envelope["payloadType"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoCheckpoint("it is no checkpoint of a record") from None
    if kind != KIND:
        raise NoCheckpoint("it is no checkpoint of a record")
    if not any(keys.signed_by(known, signed_bytes(KIND, payload), one) for one in signatures):
        raise NoCheckpoint("no known key signed it")
    return _head(payload)


def _head(payload: bytes) -> Head:
    """What a known key signed is of our form, unless that key also signs what others write."""
    try:
        told: Any = json.loads(payload)
        head = Head(told["size"], told["hash"], float(told["at"]))
    except (ValueError, KeyError, TypeError):
        raise NoCheckpoint("a known key signed something else") from None
    if type(head.size) is not int or head.size < 1 or not isinstance(head.hash, str):
        raise NoCheckpoint("a known key signed something else")
    return head
