"""The record's chain proven a stretch at a time: the whole of a long one takes longer than a request may.

Stretches that begin where the one before ended prove together what one walk proves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from service.store import chain, record
from service.store.chain import BEGINNING, Head, Proof, Tampered
from service.store.tables import record as entries


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is proven of some entries on end.

    `begins` is the entry before them, `ends` the last that holds, `head` the record's last; `over`: none is
    left to be proven, or one does not hold.
    """

    proof: Proof
    begins: Head
    ends: Head
    head: Head
    over: bool


def stretch(connection: Connection, heads: Sequence[Head], *, after: int, most: int) -> Stretch | None:
    """At most so many entries behind that one, held against those heads that are of them; those behind the
    record's end are missed by the last stretch. None where the record does not reach so far."""
    head, upto = record.head(connection), after + most
    if after > head.size:
        return None
    begins = _entry(connection, after)
    if begins is None:
        lost = Tampered(after, f"entry {after} is missing")
        return Stretch(Proof(tampered=lost), Head(after, ""), Head(after, ""), head, over=True)
    last = upto >= head.size
    due = heads if last else [one for one in heads if one.size <= upto]
    proof = chain.prove(record.lines(connection, after=after, upto=upto), due, start=begins)
    ends = Head(proof.last, proof.hash)
    return Stretch(proof, begins, ends, head, over=last or proof.tampered is not None)


def _entry(connection: Connection, number: int) -> Head | None:
    if number == 0:
        return BEGINNING
    found = connection.scalar(select(entries.c.hash).where(entries.c.id == number))
    return None if found is None else Head(number, found)
