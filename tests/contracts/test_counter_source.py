"""What every source of counters must do: a real Prometheus, pages and files that programs write, and memory."""

import csv
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import requests

from policies.guards import readings
from policies.guards.increment import Increment
from policies.spec import selector
from policies.spec.declaration import Environment, Guard, GuardKind
from service.adapters.counters.asking import Asking
from service.adapters.counters.exported import JsonCounters, ScrapedCounters
from service.adapters.counters.prometheus import PrometheusCounters
from service.adapters.counters.table import TableCounters
from service.adapters.memory.counters import PRESENT_SECONDS, MemoryCounters
from service.adapters.mlflow.counters import MlflowCounters
from service.ports.connections import Source
from service.ports.outcomes import PortError, Refused, Retry
from service.rehearsing import histories, replays
from service.settings import Settings
from tests import exposed
from tests.misbehaving import Misbehaving, answer, drip, half, hang, reset
from tests.registering import Publisher, new_name
from tests.running import free_port, wait_until

LOST, ASKED = "lost_total", "asked_total"
CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs: [{{job_name: model, static_configs: [{{targets: ["{target}"]}}]}}]
"""


class Counts:
    """What a program has counted, by name and labels."""

    def __init__(self):
        self.values = {}
        self.gauges = set()

    def add(self, name, more, **labels):
        key = (name, tuple(sorted(labels.items())))
        self.values[key] = self.values.get(key, 0) + more

    def text(self):
        types = [f"# TYPE {name} {'gauge' if name in self.gauges else 'counter'}" for name, _ in self.values]
        lines = [
            f"{name}{{{','.join(f'{a}={json.dumps(b)}' for a, b in labels)}}} {value}"
            for (name, labels), value in self.values.items()
        ]
        return "\n".join(["process_start_time_seconds 1.5e+09", *dict.fromkeys(types), *lines]) + "\n"


class Memory:
    """The counters are set by hand."""

    def __init__(self, folder):
        del folder
        self.counts, self.source = Counts(), MemoryCounters()

    def told(self):
        for (name, labels), value in self.counts.values.items():
            known = self.source._counts.get((name, labels), [(0, 0)])[-1][1]
            self.source.count(name, value - known, None, **dict(labels))

    def away(self):
        self.source.fails = Retry("away")

    def close(self):
        """Nothing runs."""


class Scraped:
    """A program's own page."""

    make, kind = ScrapedCounters, "text"

    def __init__(self, folder):
        del folder
        self.counts, self.program = Counts(), Misbehaving()
        self.program.__enter__()
        self.source = self.make(Asking(f"{self.program.url}/metrics", "model"))
        self.told()

    def told(self):
        self.program.does(answer(self.counts.text()))

    def away(self):
        self.program.does(reset)

    def close(self):
        self.program.__exit__()


class Document(Scraped):
    """A JSON document."""

    make = JsonCounters

    def told(self):
        rows = [
            {"name": name, "labels": dict(labels), "value": value}
            for (name, labels), value in self.counts.values.items()
        ]
        self.program.does(answer({"counters": rows}))


class Table:
    """A file that a job writes."""

    def __init__(self, folder):
        self.counts, self.path = Counts(), folder / "counters.csv"
        self.source = TableCounters.open(Settings(folder), Source("job", "csv", str(self.path)))
        self.path.write_text("at,name,value,version,country\n")

    def told(self):
        with self.path.open("a") as file:
            rows = csv.writer(file)
            for (name, labels), value in self.counts.values.items():
                said = dict(labels)
                rows.writerow([time.time(), name, value, said.get("version", ""), said.get("country", "")])

    def away(self):
        self.path.unlink()

    def close(self):
        """Nothing runs."""


