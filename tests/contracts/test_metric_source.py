"""What every metric source must do: Traefik's counters under real requests, and those in memory."""

import math

import pytest
import requests

from service.adapters.memory.metrics import MemoryMetrics
from service.adapters.traefik.metrics import TraefikMetrics
from service.adapters.traefik.router import TraefikRouter
from service.ports.metrics import FAILED, REQUESTS, NoData, Sample
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Backend, Route
from tests.running import Model, Traefik


class InMemory:
    """The counters are set by hand."""

    def __init__(self):
        self.source = MemoryMetrics()

    def ask(self, good, bad=0, country=""):
        self.source.record("a", good + bad, bad, country=country)

    def stop(self):
        self.source.silent = "switched off"

    def restart(self):
        self.source.restart()


class ThroughTraefik:
    """The counters are those of real requests."""

    def __init__(self, traefik, model):
        self.traefik, self.model = traefik, model
        self.source = TraefikMetrics.open(traefik.settings)
        router = TraefikRouter.open(traefik.settings)
        router.set(Route("m/prod", 1, (Backend("a", model.url, 100.0),)))
        self.address = router.address("m/prod")

    def ask(self, good, bad=0, country=""):
        headers = {"X-Country": country} if country else {}
        for status, times in ((200, good), (500, bad)):
            self.model.status = status
            for _ in range(times):
                assert requests.get(self.address, timeout=5, headers=headers).status_code == status

    def stop(self):
        self.traefik.kill()

    def restart(self):
        self.traefik.kill()
        self.traefik.start()


@pytest.fixture(params=["memory", "traefik"])
def world(request, tmp_path):
    if request.param == "memory":
        yield InMemory()
        return
    traefik = Traefik(tmp_path / "home", segments=(("country", "X-Country"),)).start()
    try:
        with Model("a") as model:
            yield ThroughTraefik(traefik, model)
    finally:
        traefik.kill()


def counters(sample):
    assert isinstance(sample, Sample), sample
    return dict(sample.backends)["a"]


def test_requests_and_errors_are_counted_exactly(world):
    world.ask(good=7, bad=3)
    seen = counters(world.source.sample())
    assert (seen.requests, seen.errors) == (10, 3)
    world.ask(good=2, bad=1)
    seen = counters(world.source.sample())
    assert (seen.requests, seen.errors) == (13, 4)


def split(world):
    """Requests and failed ones by country."""
    found = {}
    for one in world.source.split(("country",)):
        labels = dict(one.labels)
        assert labels["version"] == "a"
        place = found.setdefault(labels["country"], {REQUESTS: 0.0, FAILED: 0.0})
        place[one.name] += one.points[-1][1]
    return {country: (counts[REQUESTS], counts[FAILED]) for country, counts in found.items()}


def test_requests_are_split_by_the_labels_that_they_are_counted_by(world):
    world.ask(good=7, bad=3, country="tr")
    world.ask(good=5, country="de")
    world.ask(good=1)
    assert split(world) == {"tr": (10, 3), "de": (5, 0), "": (1, 0)}
    world.ask(good=0, bad=2, country="de")
    assert split(world)["de"] == (7, 2)


@pytest.mark.parametrize("value", ['a"b', "a\\b", "ü", "a,b=c{d}", "x  y", "z" * 300])
def test_no_value_of_a_header_makes_the_counters_unreadable(world, value):
    world.ask(good=2, bad=1, country=value.encode().decode("latin-1"))
    assert (3, 1) in split(world).values()
    assert (counters(world.source.sample()).requests, counters(world.source.sample()).errors) == (3, 1)


def test_a_label_that_requests_are_not_counted_by_is_refused(world):
    world.ask(good=1, country="tr")
    with pytest.raises(Refused, match="tenant"):
        world.source.split(("tenant",))


def test_a_router_that_is_away_splits_nothing(world):
    world.ask(good=1, country="tr")
    world.stop()
    with pytest.raises(Retry):
        world.source.split(("country",))


def test_buckets_are_cumulative_and_end_with_all_requests_at_infinity(world):
    world.ask(good=5)
    buckets = counters(world.source.sample()).buckets
    bounds, counts = zip(*buckets, strict=True)
    assert list(bounds) == sorted(bounds)
    assert list(counts) == sorted(counts)
    assert buckets[-1] == (math.inf, 5)


def test_the_bounds_stay_the_same_from_one_sample_to_the_next(world):
    world.ask(good=1)
    first = counters(world.source.sample()).buckets
    world.ask(good=1, bad=1)
    assert [bound for bound, _ in counters(world.source.sample()).buckets] == [bound for bound, _ in first]


def test_time_goes_on_and_the_start_stays(world):
    first, second = world.source.sample(), world.source.sample()
    assert isinstance(first, Sample)
    assert isinstance(second, Sample)
    assert first.started == second.started <= first.at <= second.at


def test_a_restart_shows_as_a_later_start_and_counters_from_zero(world):
    world.ask(good=4)
    before = world.source.sample()
    world.restart()
    world.ask(good=1)
    after = world.source.sample()
    assert counters(after).requests == 1
    assert after.started > before.started


def test_a_source_that_does_not_answer_has_no_data_and_a_reason(world):
    world.ask(good=1)
    world.stop()
    answer = world.source.sample()
    assert isinstance(answer, NoData)
    assert answer.reason
