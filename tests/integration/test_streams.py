"""Streams of a release under the real server: whole, taken up where they broke, few, and only for who may see."""

import json
import threading

import pytest
import requests

from policies.roles import grant
from service.identity import tokens
from service.showing import streams
from service.store.codec import Unknown
from service.store.states import number_of
from tests.running import wait_until
from tests.scenarios.conftest import World
from tests.serving import Served

THREADS = {"threads": 8 + streams.MOST, "channel_request_lookahead": 1}


class Http:
    """The web of an installation, and who follows what there."""

    def __init__(self, world):
        self.world = world
        self._server = Served(world.web.application, **THREADS)
        self.address = f"http://127.0.0.1:{self._server.port}"
        self._open = []
        self._session = requests.Session()

    def close(self):
        for answer in self._open:
            answer.close()
        self._session.close()
        self.world.stop.set()
        self._server.end()
        self.world.close()

    def follow(self, name, token=None, **headers):
        """The answer, of which the end may not have come yet."""
        headers["Authorization"] = f"Bearer {token or self.world.people['bob']}"
        address = f"{self.address}/api/v1/releases/{name}/stream"
        answer = self._session.get(address, headers=headers, stream=True, timeout=20)
        self._open.append(answer)
        return answer

    def get(self, path):
        headers = {"Authorization": f"Bearer {self.world.people['bob']}"}
        return requests.get(f"{self.address}/api/v1/{path}", headers=headers, timeout=20).json()


@pytest.fixture
def http(tmp_path):
    http = Http(World(tmp_path))
    http.world.live()
    yield http
    http.close()


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """One with a release that has ended."""
    http = Http(World(tmp_path_factory.mktemp("world")))
    http.world.live()
    yield http
    http.close()


def events(answer):
    """(event, id, data) of what comes, as a browser would read it."""
    fields = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if not line and "data" in fields:
            yield fields["event"], fields["id"], json.loads(fields["data"])
        name, _, value = line.partition(": ")
        fields = {**fields, name: value} if line else {}


def next_state(told):
    """What comes until the next state, and that."""
    found = []
    for event in told:
        found.append(event)
        if event[0] == "release":
            return found
    return found


def moving(http):
    """A release that takes traffic."""
    http.world.push({"serve.py": "2"})
    http.world.settle()
    http.world.play(4)
    return http.world.releases()[-1].name


# --- what is told ----------------------------------------------------------------------------


def test_a_release_is_told_as_it_goes_on_to_its_end(http):
    name = moving(http)
    answer = http.follow(name)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    told = events(answer)
    found = next_state(told)
    assert found[-1][2] == http.get(f"releases/{name}")["release"]
    http.world.say("pause", name)
    found += next_state(told)
    assert found[-1][2]["paused"] is True
    assert http.world.say("abort", name).ok
    http.world.play(5)
    found += list(told)
    assert [kind for kind, *_ in found[-2:]] == ["release", "end"]
    whole = http.get(f"releases/{name}")
    assert [data for kind, _, data in found if kind == "entry"] == whole["record"]
    assert found[-2][2] == whole["release"]
    assert whole["release"]["final"]


def test_it_is_taken_up_behind_any_event_without_loss_or_repetition(ended):
    whole = list(events(ended.follow("rel-1")))
    entries = [event for event in whole if event[0] == "entry"]
    assert len(entries) > 5
    for nth, (_, mark, _) in enumerate(entries):
        rest = list(events(ended.follow("rel-1", **{"Last-Event-ID": mark})))
        assert rest == whole[nth + 1 :]


def test_who_was_told_all_of_what_has_ended_is_told_to_come_no_more(ended):
    *_, (_, mark, _) = events(ended.follow("rel-1"))
    again = ended.follow("rel-1", **{"Last-Event-ID": mark})
    assert (again.status_code, again.content) == (204, b"")


@pytest.mark.parametrize("mark", ["x", "1", "1.", "1.-1", "1.2.3", "9" * 20 + ".1", "1.²"])
def test_what_is_no_mark_is_refused_with_what_to_write(ended, mark):
    headers = {"Authorization": f"Bearer {ended.world.people['bob']}", "Last-Event-ID": mark}
    told = ended.world.web.get("/api/v1/releases/rel-1/stream", headers=headers)
    assert told.status_code == 400
    assert "12.345" in told.json["detail"]


def test_a_mark_of_before_a_restored_backup_tells_what_is(ended):
    """Nobody knows what was told then, but that it is not what is stored now."""
    (state, end) = events(ended.follow("rel-1", **{"Last-Event-ID": "999999.999999"}))
    assert (state[0], end[0]) == ("release", "end")


