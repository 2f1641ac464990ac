"""From answers that passed to notes: what each policy lets be kept. No I/O; the time is given."""

from dataclasses import dataclass, field

from policies.recording import Keep, Recording
from service.recorder import answers
from service.recorder.orders import Leg
from service.recorder.pairing import Answered, Pairing
from service.recorder.samples import Sampled
from service.recorder.spool import Assigned, Lost, Note, Pair

MOST_SAMPLES = 100  # that wait to be written
MOST = 50_000  # notes that wait to be written; beyond it they are lost, and counted


@dataclass(slots=True)
class Noting:
    """What was noted and is not written yet."""

    key: bytes
    samples: list[Sampled] = field(default_factory=list)
    _pairings: dict[str, Pairing] = field(default_factory=dict)  # by target
    _notes: list[Note] = field(default_factory=list)
    _lost: dict[str, int] = field(default_factory=dict)
    _drawn: dict[str, float] = field(default_factory=dict)

    def heard(
        self, recording: Recording, body: bytes, encoding: str
    ) -> tuple[str | None, float | None, bytes]:
        """What an answer says, its score, and its body as far as a sample may need it."""
        if not recording.copies:
            return None, None, b""
        whole = answers.plain(body, encoding)
        found = None if whole is None else answers.document(whole)
        said = answers.answer(answers.at(found, recording.answer))
        number = answers.score(answers.at(found, recording.score)) if recording.score else None
        return said, number, (whole or b"") if recording.sample else b""

    def answered(self, leg: Leg, key: str, one: Answered) -> None:
        """A user was answered."""
        if leg.recording.assigns:
            self.assigned(Assigned(leg.target, one.request, leg.backend, one.at))
        if leg.recording.copies:
            self._pairing(leg.target).answered(key, one)

    def assigned(self, one: Assigned) -> None:
        """It is known who answered a request."""
        self._add(one.target, one)

    def request_of(self, leg: Leg, key: str) -> str | None:
        """The id that a copy's request was given when its user was answered."""
        return self._pairing(leg.target).request_of(key)

    def copied(self, leg: Leg, key: str, one: Answered, asked: bytes) -> None:
        """A copy was answered."""
        users = self._pairing(leg.target).copied(key)
        if users is not None:
            self.paired(leg, users, one, asked)

    def paired(self, leg: Leg, users: Answered, one: Answered, asked: bytes) -> None:
        """Both versions' answers to a request are known; `leg` is the candidate's."""
        self._add(leg.target, _pair(leg, users, one, self.key))
        if self._draws(leg) and len(self.samples) < MOST_SAMPLES:
            bodies = (body.decode("utf-8", "backslashreplace") for body in (asked, users.body, one.body))
            self.samples.append(Sampled(leg.target, users.request, users.at, *bodies))

    def missed(self, target: str) -> None:
        """Something of a request could not be noted."""
        self._lost[target] = self._lost.get(target, 0) + 1

    def take(self, now: float) -> list[Note]:
        """All that is to be written now; what was given up on is among it."""
        for target, pairing in self._pairings.items():
            pairing.expire(now)
            lost = pairing.take_lost() + self._lost.pop(target, 0)
            if lost:
                self._notes.append(Lost(target, now, lost))
        self._notes += [Lost(target, now, count) for target, count in self._lost.items()]
        self._lost.clear()
        notes, self._notes = self._notes, []
        return notes

    def lost(self, notes: list[Note]) -> None:
        """These could not be written."""
        for note in notes:
            self._lost[note.target] = self._lost.get(note.target, 0) + (
                note.count if isinstance(note, Lost) else 1
            )

    def _pairing(self, target: str) -> Pairing:
        return self._pairings.setdefault(target, Pairing())

    def _add(self, target: str, note: Note) -> None:
        if len(self._notes) < MOST:
            self._notes.append(note)
        else:
            self.missed(target)

    def _draws(self, leg: Leg) -> bool:
        """Whether this pair is a sample: every so many, so that no chance has to be repeated."""
        drawn = self._drawn.get(leg.target, 0.0) + leg.recording.sample
        self._drawn[leg.target] = drawn % 1.0
        return drawn >= 1.0


def _pair(leg: Leg, users: Answered, copy: Answered, key: bytes) -> Pair:
    both = users.said is not None and copy.said is not None
    return Pair(
        leg.target,
        users.request,
        users.at,
        leg.backend,
        users.backend,
        copy.status,
        users.status,
        copy.seconds,
        users.seconds,
        copy.said == users.said if both else None,
        _kept(leg.recording.keep, copy.said, key),
        _kept(leg.recording.keep, users.said, key),
        copy.score,
        users.score,
    )


def _kept(keep: Keep, said: str | None, key: bytes) -> str | None:
    match keep:
        case Keep.OFF:
            return None
        case Keep.HASHED:
            return None if said is None else answers.digest(said, key)
        case Keep.ANSWERS:
            if said is None or len(said) > answers.MOST_TEXT:
                return None if said is None else answers.digest(said, key)
            return said
