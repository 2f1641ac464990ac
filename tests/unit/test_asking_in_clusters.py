"""Recorded requests of a release in a cluster: how many are sent at each look, and never one of them twice."""

import json
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from policies.place import HERE, Place
from policies.release import Target
from service.errors import Conflict
from service.observing.recorded_requests import RecordedRequests
from service.observing.watched import Scene
from service.ports.outcomes import Retry
from service.recorder import requests
from service.store.series import Series

TARGET, PLACE = "fraud/production", Place("prod", "ml")


class Pods:
    """Recorders that may not be ready, be busy, or break off."""

    def __init__(self):
        self.is_ready, self.busy, self.breaks, self.asked = True, False, False, []

    def ready(self, target, versions):
        assert (target, versions) == (TARGET, ("one.ml", "two.ml"))
        return self.is_ready

    def ask(self, target, versions, lines, first, rate):
        if self.busy:
            return False
        self.asked += [(one.id, json.loads(one.body), rate) for one in requests.of_part(lines, first)]
        if self.breaks:
            raise Retry("the recorder did not take recorded requests: no answer", after=1.0)
        return True

    @property
    def numbers(self):
        return [body for _, body, _ in self.asked]


def scene_of(place=PLACE, copied=True, requests="april", rate=4.0):
    environment = SimpleNamespace(shadow=SimpleNamespace(requests=requests, rate=rate))
    release = SimpleNamespace(
        name="rel-1", target=TARGET, backend="two.ml", place=place, copied=copied, environment=environment
    )
    return Scene(place, [Target(TARGET, place=place)], [SimpleNamespace(release=release, stable="one.ml")])


@pytest.fixture
def pods():
    return Pods()


@pytest.fixture
def series(tmp_path):
    store = Series.open(f"sqlite:///{tmp_path}/series.db")
    yield store
    store.close()


@pytest.fixture
def held(series):
    return series.acquire("observer", "a")


@pytest.fixture
def april(tmp_path):
    path = requests.file_of(tmp_path, "april")
    path.parent.mkdir()
    path.write_text("".join(json.dumps({"path": "/x", "body": n}) + "\n" for n in range(1, 31)))
    return path


@pytest.fixture
def asking(pods, series, tmp_path):
    def made():
        site = SimpleNamespace(noted=pods)
        parts = SimpleNamespace(at=lambda place: site, settings=SimpleNamespace(home=tmp_path))
        return RecordedRequests(parts, series)

    return made


def test_as_many_are_sent_as_the_time_allows_in_the_order_of_the_file(april, asking, pods, held):
    one, scene = asking(), scene_of()
    one.ask(held, scene, 100.0)
    assert pods.asked == [("recorded-1", 1, 4.0)]
    for now in (100.1, 100.2, 100.5, 101.5):
        one.ask(held, scene, now)
    assert pods.numbers == [1, 2, 3, 4, 5, 6, 7]
    one.ask(held, scene, 200.0)
    one.ask(held, scene, 300.0)
    assert pods.numbers == list(range(1, 31))
    assert pods.asked[-1][0] == "recorded-30"


def test_another_process_goes_on_behind_what_was_asked(april, asking, pods, series, held):
    asking().ask(held, scene_of(), 100.0)
    one = asking()
    one.ask(held, scene_of(), 101.0)
    one.ask(held, scene_of(), 102.0)
    assert pods.numbers == [1, 2, 3, 4, 5, 6]
    one.keep(frozenset())  # the lease was lost, and came back
    one.ask(held, scene_of(), 103.0)
    assert pods.numbers == [1, 2, 3, 4, 5, 6, 7]
    assert series.asked("rel-1") == 7
    with series.change(held) as change:
        change.forget_pairs("rel-1")
    assert series.asked("rel-1") == 0


def test_pods_that_are_not_ready_are_sent_nothing_and_busy_ones_the_same_again(april, asking, pods, held):
    one, scene = asking(), scene_of()
    pods.is_ready = False
    one.ask(held, scene, 100.0)
    pods.is_ready, pods.busy = True, True
    one.ask(held, scene, 100.25)
    one.ask(held, scene, 101.0)
    assert pods.asked == []
    pods.busy = False
    one.ask(held, scene, 102.0)
    one.ask(held, scene, 102.5)
    assert pods.numbers == [1, 2, 3, 4, 5], "no more than the rate, however long they were busy"


def test_nobody_is_asked_whether_they_are_ready_for_nothing(april, asking, pods, held):
    one, scene = asking(), scene_of(rate=256.0)
    one.ask(held, scene, 100.0)
    one.ask(held, scene, 101.0)
    pods.ready = None  # would fail where it is asked
    one.ask(held, scene, 102.0)
    assert pods.numbers == list(range(1, 31))


def test_what_may_have_come_through_is_not_sent_again(april, asking, pods, held):
    one, scene = asking(), scene_of()
    pods.breaks = True
    with capture_logs() as logs:
        for now in (100.0, 101.0, 102.0):
            one.ask(held, scene, now)
    assert [log["event"] for log in logs] == ["recorded requests are not asked"]
    pods.breaks = False
    one.ask(held, scene, 103.0)
    assert pods.numbers == list(range(1, 14))


def test_nothing_is_sent_that_another_holder_of_the_lease_may_send(april, asking, pods, series, held):
    one = asking()
    series.let_go(held)
    other = series.acquire("observer", "b")
    for _ in range(2):
        with pytest.raises(Conflict):
            one.ask(held, scene_of(), 100.0)
    assert pods.asked == []
    asking().ask(other, scene_of(), 100.0)
    assert pods.numbers == [1]


def test_a_file_that_is_away_is_told_once(asking, pods, held):
    one = asking()
    with capture_logs() as logs:
        for now in (100.0, 101.0):
            one.ask(held, scene_of(), now)
    (told,) = logs
    assert told["release"] == "rel-1"
    assert "april.jsonl: it cannot be read" in told["reason"]


@pytest.mark.parametrize(
    "scene",
    [scene_of(copied=False), scene_of(requests=""), scene_of(place=HERE)],
    ids=["not in the shadow", "no file", "this machine, whose recorder reads it"],
)
def test_nobody_else_is_sent_any(april, asking, pods, held, scene):
    asking().ask(held, scene, 100.0)
    assert pods.asked == []