def test_a_silent_stream_says_that_it_is_there(http, monkeypatch):
    monkeypatch.setattr(streams, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(streams, "TURN_SECONDS", 0.05)
    lines = http.follow(moving(http)).iter_lines(chunk_size=1, decode_unicode=True)
    assert next(line for line in lines if line.startswith(":")) == ": still here"


def test_many_who_follow_one_release_cost_one_look(http, monkeypatch):
    name, states = moving(http), []
    written = streams._state
    monkeypatch.setattr(streams, "_state", lambda *asked: states.append(asked) or written(*asked))
    told = [events(http.follow(name)) for _ in range(5)]
    assert all(next_state(one) for one in told)
    before = len(states)
    http.world.say("pause", name)
    assert all(next_state(one)[-1][2]["paused"] for one in told)
    assert len(states) - before <= 3


def test_a_look_that_comes_late_takes_nothing_back_and_nothing_stays_of_whom_nobody_follows(http):
    number = number_of(moving(http))
    told = streams.Streams(http.world.store, threading.Event())
    told._followers[number] += 1
    old = told.state(number)
    http.world.say("pause", old.name)
    told._look([number])
    new = told._seen[number]
    assert new.mark > old.mark
    told._see({number: old})
    assert told._seen == {number: new}
    told._end(number)
    told._see({number: new})
    assert told._seen == {}


def test_a_state_that_a_newer_version_wrote_silences_no_other_release(http, monkeypatch):
    name, written = moving(http), streams._state
    other = http.world.store.releases(limit=1)[0]
    strange = number_of("rel-1")

    def read(reading, number):
        if number == strange:
            raise Unknown("a phase of tomorrow")
        return written(reading, number)

    told = streams.Streams(http.world.store, threading.Event())
    told._followers.update([strange, other.id])
    monkeypatch.setattr(streams, "_state", read)
    told._look([strange, other.id])
    assert (other.name, list(told._seen)) == (name, [other.id])


# --- who may, and how many -------------------------------------------------------------------


def test_it_ends_for_who_may_not_see_it_any_more(http, monkeypatch):
    monkeypatch.setattr(streams, "BEAT_SECONDS", 0.0)
    token = tokens.make(http.world.store, "dan", grants=[grant("viewer", "wine/*")])
    told = events(http.follow(moving(http), token))
    assert next_state(told)
    tokens.make(http.world.store, "dan", grants=[grant("viewer", "beer/*")])
    assert list(told) == []


def test_it_is_not_there_for_who_may_not_see_it(ended):
    token = tokens.make(ended.world.store, "other", grants=[grant("viewer", "beer/*")])
    assert ended.follow("rel-1", token).status_code == 404
    assert ended.follow("rel-99").status_code == 404
    assert ended.follow("rel-1", "nobody").status_code == 401


def test_there_is_room_for_some_and_it_is_given_back(http, monkeypatch):
    monkeypatch.setattr(streams, "EACH", 2)
    monkeypatch.setattr(streams, "MOST", 3)
    name, people = moving(http), http.world.people
    first = http.follow(name)
    assert http.follow(name).status_code == 200
    own = http.follow(name)
    assert own.status_code == 429
    assert "2 streams" in own.json()["detail"]
    assert int(own.headers["Retry-After"]) > 0
    assert http.follow(name, people["ann"]).status_code == 200
    full = http.follow(name, people["eve"])
    assert full.status_code == 503
    assert "3 streams" in full.json()["detail"]
    assert int(full.headers["Retry-After"]) > 0
    first.close()
    wait_until(lambda: http.follow(name, people["eve"]).status_code == 200, 20)
    metrics = requests.get(f"{http.address}/metrics", timeout=20).text
    assert "segue_web_streams 3.0" in metrics


def test_the_page_answers_while_every_stream_is_open(http):
    """Streams have threads of their own beside those that answer: more than these at once, too."""
    name = moving(http)
    people = [tokens.make(http.world.store, f"p{nth}") for nth in range(streams.MOST // streams.EACH)]
    for token in people:
        for _ in range(streams.EACH):
            assert http.follow(name, token).status_code == 200
    assert http.follow(name).status_code == 503
    found = []
    asking = [threading.Thread(target=lambda: found.append(http.get(f"releases/{name}"))) for _ in range(16)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert len(found) == 16
    assert all(one["release"]["name"] == name for one in found)


def test_the_end_of_the_process_ends_them_all(http):
    told = events(http.follow(moving(http)))
    assert next_state(told)
    http.world.stop.set()
    assert list(told) == []


# --- the page --------------------------------------------------------------------------------


def test_the_page_has_a_stream_of_what_one_sees_by_the_login(http):
    name = moving(http)
    session = requests.Session()
    address = f"{http.address}/-/releases/{name}/stream"
    assert session.get(address, timeout=20).status_code == 401
    session.post(f"{http.address}/-/login", data={"token": http.world.people["bob"]}, timeout=20)
    with session.get(address, stream=True, timeout=20) as answer:
        assert next_state(events(answer))[-1][2]["name"] == name
    assert f'data-stream="/-/releases/{name}/stream"' in session.get(address[:-7], timeout=20).text
    session.close()
