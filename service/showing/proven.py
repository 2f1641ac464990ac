"""What is proven of the record, in words that claim no more than that."""

from typing import Any

from service.store.chain import Proof, moment

_ALONE = (
    "no checkpoint was held against it: had somebody who can write the database written all entries anew, it"
    " would look the same"
)


def values(proof: Proof) -> dict[str, Any]:
    """The proof as plain values."""
    held, wrong = proof.held, proof.tampered
    return {
        "proven": wrong is None,
        "first": proof.first or None,
        "last": proof.last or None,
        "entries": proof.entries,
        "gaps": proof.gaps,
        "held": {"entry": held.size, "at": held.at} if held else None,
        "unused": proof.unused,
        "tampered": {"entry": wrong.id, "reason": wrong.reason} if wrong else None,
    }


def lines(proof: Proof, *, part: bool) -> list[str]:
    """What people are told, line by line."""
    if not proof.entries and proof.tampered is None:
        return ["there is no entry"]
    found = [] if not proof.entries else [_chain(proof), *([_left_out(proof)] if part else [])]
    if proof.tampered is not None:
        return [f"entry {proof.tampered.id} is not as it was written: {proof.tampered.reason}", *found[:1]]
    return [*found, *_held(proof)]


def _chain(proof: Proof) -> str:
    which = f"entries {proof.first} to {proof.last}" if proof.last != proof.first else f"entry {proof.first}"
    if proof.gaps:
        return f"{proof.entries} of the {which}: each is what was written"
    return f"{which}: each is what was written, and follows the one before it"


def _left_out(proof: Proof) -> str:
    return f"this is a part of a record ({proof.gaps} gaps): whether entries are missing, it cannot show"


def _held(proof: Proof) -> list[str]:
    unused = [f"{proof.unused} checkpoints are of entries that are not in it"] if proof.unused else []
    last = proof.last
    if proof.held is None:
        return [_ALONE, *unused]
    agrees = f"the checkpoint of {moment(proof.held.at)} agrees"
    held = f"{agrees}: nothing up to entry {proof.held.size} was written anew"
    if proof.gaps:
        held = f"{agrees} with entry {proof.held.size}"
    if last == proof.held.size:
        return [held, *unused]
    behind = f"entries {proof.held.size + 1} to {last} are newer than it, and rest on the chain alone"
    return [held, behind, *unused]
