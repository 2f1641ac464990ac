"""Traefik as a real process: who gets the requests, what is counted, and what survives."""

import http.server
import json
import math
import os
import signal
import threading
from collections import Counter
from dataclasses import replace

import pytest
import requests

from policies.place import SERVED_BY, served_by
from service import plugins
from service.adapters.exposition import Strange
from service.adapters.traefik import metrics as traefik_metrics
from service.adapters.traefik.daemon import TraefikDaemon
from service.adapters.traefik.layout import LONGEST, Layout
from service.adapters.traefik.metrics import TraefikMetrics, parse
from service.adapters.traefik.router import TraefikRouter
from service.machine import shim
from service.ports.metrics import Counters, NoData, Sample
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Backend, Route
from service.preview import PREVIEW_HEADER
from tests.misbehaving import Misbehaving, drip
from tests.running import Model, Traefik, free_port, wait_until

TARGET = "fraud/production"


@pytest.fixture
def traefik(tmp_path):
    traefik = Traefik(tmp_path / "home").start()
    yield traefik
    traefik.kill()


@pytest.fixture
def router(traefik):
    return TraefikRouter.open(traefik.settings)


@pytest.fixture
def metrics(traefik):
    return TraefikMetrics.open(traefik.settings)


@pytest.fixture
def models():
    with Model("one") as one, Model("two") as two:
        yield one, two


def split(models, weight, epoch=1, sticky="none"):
    one, two = models
    backends = (Backend("one", one.url, 100.0 - weight), Backend("two", two.url, weight))
    return Route(TARGET, epoch, backends, sticky)


def ask(address, times, session=requests, **headers):
    """Who answered how often."""
    said = [session.get(f"{address}/predict", headers=headers, timeout=10) for _ in range(times)]
    return Counter(answer.text.split()[0] if answer.ok else answer.status_code for answer in said)


def seen(metrics, name):
    sample = metrics.sample()
    assert isinstance(sample, Sample), sample
    return dict(sample.backends)[name]


# --- who gets the requests --------------------------------------------------------------------


@pytest.mark.parametrize(("weight", "of_200"), [(0.0, 0), (0.5, 1), (25.0, 50), (100.0, 200)])
def test_requests_are_split_as_the_weights_say(router, models, weight, of_200):
    router.set(split(models, weight))
    count = ask(router.address(TARGET), 200)
    assert count.total() == 200
    assert abs(count["two"] - of_200) <= 1


def test_a_backend_sees_paths_and_queries_without_the_targets_prefix(router, models):
    router.set(split(models, 0.0))
    address = router.address(TARGET)
    assert requests.get(f"{address}/v1/predict?x=1", timeout=5).text == "one /v1/predict?x=1"
    assert requests.get(address, timeout=5).text == "one /"


def test_an_address_that_only_begins_alike_is_not_the_target(router, models):
    router.set(split(models, 0.0))
    assert requests.get(f"{router.address(TARGET)}-eu/predict", timeout=5).status_code == 404


def test_the_header_reaches_each_version_whatever_its_weight(router, models):
    router.set(split(models, 0.0))
    for name in ("one", "two"):
        assert ask(router.address(TARGET), 3, **{PREVIEW_HEADER: name}) == {name: 3}


def test_a_preview_of_an_unknown_version_is_not_answered_by_another(router, models):
    router.set(split(models, 0.0))
    assert ask(router.address(TARGET), 2, **{PREVIEW_HEADER: "three"}) == {503: 2}


def test_each_answer_and_each_request_says_which_version_it_is(router, models):
    router.set(split(models, 50.0))
    for _ in range(4):
        answer = requests.get(f"{router.address(TARGET)}/headers", timeout=5)
        who = answer.text.split()[0]
        assert answer.headers[SERVED_BY] == served_by(who)
    told = requests.get(f"{router.address(TARGET)}/headers", headers={SERVED_BY: "made up"}, timeout=5)
    assert told.headers[SERVED_BY] in {served_by("one"), served_by("two")}
    heard = [model.heard[SERVED_BY] for model in models]
    assert heard == [served_by("one"), served_by("two")]


def test_a_version_named_like_a_part_of_ours_is_a_version(router, models):
    backends = (Backend("missing", models[0].url, 100.0), Backend("nobody", models[1].url, 0.0))
    router.set(Route(TARGET, 1, backends))
    assert ask(router.address(TARGET), 2, **{PREVIEW_HEADER: "nobody"}) == {"two": 2}
    assert ask(router.address(TARGET), 2, **{PREVIEW_HEADER: "other"}) == {503: 2}


