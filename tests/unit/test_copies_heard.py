"""What a rollout's judge hears of copied requests: from files, and from recorders that are asked."""

from types import SimpleNamespace

import pytest

from service.observing.copies import Copies
from service.observing.recordings import Recordings
from service.ports.outcomes import Retry
from service.recorder.spool import Lost, Spool

TARGET = "fraud/production"


class Recorder:
    """Two batches of one recorder; it forgets what is stored, as a real one does."""

    def __init__(self):
        self.batches = {1: [Lost(TARGET, 1.0, 1)], 2: [Lost(TARGET, 1.0, 2)]}
        self.asked, self.away = [], False

    def take(self, target, versions, heard, stored):
        self.asked.append((target, versions, dict(heard), dict(stored)))
        if self.away:
            raise Retry("the API server does not answer", after=1.0)
        self.batches = {n: notes for n, notes in self.batches.items() if n > stored.get("a", 0)}
        fresh = {n: notes for n, notes in self.batches.items() if n > heard.get("a", 0)}
        return [note for notes in fresh.values() for note in notes], {
            **heard,
            **({"a": max(fresh)} if fresh else {}),
        }

    def key(self, target, versions):
        return b"k"


@pytest.fixture
def recordings(tmp_path):
    return Recordings(tmp_path)


def watched(*, copied=True, stable="one.ml"):
    release = SimpleNamespace(target=TARGET, name="rel-1", backend="two.ml", copied=copied)
    return SimpleNamespace(release=release, stable=stable)


def test_notes_are_asked_for_from_where_they_were_heard_and_stored(recordings):
    recorder, copies = Recorder(), Copies()
    assert [note.count for note in copies.collect(recordings, recorder, watched())] == [1, 2]
    assert copies.collect(recordings, recorder, watched()) == []
    copies.saved()
    copies.collect(recordings, recorder, watched())
    versions = ("one.ml", "two.ml")
    assert recorder.asked == [
        (TARGET, versions, {}, {}),
        (TARGET, versions, {"a": 2}, {}),
        (TARGET, versions, {"a": 2}, {"a": 2}),
    ]


def test_another_observer_goes_on_from_what_was_stored(recordings):
    recorder, copies = Recorder(), Copies()
    copies.collect(recordings, recorder, watched())
    again = Copies.of({})  # nothing was stored
    assert [note.count for note in again.collect(recordings, recorder, watched())] == [1, 2]
    stored = Copies.of(copies.row())
    assert stored.collect(recordings, recorder, watched()) == []


def test_who_does_not_answer_is_asked_again_and_nothing_is_missed(recordings):
    recorder, copies = Recorder(), Copies()
    recorder.away = True
    assert copies.collect(recordings, recorder, watched()) == []
    recorder.away = False
    assert len(copies.collect(recordings, recorder, watched())) == 2


@pytest.mark.parametrize("one", [watched(copied=False), watched(stable=None)])
def test_nobody_is_asked_where_nothing_is_copied(recordings, one):
    recorder = Recorder()
    Copies().collect(recordings, recorder, one)
    assert recorder.asked == []


def test_files_of_this_machine_are_heard_as_before(recordings, tmp_path):
    Spool(tmp_path / "recorder" / "spool").write([Lost(TARGET, 1.0, 7)])
    recordings.look()
    copies = Copies()
    assert [note.count for note in copies.collect(recordings, None, watched())] == [7]
    assert "heard" not in copies.row()
