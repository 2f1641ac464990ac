"""Counters of a metric source, and the router's by a label, in a whole rollout: harm, holding, and reasons."""

import json
from dataclasses import replace

import pytest

from policies.evidence import Verdict
from policies.place import served_by
from policies.release import Phase
from service.adapters.memory.counters import MemoryCounters
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from tests.scenarios.conftest import WINE

QUERY = "guards: {empty: {query: empty_total, of: asked_total, worse_by: 0%}}\n"
COUNTRIES = {"de": 0.6, "us": 0.3, "tr": 0.1}


@pytest.fixture
def counters(world):
    """A connected source whose counters follow the traffic: `bad` is the share of empty answers by backend."""
    source = MemoryCounters(world.clock)
    source.bad, source.names = {}, str
    with world.store.change() as change:
        change.save_source(Source("prom", "prometheus", "memory"))
    world.parts.open_counters = lambda _: source
    plain = world._traffic

    def traffic():
        plain()
        for backend, weight in world.weights().items():
            asked = round(world.load[0] * weight / 100)
            source.count("asked_total", asked, version=source.names(backend))
            source.count(
                "empty_total", round(asked * source.bad.get(backend, 0.01)), version=source.names(backend)
            )

    world._traffic = traffic
    return source


def finding(world, name, guard="empty"):
    if world.release(name).evidence is None:  # a weight that has just begun
        world.play(2)
    found = world.release(name).evidence.findings
    return next(one for one in found if one.guard == guard)