def test_a_client_with_a_cookie_stays_with_its_version_until_that_has_no_weight(router, models):
    router.set(split(models, 50.0, sticky="cookie"))
    address = router.address(TARGET)
    sessions = [requests.Session() for _ in range(8)]
    firsts = [next(iter(ask(address, 5, session).elements())) for session in sessions]
    assert set(firsts) == {"one", "two"}
    for session, first in zip(sessions, firsts, strict=True):
        assert ask(address, 5, session) == {first: 5}
    router.set(split(models, 0.0, sticky="cookie"))
    for session in sessions:
        assert ask(address, 2, session) == {"one": 2}
        session.close()


def test_a_removed_target_is_answered_by_nobody(router, models):
    router.set(split(models, 50.0))
    router.remove(TARGET, 1)
    assert ask(router.address(TARGET), 2) == {404: 2}


def test_no_request_is_lost_while_the_weights_change(router, models):
    router.set(split(models, 0.0))
    address, answers, done = router.address(TARGET), [], threading.Event()

    def load():
        with requests.Session() as session:
            while not done.is_set():
                answers.append(session.post(f"{address}/predict", data=b"{}", timeout=10).status_code)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 13):
        router.set(split(models, 100.0 * (number % 2), epoch=number))
    done.set()
    for thread in threads:
        thread.join()
    assert len(answers) > 100
    assert set(answers) == {200}


# --- what is counted --------------------------------------------------------------------------


def test_a_version_that_nobody_asked_yet_counts_zero(router, models, metrics):
    router.set(split(models, 0.0))
    assert seen(metrics, "two").requests == 0
    assert seen(metrics, "two").buckets[-1] == (math.inf, 0.0)


def test_previews_are_not_counted_for_the_version(router, models, metrics):
    router.set(split(models, 50.0))
    ask(router.address(TARGET), 10)
    ask(router.address(TARGET), 25, **{PREVIEW_HEADER: "two"})
    models[1].status = 500
    ask(router.address(TARGET), 5, **{PREVIEW_HEADER: "two"})
    assert (seen(metrics, "two").requests, seen(metrics, "two").errors) == (5, 0)


def test_answers_of_5xx_and_a_backend_that_is_gone_are_errors_and_4xx_are_not(router, models, metrics):
    gone = Backend("gone", f"http://127.0.0.1:{free_port()}", 50.0)
    router.set(Route(TARGET, 1, (Backend("one", models[0].url, 50.0), gone)))
    models[0].status = 404
    assert ask(router.address(TARGET), 10) == {404: 5, 502: 5}
    models[0].status = 503
    assert ask(router.address(TARGET), 4) == {503: 2, 502: 2}
    assert (seen(metrics, "one").requests, seen(metrics, "one").errors) == (7, 2)
    assert (seen(metrics, "gone").requests, seen(metrics, "gone").errors) == (7, 7)


def test_a_request_whose_caller_left_before_the_answer_is_an_error(router, models, metrics):
    router.set(split(models, 100.0))
    models[1].hold = threading.Event()
    with pytest.raises(requests.Timeout):
        requests.get(router.address(TARGET), timeout=0.2)
    try:  # the router must see that the caller left before the model answers
        wait_until(lambda: seen(metrics, "two").requests == 1)
    finally:
        models[1].hold.set()
    assert seen(metrics, "two").errors == 1


def test_counters_outlive_weight_changes_and_a_weight_of_zero(router, models, metrics):
    router.set(split(models, 50.0))
    ask(router.address(TARGET), 20)
    for weight in (0.0, 100.0, 50.0):
        router.set(split(models, weight))
        assert seen(metrics, "two").requests == 10
        assert seen(metrics, "two").requests == 10


def test_a_killed_router_is_no_data_and_then_serves_what_it_served(router, models, metrics, traefik):
    router.set(split(models, 50.0))
    ask(router.address(TARGET), 4)
    traefik.kill()
    assert isinstance(metrics.sample(), NoData)
    with pytest.raises(Retry):
        router.get(TARGET)
    with pytest.raises(Retry):
        router.set(split(models, 25.0, epoch=2))
    traefik.start()
    assert router.get(TARGET) == split(models, 25.0, epoch=2)
    assert ask(router.address(TARGET), 4) == {"one": 3, "two": 1}
    assert seen(metrics, "one").requests == 3


