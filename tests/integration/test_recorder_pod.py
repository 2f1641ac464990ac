"""A recorder as its pod runs it: who answers users, what is copied, and who is told what was noted."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests

from policies.place import SERVED_BY, served_by
from policies.recording import Keep, Recording
from service.recorder import answers, between
from service.recorder.between import Order, proof_of
from service.recorder.doubling import MOST_COPIES, Doubling
from service.recorder.kept import heard
from service.recorder.orders import ALIVE, Leg
from service.recorder.passing import REQUEST_ID
from service.recorder.serving import Ending, serve
from service.recorder.spool import Lost, Pair
from tests.running import Model, free_port, wait_until

TARGET, TOKEN = "fraud/production", "a-token"
SHADOW = Recording(copies=True, keep=Keep.ANSWERS)


class Pod:
    """The process, and Segue as it asks it."""

    def __init__(self, stable, candidate, recording=SHADOW):
        legs = (
            Leg(TARGET, "one.ml", stable, recording),
            Leg(TARGET, "two.ml", candidate, recording),
        )
        self.users, self.asked = free_port(), free_port()
        self.said, self.stored, self.notes = "", "", []
        env = {**os.environ, between.VARIABLE: Order(*legs, proof_of(TOKEN)).text()}
        argv = [sys.executable, "-P", "-m", "service.recorder.pod", str(self.users), str(self.asked)]
        self.process = subprocess.Popen(argv, env=env)

    def control(self, path, token=""):
        query = {"heard": self.said, "stored": self.stored}
        url = f"http://127.0.0.1:{self.asked}{path}"
        return requests.get(url, params=query, headers={between.TOKEN: token}, timeout=5)

    def status(self, path):
        try:
            return self.control(path).status_code
        except requests.ConnectionError:
            return 0

    def take(self):
        name, last, notes = heard(self.control(between.NOTES, TOKEN).json())
        if last:
            self.said = f"{name}:{last}"
        self.notes += notes
        return notes

    def pairs(self, count):
        def are_there():
            self.take()
            return len([one for one in self.notes if isinstance(one, Pair)]) >= count

        wait_until(are_there)
        return [one for one in self.notes if isinstance(one, Pair)]

    def post(self, body=b"{}", **headers):
        return requests.post(
            f"http://127.0.0.1:{self.users}/predict?a=1", data=body, headers=headers, timeout=15
        )


@pytest.fixture
def models():
    with Model("one") as one, Model("two") as two:
        yield one, two


@pytest.fixture
def start(models):
    running = []

    def started(recording=SHADOW, candidate=None):
        running.append(Pod(models[0].url, candidate or models[1].url, recording))
        wait_until(lambda: running[-1].status(ALIVE) == 200)
        return running[-1]

    yield started
    for pod in running:
        pod.process.kill()
        pod.process.wait()


def test_users_get_stables_answers_and_each_request_goes_to_the_candidate_too(start, models):
    pod = start()
    pod.take()  # whoever takes notes has come
    given = [pod.post(**{REQUEST_ID: f"r-{n}"}) for n in range(20)]
    assert {answer.text for answer in given} == {"one /predict?a=1"}
    pairs = pod.pairs(20)
    assert {pair.request for pair in pairs} == {f"r-{n}" for n in range(20)}
    assert {(pair.stable, pair.candidate, pair.same) for pair in pairs} == {("one.ml", "two.ml", False)}
    assert {(pair.stable_said, pair.said) for pair in pairs} == {("one /predict?a=1", "two /predict?a=1")}
    assert {answer.headers[SERVED_BY] for answer in given} == {served_by("one.ml")}
    assert models[1].heard[SERVED_BY] == served_by("two.ml")


def test_who_gives_no_id_is_given_one_that_both_versions_get(start, models):
    pod = start()
    pod.take()
    name = pod.post().headers[REQUEST_ID]
    assert [pair.request for pair in pod.pairs(1)] == [name]
    assert models[0].heard[REQUEST_ID] == models[1].heard[REQUEST_ID] == name


def test_long_headers_and_paths_go_through(start, models):
    pod = start()
    long = "a" * 20_000
    url = f"http://127.0.0.1:{pod.users}/{long}"
    assert requests.get(url, headers={"X-Long": long}, timeout=5).text == f"one /{long}"
    assert models[0].heard["X-Long"] == long


def test_nothing_is_copied_before_somebody_takes_the_notes(start, models):
    pod = start()
    assert pod.post().ok
    assert models[1].heard == {}
    pod.take()
    pod.post(**{REQUEST_ID: "second"})
    assert [pair.request for pair in pod.pairs(1)] == ["second"]


# --- requests that were recorded before ----------------------------------------------------------


def send(pod, rows, token=TOKEN, first=1, rate=500.0):
    url = f"http://127.0.0.1:{pod.asked}{between.LINES}"
    lines = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    query = {between.FIRST: first, between.RATE: rate}
    return requests.post(url, params=query, data=lines, headers={between.TOKEN: token}, timeout=5)


def test_lines_of_recorded_requests_are_asked_of_both_versions_and_of_no_user(start, models):
    pod = start()
    rows = [{"path": "/predict", "body": {"n": n}} for n in range(20)]
    own = {"id": "r-21", "path": "/get?b=2", "headers": {"X-Kind": "old"}}
    assert send(pod, [*rows, "no request\n", own], first=101).status_code == 202
    pairs = {pair.request: pair for pair in pod.pairs(21)}
    assert set(pairs) == {*(f"recorded-{n}" for n in range(101, 121)), "r-21"}
    assert (pairs["r-21"].stable_said, pairs["r-21"].said) == ("one /get?b=2", "two /get?b=2")
    assert {(pair.stable_status, pair.status) for pair in pairs.values()} == {(200, 200)}
    assert [len(model.asked) for model in models] == [21, 21]
    assert [model.heard[SERVED_BY] for model in models] == [served_by("one.ml"), served_by("two.ml")]
    assert [model.heard["X-Kind"] for model in models] == ["old", "old"]


def test_lines_of_more_than_a_megabyte_are_taken(start, models):
    pod = start()
    assert send(pod, [{"path": "/predict", "body": "a" * 1_500_000}] * 2).status_code == 202
    assert len(pod.pairs(2)) == 2


def test_a_pod_asks_what_it_was_sent_before_it_takes_more_and_ends_amid_it(start, models):
    pod = start()
    many = [{"path": "/predict", "body": n} for n in range(500)]
    assert send(pod, many, rate=20.0).status_code == 202
    assert (again := send(pod, many)).status_code == 429, again.text
    pod.pairs(3)
    pod.process.terminate()
    pod.process.wait(timeout=10)
    assert len(models[1].asked) < 500


@pytest.mark.parametrize(
    "query", [{}, {"first": "x", "rate": 2}, {"first": 1, "rate": 0}, {"first": 0, "rate": 1}]
)
def test_who_is_not_segue_sends_nothing_and_what_is_not_said_is_asked_for(start, models, query):
    pod = start()
    assert send(pod, [{"path": "/predict"}], token="another").status_code == 403
    url = f"http://127.0.0.1:{pod.asked}{between.LINES}"
    refused = requests.post(url, params=query, headers={between.TOKEN: TOKEN}, timeout=5)
    assert (refused.status_code, refused.text) == (400, "say first and rate, above 0\n")
    assert models[1].asked == []


def test_nobody_is_told_without_the_token(start):
    pod = start()
    assert pod.control(between.NOTES, b"\xff").status_code == 403
    refused = pod.control(between.NOTES, "another")
    assert (refused.status_code, refused.text) == (403, "only Segue takes notes\n")


def test_what_is_hashed_is_known_again_by_the_token_alone(start):
    pod = start(Recording(copies=True, keep=Keep.HASHED))
    pod.take()
    pod.post()
    (pair,) = pod.pairs(1)
    assert pair.said == answers.digest("two /predict?a=1", between.key_of(TOKEN))


def test_what_is_not_stored_is_told_again_to_who_has_not_heard_it(start):
    pod = start()
    pod.take()
    pod.post(**{REQUEST_ID: "r"})
    assert len(pod.pairs(1)) == 1
    last, pod.said = pod.said, ""  # another observer, which goes on from what the first one stored
    assert [note.request for note in pod.take()] == ["r"]
    pod.said, pod.stored = "", last
    assert pod.take() == []
    pod.stored = ""
    assert pod.take() == []  # it is gone


def test_a_candidate_that_fails_hangs_or_is_away_costs_no_user_anything(start, models):
    pod = start()
    pod.take()
    models[1].status = 500
    assert pod.post().ok
    pod.pairs(1)
    models[1].status, models[1].hold = 200, threading.Event()
    try:
        assert all(pod.post().ok for _ in range(5))
    finally:
        models[1].hold.set()
    pairs = pod.pairs(6)
    assert sorted((pair.stable_status, pair.status) for pair in pairs) == [*[(200, 200)] * 5, (200, 500)]


def test_more_copies_than_the_candidate_can_take_are_lost_and_counted(start, models):
    pod = start()
    pod.take()
    models[1].hold = threading.Event()
    try:
        assert all(pod.post().ok for _ in range(MOST_COPIES + 3))
        pod.take()
        assert sum(one.count for one in pod.notes if isinstance(one, Lost)) == 3
    finally:
        models[1].hold.set()


def test_a_models_own_502_stays_one_and_a_stable_that_is_away_is_a_503(start, models):
    pod = start()
    models[0].status = 502
    assert pod.post().status_code == 502


def said_to(port, asked):
    """What comes back for these bytes, until whoever listens closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(asked)
        heard = bytearray()
        try:
            while piece := connection.recv(65536):
                heard += piece
        except ConnectionResetError:
            pass
        return bytes(heard)


