"""Whose images may serve: the operator's rules, and what a signature beside an image says.

A signature is good if it is by a trusted key *and* the signed text says that this very image is signed.
Two forms are read. Simple signing: what `cosign sign` writes for the tag `sha256-<digest>.sig`, and what
Segue writes. An in-toto statement in a DSSE envelope: what cosign 3 writes into a Sigstore bundle.
https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md and
https://github.com/secure-systems-lab/dsse/blob/master/protocol.md.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
STATEMENT = "application/vnd.in-toto+json"
SIGNED = "https://sigstore.dev/cosign/sign/v1"  # the predicate that says "signed", and nothing else
_TYPE = "cosign container image signature"
_STATEMENTS = "https://in-toto.io/Statement/"


class Trust(StrEnum):
    """Whose signature an image needs."""

    OFF = "off"  # nobody's
    OURS = "ours"  # this installation's
    KEYS = "keys"  # that of any key which the operator trusts


Rules = tuple[tuple[str, Trust], ...]  # globs over host/repository; the first that fits counts


@dataclass(frozen=True, slots=True)
class Signature:
    """What lies beside an image as its signature; nothing about it is verified.

    `kind` is the media type of `payload`: `SIMPLE`, or what a DSSE envelope says of its payload.
    """

    kind: str
    payload: bytes
    signature: bytes


def rules(text: str) -> Rules:
    """The rules of a text such as `ghcr.io/acme/*=keys,ours`: the last is for all that none fits before.

    Raises `ValueError` with what is wrong, for people.
    """
    *special, last = (one.strip() for one in text.split(","))
    pairs = [one.partition("=") for one in special]
    for glob, _, word in (*pairs, ("*", "=", last)):
        if word not in set(Trust) or not glob:
            allowed = ", ".join(Trust)
            raise ValueError(
                f"{word or glob!r} is none of {allowed}; write one of them, or GLOB=WORD, ... and one for"
                " all others at the end, such as ghcr.io/acme/*=keys,ours"
            )
    return (*((glob, Trust(word)) for glob, _, word in pairs), ("*", Trust(last)))


def wanted(given: Rules, repository: str) -> Trust:
    """What the rules ask of images of `host/repository`. The last of them fits all."""
    return next(trust for glob, trust in given if fnmatchcase(repository, glob))


def payload(repository: str, digest: str) -> bytes:
    """The text to sign, of the kind `SIMPLE`: this image is signed. Equal images get equal bytes."""
    critical = {
        "identity": {"docker-reference": repository},
        "image": {"docker-manifest-digest": digest},
        "type": _TYPE,
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


def signed_bytes(kind: str, content: bytes) -> bytes:
    """What the signature is of: the payload itself, or for DSSE its kind, too (PAE)."""
    if kind == SIMPLE:
        return content
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(content), content)


def why_not(found: tuple[Signature, ...], digest: str, verified: Callable[[bytes, bytes], bool]) -> str:
    """ "" if one of the signatures is good; else what is wrong with those that are there.

    `verified` says whether a trusted key signed these bytes with this signature.
    """
    if not found:
        return "it has no signature"
    ours = [one for one in found if verified(signed_bytes(one.kind, one.payload), one.signature)]
    if not ours:
        count = "a signature" if len(found) == 1 else f"{len(found)} signatures"
        return f"it has {count}, but none by a trusted key"
    reasons = [_not_about(one, digest) for one in ours]
    return "" if "" in reasons else reasons[0]


def _not_about(one: Signature, digest: str) -> str:
    """Why a text that a trusted key did sign does not say that this image is signed."""
    try:
        told = json.loads(one.payload)
        named = _signed_digests(one.kind, told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "a trusted key signed something else beside it, which is no image's signature"
    if digest in named:
        return ""
    return f"what a trusted key signed is another image: {next(iter(named), 'none')}"


def _signed_digests(kind: str, told: Any) -> tuple[str, ...]:
    """The images that a text says are signed. Raises `ValueError`, `KeyError` and the like for another."""
    if kind == SIMPLE:
        critical = told["critical"]
        if critical["type"] != _TYPE:
            raise ValueError(kind)
        return (str(critical["image"]["docker-manifest-digest"]),)
    if kind != STATEMENT or not told["_type"].startswith(_STATEMENTS) or told["predicateType"] != SIGNED:
        raise ValueError(kind)
    return tuple(f"sha256:{subject['digest']['sha256']}" for subject in told["subject"])