def test_under_the_shim_a_killed_router_comes_back_and_serves_what_it_served(router, models, traefik):
    traefik.kill()
    folder = traefik.settings.home / "daemons" / "traefik"
    try:
        shim.keep(folder, traefik.daemon.order())
        wait_until(traefik.daemon.ready)
        router.set(split(models, 50.0))
        os.kill(shim.status(folder).pid, signal.SIGKILL)
        wait_until(lambda: shim.status(folder).restarts == 1 and traefik.daemon.ready())
        assert ask(router.address(TARGET), 4) == {"one": 2, "two": 2}
    finally:
        shim.stop(folder)


def test_a_router_that_listens_elsewhere_than_the_settings_say_is_not_ready(traefik):
    assert traefik.daemon.ready()
    assert not TraefikDaemon.open(replace(traefik.settings, router_port=free_port())).ready()


def test_a_strange_file_in_the_watched_folder_stops_writes_and_they_go_on_without_it(router, models, traefik):
    """It stops all of Traefik's reloads; that is told, and what was served is served on."""
    router.set(split(models, 0.0))
    strange = Layout(traefik.settings.home / "traefik").dynamic.with_name("strange.yml")
    strange.write_text("http: [")
    with pytest.raises(Retry, match="serves otherwise"):
        router.set(split(models, 100.0))
    assert ask(router.address(TARGET), 3) == {"one": 3}
    strange.unlink()
    router.set(split(models, 100.0))
    assert ask(router.address(TARGET), 3) == {"two": 3}


# --- what is refused --------------------------------------------------------------------------


def test_a_state_file_that_cannot_be_read_is_never_taken_for_an_empty_one(router, models, metrics, traefik):
    router.set(split(models, 50.0))
    Layout(traefik.settings.home / "traefik").state.write_text('{"schema": 99, "targets": {}}')
    with pytest.raises(Refused, match="schema 99"):
        router.set(split(models, 100.0))
    assert isinstance(metrics.sample(), NoData)
    assert ask(router.address(TARGET), 4) == {"one": 2, "two": 2}


def test_nobody_else_on_the_machine_may_read_the_routers_files(router, models, traefik):
    router.set(split(models, 50.0))
    assert (traefik.settings.home / "traefik").stat().st_mode & 0o077 == 0


def test_the_order_of_a_running_router_is_the_same_again(traefik):
    address = Layout(traefik.settings.home / "traefik").address
    before = address.read_text()
    assert traefik.daemon.order() == traefik.daemon.order()
    assert address.read_text() == before


def test_the_daemons_are_found_by_name():
    assert plugins.names("daemons") == ("recorder", "traefik", "valkey")
    assert plugins.load("daemons", "traefik").open is not None


# --- strange answers --------------------------------------------------------------------------

START = "process_start_time_seconds 1.5e+09\n"


def line(count, code="200", service="version.a@file"):
    return f'traefik_service_requests_total{{code="{code}",method="GET",protocol="http",service="{service}"}} {count}\n'


def bucket(count, bound="+Inf", service="version.a@file"):
    labels = f'code="200",method="GET",protocol="http",service="{service}",le="{bound}"'
    return f"traefik_service_request_duration_seconds_bucket{{{labels}}} {count}\n"


def test_codes_are_added_up_and_errors_are_5xx_and_lost_requests():
    codes = {"200": 10, "404": 5, "499": 2, "500": 3, "0": 1}
    text = START + "".join(line(count, code) for code, count in codes.items()) + bucket(21)
    assert parse(text, 7.0) == Sample(7.0, 1.5e9, (("a", Counters(21, 6, ((math.inf, 21.0),))),))


def test_services_that_are_no_versions_are_not_read():
    others = ("preview.a@file", "target.m.prod@file", "nobody@file", "version.a@docker", "api@internal")
    text = START + "".join(line(1, service=name) + bucket(1, service=name) for name in others)
    assert parse(text, 7.0).backends == ()


STRANGE = {
    "empty": "",
    "no start time": line(1) + bucket(1),
    "a start time of zero": "process_start_time_seconds 0\n" + line(1) + bucket(1),
    "a start time that is no number": "process_start_time_seconds soon\n",
    "not a number": START + line("NaN") + bucket(1),
    "endless": START + line("+Inf") + bucket(1),
    "negative": START + line(-1) + bucket(1),
    "not a number in a bucket": START + line(1) + bucket("NaN"),
    "a bucket without a bound": START + line(1) + bucket(1).replace(',le="+Inf"', ""),
    "a bucket whose bound is no number": START + line(1) + bucket(1, "NaN"),
    "buckets without infinity": START + line(1) + bucket(1, "0.1"),
    "buckets that fall": START + line(2) + bucket(2, "0.1") + bucket(1),
    "requests without durations": START + line(1),
    "a line that ends early": START + bucket(1) + line(1).rstrip(),
    "a line without a value": START + 'traefik_service_requests_total{service="version.a@file"}\n',
    "a label without an end": START + line(1).replace('service="', "service="),
    "a series twice": START + line(1) + line(1) + bucket(2),
    "words": "<html>not found</html>\n",
}


