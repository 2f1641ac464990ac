"""The recorder behind a real Traefik: who is asked, what is noted, and that users never pay for it."""

import gzip
import json
import os
import signal
import threading
import time
from dataclasses import replace

import pytest
import requests

from policies.place import served_by
from policies.recording import Keep, Recording
from service.adapters.recorder import RecorderDaemon
from service.adapters.traefik.metrics import TraefikMetrics
from service.adapters.traefik.router import TraefikRouter
from service.machine import shim
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route
from service.recorder import answers
from service.recorder.orders import LEG
from service.recorder.replaying import LOOK_SECONDS
from service.recorder.requests import file_of
from service.recorder.samples import EVERY, KEPT, Sampled, Samples
from service.recorder.spool import MOST_BYTES, Assigned, Lost, Pair, Spool
from tests.running import Model, Traefik, wait_until

TARGET = "fraud/production"
SHADOW = Recording(copies=True, keep=Keep.ANSWERS)


@pytest.fixture
def traefik(tmp_path):
    traefik = Traefik(tmp_path / "home").start()
    yield traefik
    traefik.kill()
    RecorderDaemon.open(traefik.settings).end()


@pytest.fixture
def router(traefik):
    return TraefikRouter.open(traefik.settings)


@pytest.fixture
def daemon(traefik):
    return RecorderDaemon.open(traefik.settings)


@pytest.fixture
def spool(daemon):
    return Spool(daemon.files.spool)


@pytest.fixture
def models():
    with Model("one") as one, Model("two") as two:
        yield one, two


def shadow(models, recording=SHADOW, epoch=1):
    one, two = models
    backends = (Backend("one", one.url, 100.0), Backend("two", two.url, 0.0))
    return Route(TARGET, epoch, backends, recording=recording, copied="two")


def notes(spool, kind):
    return [note for number in spool.numbers() for note in spool.read(number) if isinstance(note, kind)]


def post(address, body=b"{}", **headers):
    return requests.post(f"{address}/predict?a=1", data=body, headers=headers, timeout=15)


# --- who is asked, and what is noted -----------------------------------------------------------


def test_each_request_goes_to_both_versions_and_only_stables_answer_to_the_user(router, models, spool):
    assert router.set(shadow(models)) == router.get(TARGET) == shadow(models)
    answers = [post(router.address(TARGET), **{"X-Request-Id": f"r-{n}"}) for n in range(20)]
    assert {answer.text for answer in answers} == {"one /predict?a=1"}
    wait_until(lambda: len(notes(spool, Pair)) == 20)
    pairs = notes(spool, Pair)
    assert {pair.request for pair in pairs} == {f"r-{n}" for n in range(20)}
    assert {(pair.stable, pair.candidate, pair.same) for pair in pairs} == {("one", "two", False)}
    assert {(pair.stable_said, pair.said) for pair in pairs} == {("one /predict?a=1", "two /predict?a=1")}
    assert models[1].heard["X-Request-Id"].startswith("r-")
    assert notes(spool, Assigned) == []


def test_who_gives_no_id_is_given_one_and_pairs_are_found_all_the_same(router, models, spool):
    router.set(shadow(models))
    given = {post(router.address(TARGET), b"%d" % (n % 3)).headers["X-Request-Id"] for n in range(9)}
    assert len(given) == 9
    wait_until(lambda: len(notes(spool, Pair)) == 9)
    assert {pair.request for pair in notes(spool, Pair)} == given


def test_who_answered_is_noted_where_only_that_is_asked_for(router, models, spool):
    one, two = models
    backends = (Backend("one", one.url, 50.0), Backend("two", two.url, 50.0))
    router.set(Route(TARGET, 1, backends, recording=Recording(assigns=True)))
    said = {n: post(router.address(TARGET), **{"X-Request-Id": n}).text.split()[0] for n in "abcdef"}
    wait_until(lambda: len(notes(spool, Assigned)) == 6)
    assert {note.request: note.backend for note in notes(spool, Assigned)} == said
    assert set(said.values()) == {"one", "two"}
    assert notes(spool, Pair) == []


def test_no_caller_says_whose_request_it_is(router, models, spool):
    router.set(shadow(models))
    assert post(router.address(TARGET), **{LEG: "answer two"}).text == "one /predict?a=1"
    wait_until(lambda: notes(spool, Pair))


def test_a_failing_candidate_is_a_pair_and_costs_no_user_anything(router, models, spool):
    router.set(shadow(models))
    models[1].status = 500
    assert post(router.address(TARGET)).ok
    wait_until(lambda: notes(spool, Pair))
    assert [(pair.stable_status, pair.status) for pair in notes(spool, Pair)] == [(200, 500)]


def test_a_candidate_that_hangs_keeps_no_user_waiting(router, models, spool):
    router.set(shadow(models))
    models[1].hold = threading.Event()
    try:
        assert [post(router.address(TARGET)).ok for _ in range(5)] == [True] * 5
        assert notes(spool, Pair) == []
    finally:
        models[1].hold.set()
    wait_until(lambda: len(notes(spool, Pair)) == 5)


