"""Whose answers a cluster's notes are about, and who is asked for them."""

from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from policies.place import HERE, Place, served_by
from policies.release import Target
from service.observing import overheard
from service.observing.overheard import MOST_MARKS, SELDOM_SECONDS, Overheard
from service.observing.watched import Scene
from service.ports.outcomes import Retry
from service.recorder.spool import Assigned, Lost
from service.store.recorded_rows import Assignment

TARGET, OWN = "fraud/production", Place("prod", "ml")


def serving(backend):
    return SimpleNamespace(backend=backend)


@pytest.fixture
def scene():
    target = Target(TARGET, stable=serving("one.ml"), previous=serving("zero.ml"), place=OWN)
    environment = SimpleNamespace(guards=())
    release = SimpleNamespace(target=TARGET, backend="two.ml", place=OWN, environment=environment)
    return Scene(OWN, [target], [SimpleNamespace(release=release)])


def note(request, backend, target=TARGET):
    return Assigned(target, request, served_by(backend), 7.0)


def test_a_note_names_the_version_whose_stamp_it_says_and_an_unknown_one_nobody(scene):
    notes = [note("a", "one.ml"), note("b", "two.ml"), note("c", "zero.ml"), note("d", "three.ml")]
    notes.append(note("e", "one.ml", target="churn/production"))
    assert overheard.assignments(notes, scene) == [
        Assignment(TARGET, "a", "one.ml", 7.0),
        Assignment(TARGET, "b", "two.ml", 7.0),
        Assignment(TARGET, "c", "zero.ml", 7.0),
    ]


@pytest.mark.parametrize(
    "place",
    [HERE, Place("prod", "ml", "fraud", "ml/shop"), Place("prod", "ml", stable="a", candidate="b")],
    ids=["this machine", "a route of the team's", "only watched"],
)
def test_nobody_is_asked_where_nothing_can_listen(place):
    assert Overheard(None).due(Scene(place, [Target(TARGET, place=place)]), 0.0) == []


class Recorder:
    """One that forgets what is stored, and may be away."""

    def __init__(self):
        self.batches, self.away = {1: [note("a", "one.ml")]}, False

    def answered(self, heard):
        if self.away:
            raise Retry("the API server does not answer", after=1.0)
        self.batches = {n: notes for n, notes in self.batches.items() if n > heard.get("pod", 0)}
        told = [one for notes in self.batches.values() for one in notes]
        return told, {**heard, **({"pod": max(self.batches)} if self.batches else {})}


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def heard(recorder):
    return Overheard(SimpleNamespace(at=lambda place: SimpleNamespace(noted=recorder)))


def test_a_recorder_is_asked_seldom_and_often_while_a_release_is_judged_by_it(heard, scene):
    judged = scene.watched.pop()
    assert heard.due(scene, 0.0) == [OWN]
    heard.ask(OWN, scene, 0.0)
    assert heard.due(scene, SELDOM_SECONDS - 1) == []
    assert heard.due(scene, SELDOM_SECONDS) == [OWN]
    scene.watched.append(judged)
    assert heard.due(scene, 1.0) == []
    judged.release.environment.guards += (SimpleNamespace(by_request=True),)
    assert heard.due(scene, 1.0) == [OWN]


def test_notes_are_told_again_until_they_are_stored(heard, scene, recorder):
    told = [Assignment(TARGET, "a", "one.ml", 7.0)]
    assert heard.ask(OWN, scene, 0.0) == heard.ask(OWN, scene, 1.0) == (told, {"pod": 1})
    heard.stored(OWN, {"pod": 1})
    assert heard.ask(OWN, scene, 2.0) == ([], {"pod": 1})


def test_marks_of_recorders_that_are_gone_do_not_pile_up(heard, scene):
    heard.stored(OWN, {f"pod-{n}": n for n in range(500)})
    _, marks = heard.ask(OWN, scene, 0.0)
    assert len(marks) <= MOST_MARKS + 1
    assert "pod-499" in marks


def test_what_is_lost_is_logged_and_who_does_not_answer_is_asked_again(heard, scene, recorder):
    recorder.batches[2] = [Lost(TARGET, 7.0, 3)]
    with capture_logs() as logs:
        heard.ask(OWN, scene, 0.0)
        recorder.away = True
        assert heard.ask(OWN, scene, 1.0) == ([], {})
    assert [one["event"] for one in logs] == ["it is not known who answered", "nobody tells who answered"]