@pytest.mark.parametrize("why", STRANGE)
def test_a_strange_text_gives_no_sample(why):
    with pytest.raises(Strange):
        parse(STRANGE[why], 7.0)


class Impostor(http.server.BaseHTTPRequestHandler):
    """Answers /metrics in a wrong way."""

    def do_GET(self):
        self.server.answer(self)

    def log_message(self, *arguments):
        pass


def _head(handler, status=200, length=None):
    handler.send_response(status)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()


def _not_found(handler):
    _head(handler, 404, 0)


def _ends_early(handler):
    _head(handler, length=1000)
    handler.wfile.write(START.encode())


def _has_no_length(handler):
    _head(handler)
    handler.wfile.write(START.encode())


def _not_text(handler):
    _head(handler, length=2)
    handler.wfile.write(b"\xff\n")


def _is_huge(handler):
    """All of it would be a sample."""
    comment = b"#" * ((1 << 20) - 1) + b"\n"
    _head(handler, length=len(START) + 17 * len(comment))
    try:
        handler.wfile.write(START.encode() + comment)
        for _ in range(16):
            handler.wfile.write(comment)
    except ConnectionError:
        pass


def _is_silent(handler):
    handler.server.ended.wait(10)


def _is_not_http(handler):
    handler.wfile.write(b"hello\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [_not_found, _ends_early, _has_no_length, _not_text, _is_huge, _is_silent, _is_not_http],
)
def test_a_strange_answer_is_no_data_with_a_reason(tmp_path, answer):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    server.answer, server.ended = answer, threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    layout = Layout(tmp_path)
    layout.address.write_text(f"127.0.0.1:{server.server_port}\n")
    got = TraefikMetrics(layout).sample()
    server.ended.set()
    server.shutdown()
    thread.join()
    server.server_close()
    assert isinstance(got, NoData)
    assert "router" in got.reason


def test_a_page_of_thousands_of_versions_is_read(tmp_path):
    line = 'traefik_service_requests_total{code="200",method="POST",service="version.wine-%05d@file"} 7\n'
    lines = [line % number for number in range(2_000)]
    bounds = '{code="200",method="POST",service="version.wine-%05d@file",le="+Inf"} 7\n'
    lines += [f"traefik_service_request_duration_seconds_bucket{bounds % number}" for number in range(2_000)]
    others = 'traefik_router_requests_total{code="200",method="POST",router="target.wine@file"} 7\n' * 50_000
    page = ("process_start_time_seconds 1\n" + "".join(lines)).encode()

    def answers(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(page) + 4 * len(others)))
        handler.end_headers()
        for part in (page, *[others.encode()] * 4):
            handler.wfile.write(part)

    with Misbehaving() as server:
        server.does(answers)
        layout = Layout(tmp_path)
        layout.address.write_text(server.url.removeprefix("http://"))
        assert len(page) + 4 * len(others) > LONGEST
        got = TraefikMetrics(layout).sample()
    assert isinstance(got, Sample), got
    assert len(got.backends) == 2_000
    assert {counters.requests for _, counters in got.backends} == {7.0}


def test_a_router_that_trickles_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(traefik_metrics, "SECONDS", 0.4)
    with Misbehaving() as server:
        server.does(drip)
        layout = Layout(tmp_path)
        layout.address.write_text(server.url.removeprefix("http://"))
        assert isinstance(TraefikMetrics(layout).sample(), NoData)


def test_a_home_whose_router_was_never_started_is_no_data(tmp_path):
    assert isinstance(TraefikMetrics(Layout(tmp_path)).sample(), NoData)


def test_what_traefik_reads_is_one_whole_file_alone_in_its_folder(router, models, traefik):
    router.set(split(models, 50.0))
    dynamic = Layout(traefik.settings.home / "traefik").dynamic
    assert [path.name for path in dynamic.parent.iterdir()] == ["segue.yml"]
    weighted = json.loads(dynamic.read_text())["http"]["services"]["target.fraud.production"]["weighted"]
    assert [part["weight"] for part in weighted["services"]] == [500_000, 500_000]