def test_errors_of_a_recorded_version_are_counted_for_it_and_copies_for_nobody(router, models, traefik):
    router.set(shadow(models))
    metrics = TraefikMetrics.open(traefik.settings)
    models[0].status = 502
    assert [post(router.address(TARGET)).status_code for _ in range(3)] == [503] * 3
    counted = dict(metrics.sample().backends)
    assert (counted["one"].requests, counted["one"].errors) == (3, 3)
    assert counted["two"].requests == 0


# --- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", list(Keep))
def test_of_answers_only_what_the_policy_says_is_kept(router, models, spool, daemon, keep):
    router.set(shadow(models, Recording(copies=True, keep=keep)))
    post(router.address(TARGET), b"a secret")
    wait_until(lambda: notes(spool, Pair))
    (pair,) = notes(spool, Pair)
    digest = answers.digest("two /predict?a=1", daemon.files.secret())
    assert pair.said == {Keep.OFF: None, Keep.HASHED: digest, Keep.ANSWERS: "two /predict?a=1"}[keep]
    assert pair.same is False
    written = "".join(path.read_text() for path in daemon.files.spool.iterdir())
    assert "secret" not in written
    assert ("two /predict" in written) is (keep is Keep.ANSWERS)
    assert not daemon.files.samples.exists()


def test_of_so_many_pairs_one_is_a_sample(router, models, spool, daemon):
    router.set(shadow(models, Recording(copies=True, keep=Keep.OFF, sample=0.25)))
    for _ in range(8):
        post(router.address(TARGET), b"body")
    wait_until(lambda: len(notes(spool, Pair)) == 8)
    wait_until(lambda: len(list(daemon.files.samples.glob("*.json"))) == 2)
    sample = json.loads(next(daemon.files.samples.glob("fraud.production.*.json")).read_text())
    assert (sample["asked"], sample["stable_answered"], sample["answered"]) == (
        "body",
        "one /predict?a=1",
        "two /predict?a=1",
    )


def test_samples_are_forgotten_after_a_day(tmp_path):
    samples = Samples(tmp_path)
    samples.write([Sampled(TARGET, "r-1", 1.0, "a", "b", "c")])
    samples.forget(time.time() + EVERY + 1)
    assert len(list(tmp_path.iterdir())) == 1
    samples.forget(time.time() + KEPT + EVERY + 1)
    assert list(tmp_path.iterdir()) == []


# --- whatever happens to the recorder, users are answered -----------------------------------------


def test_users_are_answered_while_the_recorder_is_killed_and_after(router, models, daemon, traefik):
    router.set(shadow(models))
    address, said, done = router.address(TARGET), [], threading.Event()

    def load():
        while not done.is_set():
            said.append(post(address).status_code)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        before, count = shim.status(daemon.folder), len(said)
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda b=before: shim.status(daemon.folder).restarts > b.restarts and daemon.ready())
        wait_until(lambda c=count: len(said) > c + 20)
    done.set()
    for thread in threads:
        thread.join()
    # A POST is not sent twice: each connection that is cut costs the request on it, or the one that is sent into
    # it before the router has seen that. There is one for each client, and that of the look at its health.
    most = 2 * (len(threads) + 1)
    assert sum(status != 200 for status in said) <= most
    assert dict(TraefikMetrics.open(traefik.settings).sample().backends)["one"].errors <= most


def test_users_are_answered_for_as_long_as_the_recorder_is_away(router, models, daemon):
    router.set(shadow(models))
    assert post(router.address(TARGET)).ok
    shim.stop(daemon.folder)
    assert {post(router.address(TARGET)).text for _ in range(30)} == {"one /predict?a=1"}


def test_a_full_disk_loses_notes_and_counts_them(router, models, daemon, spool):
    router.set(shadow(models))
    daemon.files.spool.mkdir(exist_ok=True)
    full = daemon.files.spool / "draft.full"
    with full.open("wb") as file:
        file.truncate(MOST_BYTES)
    for _ in range(5):
        assert post(router.address(TARGET)).ok
    time.sleep(1.2)  # two writings that fail
    assert notes(spool, Pair) == []
    full.unlink()
    wait_until(lambda: notes(spool, Lost))
    assert sum(note.count for note in notes(spool, Lost)) == 5


def test_a_request_that_is_too_long_to_be_copied_is_answered(router, models, spool):
    router.set(shadow(models))
    assert post(router.address(TARGET), b"x" * (3 << 20)).text == "one /predict?a=1"
    assert post(router.address(TARGET), b"short").ok
    wait_until(lambda: notes(spool, Pair))
    assert len(notes(spool, Pair)) == 1


# --- when it runs --------------------------------------------------------------------------------


