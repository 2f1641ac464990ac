"""What of a target's answers is recorded beside the router, as its policy asks for it: values alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

_LATER = {"later": True}  # as in `spec.declaration`, which knows this module


class Keep(StrEnum):
    """What is kept of each answer until its release has ended."""

    OFF = "off"  # nothing but whether both versions said the same
    HASHED = "hashed"  # a keyed digest of it, which labels can be compared with
    ANSWERS = "answers"  # the answer itself: its class, not the whole body


@dataclass(frozen=True, slots=True)
class Recording:
    """A target's answers pass the recorder.

    `assigns`: it is noted who answered which request. `copies`: each request goes to the candidate, too,
    and both answers are compared. `answer` and `score` are paths in an answer's JSON (`predictions.0`); an
    empty `answer` is the whole body, an empty `score` none. `sample` is the share of pairs whose bodies are
    kept whole, for people to look at. `requests` names a file of recorded requests, which are asked of both
    versions, too, `rate` of them a second.
    """

    assigns: bool = False
    copies: bool = False
    answer: str = ""
    score: str = ""
    keep: Keep = Keep.HASHED
    sample: float = 0.0
    requests: str = field(default="", metadata=_LATER)
    rate: float = field(default=0.0, metadata=_LATER)


def to_json(recording: Recording) -> dict[str, Any]:
    """As it is stored; without what code of one release before does not know, where it says nothing."""
    row = asdict(recording)
    return row if recording.requests else {k: v for k, v in row.items() if k not in {"requests", "rate"}}


def from_json(row: Mapping[str, Any]) -> Recording:
    """What `to_json` wrote."""
    return Recording(**dict(row) | {"keep": Keep(row["keep"])})