class Prometheus(Scraped):
    """A real one that scrapes a program each second."""

    features = ()

    def __init__(self, folder):
        program = shutil.which("prometheus")
        if program is None:
            pytest.skip("prometheus is not installed; install it with: apt install prometheus")
        super().__init__(folder)
        port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(target=self.program.url.removeprefix("http://")))
        words = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", *self.features]
        self.process = subprocess.Popen(
            [program, *words, f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"http://127.0.0.1:{port}"
        self.source = PrometheusCounters(Asking(self.url, "prom"))
        wait_until(self._ready, 60)

    def _ready(self):
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def told(self):
        super().told()
        if not hasattr(self, "process"):
            return
        wanted = {key[0]: value for key, value in self.counts.values.items()}
        wait_until(lambda: all(self._newest(*pair) for pair in wanted.items()), 60)

    def _newest(self, name, value):
        found = (
            self.source.read((selector.read(name),), time.time()) if name not in self.counts.gauges else ()
        )
        return name in self.counts.gauges or any(one.points[-1][1] == value for one in found)

    def away(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.away()
        super().close()


class WithNatives(Prometheus):
    """It scrapes native histograms, which programs tell in protocol buffers alone."""

    features = ("--enable-feature=native-histograms",)

    def tells(self, schema, counts):
        """From now on: durations in exponential buckets of that schema, by version and bucket's index."""
        page = exposed.family("took_seconds", schema, counts)
        self.program.does(answer(page, Content_Type=exposed.CONTENT))


KINDS = {"memory": Memory, "metrics": Scraped, "json": Document, "csv": Table, "prometheus": Prometheus}


@pytest.fixture(params=KINDS)
def world(request, tmp_path):
    made = KINDS[request.param](tmp_path)
    yield made
    made.close()


def read(world, *texts):
    return world.source.read(tuple(selector.read(text) for text in texts), time.time())


def newest(series):
    return {
        (one.name, dict(one.labels).get("version"), dict(one.labels).get("country")): one.points[-1][1]
        for one in series
    }


def test_each_series_is_told_with_its_labels_and_its_count(world):
    world.counts.add(LOST, 3, version="a", country="tr")
    world.counts.add(ASKED, 50, version="a", country="tr")
    world.counts.add(ASKED, 40, version="b", country="de")
    world.told()
    assert newest(read(world, LOST, ASKED)) == {
        (LOST, "a", "tr"): 3, (ASKED, "a", "tr"): 50, (ASKED, "b", "de"): 40,
    }  # fmt: skip
    assert newest(read(world, 'asked_total{country!="de"}')) == {(ASKED, "a", "tr"): 50}
    assert newest(read(world, 'asked_total{version=~"b|c"}')) == {(ASKED, "b", "de"): 40}


def test_what_is_counted_later_is_gained(world):
    world.counts.add(LOST, 3, version="a")
    world.told()
    first = read(world, LOST)
    before = readings.cut(first, time.time())
    world.counts.add(LOST, 4, version="a")
    world.told()
    later = read(world, LOST)
    after = readings.cut(later, time.time())
    found = readings.gained(before, later, after)
    assert not isinstance(found, str), found
    assert [count for _, count in found.counts] == [4]


def test_a_name_that_nobody_counts_is_an_empty_answer(world):
    world.counts.add(LOST, 3, version="a")
    world.told()
    assert read(world, "other_total") == ()


def test_a_source_that_is_away_is_tried_again(world):
    world.counts.add(LOST, 3, version="a")
    world.told()
    world.away()
    with pytest.raises(Retry):
        read(world, LOST)


# --- answers that are none -------------------------------------------------------------------


def asked(make, path=""):
    def opened(url):
        return make(Asking(f"{url}{path}", "odd"))

    return opened


HTTP = {
    "prometheus": asked(PrometheusCounters),
    "metrics": asked(ScrapedCounters),
    "json": asked(JsonCounters),
}
ODD = {
    "silence": (hang, Retry),
    "a trickle": (drip, Retry),
    "half an answer": (half, Retry),
    "nothing": (reset, Retry),
    "a page": (answer("<html>hello</html>"), Retry),
    "another document": (answer({"error": "no"}), Retry),
    "a server that is busy": (answer("no", 503), Retry),
    "a wrong login": (answer("no", 401), Refused),
    "a redirect": (answer("", 302, Location="http://169.254.169.254/latest"), Refused),
}


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("what", ODD)
def test_an_odd_answer_is_a_reason_and_never_a_count(kind, what):
    step, error = ODD[what]
    with Misbehaving() as server:
        server.does(step)
        with pytest.raises(error):
            HTTP[kind](server.url).read((selector.read(LOST),), time.time())
        assert not any("169.254" in path for _, path, _, _ in server.asked)


@pytest.mark.parametrize(
    "row",
    [
        7,
        {"values": [[1, "3"]]},
        {"metric": {"version": "a"}},
        {"metric": {}, "values": [[1]]},
        {"metric": {}, "values": [["noon", "3"]]},
        {"metric": {}, "values": [[1, "many"]]},
        {"metric": {}, "histograms": [[1, ["0.5", "3"]]]},
        {"metric": {}, "histograms": [[1, {"buckets": [[0, "1", "2", "x"]]}]]},
    ],
)
def test_an_answer_of_a_prometheus_that_is_malformed_is_a_reason(row):
    native = isinstance(row, dict) and "histograms" in row
    with Misbehaving() as server:
        source = PrometheusCounters(Asking(server.url, "odd"))
        empty, odd = ({"data": {"resultType": "matrix", "result": found}} for found in ([], [row]))
        server.does(*[answer({"data": {}})] * 2, *([answer(empty)] if native else []), answer(odd))
        with pytest.raises(PortError):
            source.read((selector.read("took_seconds_bucket"),), time.time())
        server.does(answer({"data": {"resultType": "vector", "result": [row]}}))
        with pytest.raises(PortError):
            source.values(selector.read("left"), time.time())


@pytest.mark.parametrize(
    "body",
    [
        {"counters": [{"name": "lost_total", "value": "3"}]},
        {"counters": [{"name": "lost_total", "value": True}]},
        {"counters": [{"value": 3}]},
        {"counters": {}},
        {"at": "noon", "counters": [{"name": "lost_total", "value": 3}]},
    ],
)
def test_a_document_is_taken_whole_or_not_at_all(body):
    with Misbehaving() as server:
        server.does(answer(body))
        if body == {"counters": {}}:
            assert JsonCounters(Asking(server.url, "odd")).read((selector.read(LOST),), 0) == ()
            return
        with pytest.raises(Retry):
            JsonCounters(Asking(server.url, "odd")).read((selector.read(LOST),), 0)


def test_a_login_goes_to_the_source_alone_and_into_no_message(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "login-prom").write_text("ann:hush\n")
    with Misbehaving() as server:
        server.does(answer("denied", 403))
        source = PrometheusCounters.open(Settings(tmp_path), Source("prom", "prometheus", server.url))
        with pytest.raises(Refused) as told:
            source.check()
        assert server.asked[0][2]["Authorization"].startswith("Basic ")
    assert "hush" not in str(told.value)
    assert "login-prom" in str(told.value)


@pytest.mark.parametrize("url", ["ftp://a/b", "metrics", "http://", "http://ann:hush@host/"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(Refused) as told:
        Asking(url, "odd")
    assert url == "http://" or "hush" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "error"), [("at,name\n1,a\n", Refused), ("at,name,value\nnoon,lost_total,3\n", Retry),
                        ("at,name,value\n1,lost_total,many\n", Retry), ("at,name,value\n1,lost_total,3,9,9\n", Retry)],
)  # fmt: skip
def test_a_file_is_taken_whole_or_not_at_all(tmp_path, text, error):
    (tmp_path / "a.csv").write_text(text)
    source = TableCounters.open(Settings(tmp_path), Source("job", "csv", str(tmp_path / "a.csv")))
    with pytest.raises(error):
        source.read((selector.read(LOST),), time.time())


def test_a_file_of_elsewhere_is_refused(tmp_path):
    with pytest.raises(PortError):
        TableCounters.open(Settings(tmp_path), Source("job", "csv", "http://host/a.csv"))


# --- metrics of a real MLflow server ---------------------------------------------------------


def test_what_a_running_monitoring_run_logs_is_counted(mlflow_server):
    name = new_name("monitor")
    publisher = Publisher(mlflow_server.url)
    experiment = publisher.post("experiments/create", name=name)["experiment_id"]
    tags = [{"key": "version", "value": "churn-1"}, {"key": "mlflow.source.name", "value": "job.py"}]
    run = publisher.post("runs/create", experiment_id=experiment, run_name="watch", tags=tags)["run"]["info"]

    def log(key, value):
        at = int(time.time() * 1000)
        publisher.post("runs/log-metric", run_id=run["run_id"], key=key, value=value, timestamp=at)

    log(LOST, 3)
    log(ASKED, 50)
    source = MlflowCounters.open(Settings(Path("/nowhere")), Source("mlflow", "mlflow", mlflow_server.url))
    source.check()
    wanted = tuple(selector.read(f'{one}{{experiment="{name}"}}') for one in (LOST, ASKED))
    found = {one.name: one for one in source.read(wanted, time.time())}
    assert {key: one.points[-1][1] for key, one in found.items()} == {LOST: 3, ASKED: 50}
    labels = dict(found[LOST].labels)
    assert labels == {"experiment": name, "run": "watch", "version": "churn-1", "instance": run["run_id"]}
    assert abs(found[LOST].points[-1][0] - time.time()) < 600
    log(LOST, 7)
    assert {one.points[-1][1] for one in source.read(wanted[:1], time.time())} == {7}
    publisher.post("runs/update", run_id=run["run_id"], status="FINISHED")
    assert source.read(wanted, time.time()) == ()  # what ended tells nothing of now
    with pytest.raises(Refused, match="no experiment"):
        source.read((selector.read('a_total{experiment="other"}'),), time.time())
    with pytest.raises(Refused, match="names no experiment"):
        source.read((selector.read("a_total"),), time.time())


# --- what only a real Prometheus knows -------------------------------------------------------


@pytest.fixture
def prometheus(tmp_path):
    made = Prometheus(tmp_path)
    yield made
    made.close()


def test_a_gauge_is_refused_by_its_type(prometheus):
    prometheus.counts.gauges.add("temperature")
    prometheus.counts.add("temperature", 3)
    prometheus.counts.add(LOST, 3)
    prometheus.told()
    wait_until(
        lambda: requests.get(
            f"{prometheus.url}/api/v1/metadata", params={"metric": "temperature"}, timeout=5
        ).json()["data"]
    )
    with pytest.raises(Refused, match="gauge"):
        read(prometheus, "temperature")


def test_raw_samples_come_with_their_own_times_and_are_not_computed(prometheus):
    prometheus.counts.add(LOST, 3, version="a")
    prometheus.told()
    wait_until(lambda: len(read(prometheus, LOST)[0].points) >= 4, 60)
    (found,) = read(prometheus, LOST)
    times = [at for at, _ in found.points]
    assert times == sorted(set(times))
    assert {value for _, value in found.points} == {3}
    assert {"instance", "job"} <= dict(found.labels).keys()


def test_a_program_that_began_anew_between_two_scrapes_is_a_reason(prometheus):
    prometheus.counts.add(LOST, 30, version="a")
    prometheus.told()
    before = readings.cut(read(prometheus, LOST), time.time())
    prometheus.counts.values.clear()
    prometheus.counts.add(LOST, 2, version="a")
    prometheus.told()
    series = read(prometheus, LOST)
    found = readings.gained(before, series, readings.cut(series, time.time()))
    assert "went back" in found


def test_its_history_can_be_judged_again(prometheus):
    """Some seconds of two versions, of which one loses a third; the intervals are those that were scraped."""
    began = float(int(time.time()) + 1)
    for _ in range(12):
        for version, lost in (("a", 10), ("b", 0)):
            prometheus.counts.add(ASKED, 30, version=version, country="tr")
            prometheus.counts.add(LOST, lost, version=version, country="tr")
        prometheus.told()
    versions = readings.Versions("version", frozenset("a"), frozenset("b"))
    lost, every = selector.read(LOST), selector.read(ASKED)
    wanted = histories.Wanted(lost, every, None, versions, began, float(int(time.time())), 1.0)
    split = Environment(guards=(Guard("errors", GuardKind.ERRORS, segments=("country",)),))
    found = histories.recorded(prometheus.source, wanted, split)
    seen = [what for what, _ in found.seen if isinstance(what, Increment)]
    assert (
        sum(what.candidate.requests for what in seen) == 3 * sum(what.candidate.errors for what in seen) > 0
    )
    assert sum(what.stable.errors for what in seen) == 0
    told = replays.outcome(split, found)
    assert set(told["harm"]["guards"]) & {"errors", "errors in country=tr"}


@pytest.fixture
def natives(tmp_path):
    made = WithNatives(tmp_path)
    yield made
    made.close()


def told_by(natives, count):
    """The series of the histogram, once its newest sample counts so many of version `a`."""
    found = []

    def there():
        found[:] = read(natives, "took_seconds_bucket")
        ends = [s for s in found if dict(s.labels)["le"] == "+Inf" and dict(s.labels)["version"] == "a"]
        return ends and ends[0].points[-1][1] == count

    wait_until(there, 60)
    return tuple(found)


def test_a_native_histogram_is_read_as_its_buckets_and_a_coarser_one_is_a_reason_once(natives):
    """Indexes of schema 1 end at 2^(index/2) seconds: -6 at 0.125, -2 at 0.5."""
    versions = readings.Versions("version", frozenset("a"), frozenset("b"))
    natives.tells(1, {"a": {-6: 3, -2: 1}, "b": {-6: 40}})
    began = told_by(natives, 4)
    first = readings.cut(began, time.time())
    natives.tells(1, {"a": {-6: 5, -2: 9}, "b": {-6: 90}})
    series = told_by(natives, 14)
    second = readings.cut(series, time.time())
    bounds, (row,) = readings.buckets(readings.gained(first, series, second), versions)
    assert dict(zip(bounds, row.candidate.buckets, strict=False)) == pytest.approx(
        dict.fromkeys(bounds, 0.0) | {0.125: 2, 0.5: 8}
    )
    assert (row.candidate.requests, row.stable.requests) == (10, 50)
    natives.tells(0, {"a": {-3: 6, -1: 9}, "b": {-3: 99}})  # half as fine
    series = told_by(natives, 15)
    third = readings.cut(series, time.time())
    assert "gone" in readings.gained(second, series, third)
    natives.tells(0, {"a": {-3: 7, -1: 9}, "b": {-3: 99}})
    series = told_by(natives, 16)
    _, (row,) = readings.buckets(readings.gained(third, series, readings.cut(series, time.time())), versions)
    assert (row.candidate.requests, row.stable.requests) == (1, 0)
    with pytest.raises(Refused, match="write `query: took_seconds_bucket`"):
        read(natives, "took_seconds")
    natives.tells(0, {"a": {-3: 7, -1: 9, 8: 99}, "b": {-3: 99, 8: 99}})  # of milliseconds, 128 to 256
    wait_until(lambda: "longer than 64 s" in refusal(natives), 60)


def refusal(natives):
    try:
        return str(read(natives, "took_seconds_bucket"))
    except Refused as reason:
        return str(reason)


def test_its_history_is_a_sample_each_step(prometheus):
    prometheus.counts.add(LOST, 3, version="a")
    prometheus.told()
    now = time.time()
    (found,) = prometheus.source.history((selector.read(LOST),), now - 5, now, 1)
    assert found.points[-1][1] == 3
    assert len(found.points) <= 6


def values(world, text):
    return sorted(world.source.values(selector.read(text), time.time()))


def test_what_gauges_say_now_is_told_of_each_series(prometheus):
    prometheus.counts.gauges.add("left")
    prometheus.counts.add("left", 0.25, model="wine")
    prometheus.counts.add("left", -1, model="fraud")
    prometheus.told()
    wait_until(lambda: len(values(prometheus, "left")) == 2, 60)
    assert values(prometheus, "left") == [-1, 0.25]
    assert values(prometheus, 'left{model="wine"}') == [0.25]
    assert values(prometheus, 'left{model="gone"}') == []
    prometheus.away()
    with pytest.raises(Retry):
        values(prometheus, "left")


def test_gauges_of_memory_say_what_they_were_set_to_and_are_too_old_one_day():
    now = [1_000.0]
    source = MemoryCounters(lambda: now[0])
    source.set("left", 0.5, model="wine")
    source.set("left", 0.25, model="wine")
    assert source.values(selector.read("left"), now[0]) == (0.25,)
    assert source.values(selector.read("left"), now[0] + PRESENT_SECONDS) == ()