def test_it_runs_only_while_a_route_asks_for_it(router, models, daemon):
    one, two = models
    plain = Route(TARGET, 1, (Backend("one", one.url, 100.0),))
    router.set(plain)
    assert not shim.status(daemon.folder).running
    router.set(shadow(models, epoch=2))
    assert shim.status(daemon.folder).running
    router.set(
        Route("other/production", 1, (Backend("three", two.url, 100.0),), recording=Recording(assigns=True))
    )
    router.set(Route(TARGET, 3, plain.backends))
    assert shim.status(daemon.folder).running
    router.remove("other/production", 2)
    assert not shim.status(daemon.folder).running
    assert not daemon.wanted()
    assert post(router.address(TARGET)).ok


def test_a_route_that_copies_to_whom_users_go_is_refused(router, models):
    one, two = models
    half = (Backend("one", one.url, 50.0), Backend("two", two.url, 50.0))
    with pytest.raises(Refused, match="without traffic"):
        router.set(Route(TARGET, 1, half, recording=SHADOW, copied="two"))
    with pytest.raises(Refused, match="needs a version"):
        router.set(Route(TARGET, 1, half, recording=SHADOW))


# --- what an answer says ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "path", "said"),
    [
        (b'{"predictions": [1, 0]}', "predictions.0", "1"),
        (b'{"predictions": [1.0]}', "predictions.0", "1"),
        (b'{"predictions": ["1"]}', "predictions.0", "1"),
        (b'{"p": {"b": 0.30000000000000004, "a": true}}', "p", '{"a":true,"b":0.3}'),
        (b'{"predictions": []}', "predictions.0", None),
        (b'{"predictions": [null]}', "predictions.0", None),
        (b"leaves\n", "", "leaves"),
        (b"\xff\xfe", "", None),
        (b"[" * 100_000, "", "[" * 100_000),
        (b'"NaN"', "", "NaN"),
    ],
)
def test_an_answer_is_one_text_however_it_is_written(body, path, said):
    assert answers.answer(answers.at(answers.document(body), path)) == said


def test_a_compressed_answer_is_read_and_a_bomb_is_not():
    assert answers.plain(gzip.compress(b'{"a": 1}'), "gzip") == b'{"a": 1}'
    assert answers.plain(gzip.compress(b"0" * (8 << 20)), "gzip") is None
    assert answers.plain(b"not gzip", "gzip") is None
    assert answers.plain(b"br", "br") is None
    assert answers.score(json.loads('{"a": 1e400}')["a"]) is None


# --- requests that were recorded before ----------------------------------------------------------


def recorded(traefik, rows, name="april"):
    path = file_of(traefik.settings.home, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


APRIL = replace(SHADOW, requests="april", rate=200.0)


def test_recorded_requests_are_asked_of_both_versions_once_and_of_no_user(traefik, router, models, spool):
    rows = [{"path": "/predict", "body": {"n": n}} for n in range(20)]
    recorded(traefik, [*rows, {"id": "r-21", "path": "/get?b=2", "headers": {"X-Kind": "old"}}])
    router.set(shadow(models, APRIL))
    wait_until(lambda: len(notes(spool, Pair)) == 21)
    pairs = {pair.request: pair for pair in notes(spool, Pair)}
    assert set(pairs) == {*(f"recorded-{n}" for n in range(1, 21)), "r-21"}
    assert (pairs["r-21"].stable_said, pairs["r-21"].said) == ("one /get?b=2", "two /get?b=2")
    assert {(pair.stable_status, pair.status) for pair in pairs.values()} == {(200, 200)}
    assert [len(model.asked) for model in models] == [21, 21]
    assert [model.heard["X-Segue-Served-By"] for model in models] == [served_by("one"), served_by("two")]
    # A recorder that comes back goes on where the one before was, and asks nothing twice.
    os.kill(shim.status(RecorderDaemon.open(traefik.settings).folder).pid, signal.SIGKILL)
    recorded(traefik, [*rows, {"id": "r-21", "path": "/get"}, {"id": "r-22", "path": "/get"}])
    wait_until(lambda: len(notes(spool, Pair)) == 22)
    assert [len(model.asked) for model in models] == [22, 22]


def test_recorded_requests_come_no_faster_than_they_may_and_end_with_the_shadow(
    traefik, router, models, spool
):
    recorded(traefik, [{"path": "/predict", "body": n} for n in range(10_000)])
    began = time.monotonic()
    router.set(shadow(models, replace(APRIL, rate=40.0)))
    wait_until(lambda: len(notes(spool, Pair)) >= 10)
    assert len(notes(spool, Pair)) <= 40 * (time.monotonic() - began) + 1
    router.set(Route(TARGET, 2, (Backend("one", models[0].url, 100.0),), recording=Recording(assigns=True)))
    wait_until(
        lambda: "two" not in json.loads(RecorderDaemon.open(traefik.settings).files.orders.read_text())
    )

    def asks_no_more():
        asked = len(models[1].asked)
        time.sleep(LOOK_SECONDS)
        return len(models[1].asked) == asked

    wait_until(asks_no_more)
    assert len(models[1].asked) < 10_000
