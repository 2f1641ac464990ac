"""What of a target's answers is recorded beside the router, as its policy asks for it: values alone."""

from dataclasses import dataclass
from enum import StrEnum


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
    kept whole, for people to look at.
    """

    assigns: bool = False
    copies: bool = False
    answer: str = ""
    score: str = ""
    keep: Keep = Keep.HASHED
    sample: float = 0.0