def test_an_answer_that_breaks_off_breaks_off_for_its_user_too(models):
    """Nothing is written into its middle, and nobody waits for the rest."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def breaks_off():
            for _ in range(2):  # the look whether it can be reached, and the request
                connection, _ = listening.accept()
                with connection:
                    if connection.recv(65536):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\nhalf")

        threading.Thread(target=breaks_off, daemon=True).start()
        pod = Pod(f"http://127.0.0.1:{listening.getsockname()[1]}", models[1].url)
        try:
            wait_until(lambda: pod.status(between.READY) == 200)
            pod.take()
            heard = said_to(pod.users, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert heard.startswith(b"HTTP/1.1 200")
            assert b"503" not in heard
            assert [pair.stable_status for pair in pod.pairs(1)] == [0]
        finally:
            pod.process.kill()
            pod.process.wait()


def test_what_names_no_path_is_passed_on_to_nobody(start, models):
    pod = start()
    for named in (f"CONNECT @{models[1].url[7:]}", "GET http://elsewhere/", "OPTIONS *"):
        asked = f"{named} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert said_to(pod.users, asked.encode()).startswith(b"HTTP/1.1 400")
    assert not models[1].heard


def test_what_a_connection_says_is_its_own_is_passed_on_to_nobody(start, models):
    pod = start()
    pod.take()  # whoever takes notes has come
    asked = "GET /predict HTTP/1.1\r\nHost: a\r\nX-Hop: secret\r\nX-Kept: yes\r\nConnection: close, x-hop, host\r\n\r\n"
    assert said_to(pod.users, asked.encode()).startswith(b"HTTP/1.1 200")
    for model in models:
        wait_until(lambda model=model: model.heard)
        assert (model.heard["X-Hop"], model.heard["X-Kept"], model.heard["Host"]) == (None, "yes", "a")


def test_it_is_ready_once_both_versions_were_reached_and_stays_so(start, models):
    away = f"http://127.0.0.1:{free_port()}"
    pod = start(candidate=away)
    assert pod.status(between.READY) == 503
    assert f"two.ml cannot be reached at {away}" in pod.control(between.READY).text
    other = start()
    assert other.status(between.READY) == 200
    models[1].shutdown()
    models[1].server_close()
    assert other.status(between.READY) == 200


@pytest.mark.parametrize("end", [8.7 + 3.0, 10.0], ids=["nobody has sent for long enough", "it is the most"])
def test_told_to_stop_it_answers_until_nobody_sends_any_more(models, end):
    """A data plane that is late goes on to send to a pod whose end was told."""
    now, ports, stop = [0.0], (free_port(), free_port()), asyncio.Event()
    legs = (Leg(TARGET, "one.ml", models[0].url, SHADOW), Leg(TARGET, "two.ml", models[1].url, SHADOW))
    one = Doubling(Order(*legs, proof_of(TOKEN)), lambda: now[0])

    def ask():
        return requests.get(f"http://127.0.0.1:{ports[0]}/predict", timeout=15).text

    async def play():
        serving = asyncio.create_task(serve(one, ports, stop, Ending(quiet=3.0, most=10.0, grace=1.0)))
        while not await asyncio.to_thread(_listens, ports[0]):
            assert not serving.done()
        assert await asyncio.to_thread(ask) == "one /predict"
        stop.set()
        for at in (0.0, 2.9, 5.8, 8.7):
            now[0] = at
            assert await asyncio.to_thread(ask) == "one /predict"
            assert not serving.done()
        now[0] = end
        await serving
        assert not _listens(ports[0])

    asyncio.run(play())


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_told_to_stop_it_finishes_what_is_in_hand(start, models):
    pod = start()
    models[0].hold = threading.Event()
    found = []
    asking = threading.Thread(target=lambda: found.append(pod.post()))
    asking.start()
    wait_until(lambda: models[0].heard)
    pod.process.send_signal(signal.SIGTERM)
    models[0].hold.set()
    asking.join()
    assert found[0].text == "one /predict?a=1"
    assert pod.process.wait(timeout=30) == 0