@pytest.mark.parametrize("named", [str, served_by], ids=["by its name", "as its answers say"])
def test_a_version_with_more_bad_things_is_rolled_back(world, counters, named):
    counters.names = named
    world.live({"segue.yaml": WINE + QUERY})
    release = world.rollout()
    counters.bad[release.backend] = 0.05
    world.play(90, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "empty: empty_total of the candidate must not be more frequent" in ended.reason


def test_a_version_that_is_as_good_is_promoted(world, counters):
    world.live({"segue.yaml": WINE + QUERY})
    release = world.rollout()
    world.play(150, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED
    assert world.release(release.name).proven


@pytest.mark.parametrize(
    ("fails", "said"),
    [(Retry("prom does not answer"), "prom does not answer"), (Refused("lost is a gauge there"), "gauge")],
)
def test_a_source_that_tells_nothing_holds_the_weight_and_says_why(world, counters, fails, said):
    world.live({"segue.yaml": WINE + QUERY})
    release = world.rollout()
    counters.fails = fails
    before = world.release(release.name).wanted
    world.play(60)
    held = world.release(release.name)
    assert held.phase is Phase.SHIFTING
    assert held.wanted == before
    assert held.evidence.verdict is Verdict.UNDECIDED
    assert said in finding(world, release.name).needed
    counters.fails = None
    world.play(200, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED


def test_a_person_may_go_on_without_the_numbers_and_the_record_says_so(world, counters):
    world.live({"segue.yaml": WINE + QUERY})
    release = world.rollout()
    counters.fails = Retry("prom does not answer")
    for _ in range(4):  # a weight each
        world.play(12)
        world.say("promote", release.name)
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.PROMOTED
    assert not ended.proven


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([], "no source of metrics is connected"),
        ([Source("prom", "prometheus", "m", ("other/*",))], "may not ask"),
        ([Source("a", "prometheus", "m"), Source("b", "csv", "m")], "write `from:`"),
    ],
)
def test_a_source_that_may_not_or_cannot_be_asked_is_a_reason(world, sources, said):
    world.parts.open_counters = lambda _: MemoryCounters(world.clock)
    with world.store.change() as change:
        for source in sources:
            change.save_source(source)
    world.live({"segue.yaml": WINE + QUERY})
    release = world.rollout()
    world.play(12)
    assert said in finding(world, release.name).needed


def test_one_question_serves_all_who_ask_it_at_a_time(world, counters):
    world.live({"segue.yaml": WINE + QUERY})
    world.rollout()
    before = counters.asked
    world.play(20)
    assert counters.asked - before <= 5


def test_an_observer_that_takes_over_begins_a_new_interval(world, counters):
    world.live({"segue.yaml": WINE + QUERY})
    release = world.rollout()
    world.play(12)
    world.observer.judging.save(world.observer._held[0])
    world.observer.judging.keep(())
    world.play(14)
    after = finding(world, release.name)
    rows = [one.body for one in world.series.increments(release.name) if "counted" in one.body]
    assert any(row["counted"][-1] == "first reading: nothing to compare it with yet" for row in rows[2:])
    assert sum(row["rows"][0][1][0] for row in rows if row["rows"]) >= after.samples


# --- scores ----------------------------------------------------------------------------------


def test_drift_of_scores_is_shown_in_a_rollout_and_nothing_follows_from_it(world, counters):
    """The candidate's scores lie all in one bin, stable's in two; no user is the worse for it."""
    file = WINE.replace("dwell: 5s", "dwell: 30s") + "guards: {scores: {query: score_bucket, drift: show}}\n"
    plain = world._traffic

    def traffic():
        plain()
        for backend, weight in world.weights().items():
            asked = round(world.load[0] * weight / 100)
            low = asked if backend == changed else asked // 2
            for le, count in (("0.5", low), ("+Inf", asked)):
                counters.count("score_bucket", count, le=le, version=backend)

    world._traffic, changed = traffic, None
    world.live({"segue.yaml": file})
    release = world.rollout()
    changed = release.backend
    for _ in range(60):
        world.play(1)
        found = world.release(release.name).evidence
        shown = [one for one in found.findings if one.guard == "scores"] if found else []
        if shown and dict(shown[0].numbers)["evidence"] > 1000:
            break
    assert "distributed differently" in shown[0].rule
    assert shown[0].verdict is Verdict.UNDECIDED
    world.play(250, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED
    assert world.release(release.name).proven


def test_scores_that_nobody_tells_hold_nothing_and_say_why(world, counters):
    world.live({"segue.yaml": WINE + "guards: {scores: {query: score_bucket, drift: show}}\n"})
    release = world.rollout()
    assert "nothing there fits score_bucket" in finding(world, release.name, "scores").needed
    world.play(150, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED


# --- the router's own, by a label ------------------------------------------------------------


@pytest.fixture
def countries(world, tmp_path):
    """Requests come from countries; `bad` is the failing share by backend and country."""
    world.parts.settings = replace(world.settings, segments=(("country", "X-Country"),))
    bad = {}

    def traffic():
        for backend, weight in world.weights().items():
            for country, share in COUNTRIES.items():
                count = round(world.load[0] * weight / 100 * share)
                failed = round(count * bad.get((backend, country), 0.0))
                world.metrics.record(backend, count, failed, country=country)

    world._traffic = traffic
    return bad


SEGMENTS = "guards: {errors: {segments: country}}\n"


def test_the_segment_that_is_hurt_is_named_by_release_record_and_report(world, countries):
    world.live({"segue.yaml": WINE + SEGMENTS})
    release = world.rollout()
    countries[release.backend, "tr"] = 0.4
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "errors in country=tr" in ended.reason
    shown = world.web.get(f"/api/v1/releases/{release.name}", headers=auth(world)).json
    assert "errors in country=tr" in json.dumps(shown["record"])
    report = world.web.get(f"/api/v1/releases/{release.name}/report", headers=auth(world))
    assert "errors in country=tr" in report.text


def test_the_segment_is_named_even_where_harm_is_seen_in_the_first_seconds_of_a_weight(world, countries):
    world.live({"segue.yaml": WINE + SEGMENTS})
    world.push({"serve.py": "2"})
    world.settle()
    release = world.releases()[-1]
    countries[release.backend, "tr"] = 1.0
    world.play(20, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert ended.ended - ended.began < 20
    assert "errors in country=tr" in ended.reason


def test_equal_versions_are_promoted_with_all_segments_cleared(world, countries):
    world.live({"segue.yaml": WINE + SEGMENTS})
    release = world.rollout()
    world.play(200, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED
    assert world.release(release.name).proven


def test_a_label_that_the_router_does_not_count_by_holds_and_says_so(world, countries):
    world.live({"segue.yaml": WINE + SEGMENTS.replace("country", "tenant")})
    release = world.rollout()
    world.play(12)
    held = world.release(release.name)
    assert held.evidence.verdict is Verdict.UNDECIDED
    assert "tenant" in finding(world, release.name, "errors").needed + str(held.evidence)


def auth(world):
    return {"Authorization": f"Bearer {world.people['bob']}"}
