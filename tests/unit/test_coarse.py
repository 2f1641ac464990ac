"""Where buckets hide a slower version from a latency guard: found, named, and mended by the bound that is named."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from policies.guards import coarse, histogram
from policies.guards.coarse import Coarse, Usual
from policies.guards.stretch import Stretch, to_json
from policies.release import Serving, Target
from policies.spec.declaration import Guard, GuardKind
from policies.spec.support import EMBEDDED
from service import segue_yaml
from service.cli import blind
from service.cli.main import group
from service.rehearsing import simulated_shown
from service.store.series import Series
from service.store.series import Stretch as Row

CLIENT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # client libraries' usual ones
durations = st.floats(0.002, 60.0)
growths = st.sampled_from([0.0, 0.1, 0.25, 1.0])
FILE = """\
name: churn
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
guards: {latency: {worse_by: 10%}}
"""


def guard(worse_by=0.0, slower_than=None):
    return Guard("latency", GuardKind.LATENCY, worse_by=worse_by, slower_than=slower_than)


def found(one, bounds, usual):
    return list(coarse.coarse([one], bounds, usual))


@given(durations, growths)
def test_what_is_said_to_be_unseen_is_what_the_guard_itself_cannot_tell(at, worse_by):
    """By the guard's own way of moving requests down: below `unseen` the bucket is no higher than stable's."""
    lowest = histogram.moved(CLIENT, worse_by)

    def counted(seconds):
        return int(np.searchsorted(CLIENT, seconds, side="left"))

    times = coarse.unseen(CLIENT, at, worse_by)
    if math.isfinite(times):
        assert lowest[counted(at * times * (1 - 1e-9))] <= counted(at)
        assert lowest[counted(at * times * (1 + 1e-9))] > counted(at)
    else:
        assert lowest[-1] <= counted(at)


@given(durations, growths)
def test_the_named_bounds_mend_it(at, worse_by):
    one = guard(worse_by)
    for hidden in found(one, CLIENT, Usual(at)):
        assert hidden.missing
        assert not set(hidden.missing) & set(CLIENT)
        assert found(one, tuple(sorted({*CLIENT, *hidden.missing})), Usual(at)) == []


def test_fine_bounds_are_not_blamed():
    assert found(guard(), CLIENT, Usual(0.08)) == []
    assert found(guard(), CLIENT, None) == []
    assert found(Guard("errors", GuardKind.ERRORS), CLIENT, Usual(3.0)) == []


def test_a_shift_within_one_bucket_is_told_with_the_bound_that_is_missing():
    (hidden,) = found(guard(0.1), CLIENT, Usual(0.11))
    assert hidden == Coarse("latency", 0.11, 0.5 / 0.11, (0.14, 0.16))
    assert coarse.words(hidden) == (
        "`latency` does not see that a request of 110ms takes longer, up to 4.5 times as long: a bound is"
        " missing at 140ms and at 160ms"
    )


def test_beyond_the_last_bound_nothing_is_ever_seen():
    (hidden,) = found(guard(), CLIENT, Usual(30.0))
    assert math.isinf(hidden.unseen)
    assert "however long: a bound is missing at 36s" in coarse.words(hidden)
    assert simulated_shown.blind(hidden)["unseen"] is None


def test_a_limit_far_above_all_that_is_usual_is_told():
    (hidden,) = found(guard(slower_than=2.5), CLIENT, Usual(0.08, 0.4))
    assert (hidden.unseen, hidden.missing) == (6.25, (0.48,))
    assert found(guard(slower_than=0.5), CLIENT, Usual(0.08, 0.4)) == []
    assert found(guard(slower_than=2.5), CLIENT, Usual(0.08)) == []


def test_a_limit_that_is_no_bound_counts_nothing():
    (hidden,) = found(guard(slower_than=0.3), CLIENT, None)
    assert coarse.words(hidden) == ("`latency` counts nothing: the router has no bound at 300ms; add it")


def test_what_is_usual_is_read_from_counts():
    assert coarse.usual((0, 0, 60, 40), (0.1, 0.2, 0.8)) == Usual(pytest.approx(0.4))
    assert coarse.usual((60, 40, 0, 0), (0.1, 0.2, 0.8)) == Usual(0.05, 0.2)
    assert coarse.usual((0, 0, 60, 39), (0.1, 0.2, 0.8)) is None, "too few"
    beyond = coarse.usual((0, 0, 0, 500), (0.1, 0.2, 0.8))
    assert math.isinf(coarse.unseen((0.1, 0.2, 0.8), beyond.median, 0.0))


def test_what_stable_served_shows_whose_guards_are_blind(tmp_path):
    series = Series.open(f"sqlite:///{tmp_path}/series.db", clock=lambda: 1e6)
    held = series.acquire("observer", "test")
    stable = Serving("rel-1", 1, "v1", "sha256:1", "churn-v1", "http://127.0.0.1:1", 0.0)
    target = Target("churn/production", epoch=1, newest=1, stable=stable)
    (model,) = segue_yaml.check(FILE.encode(), "churn", EMBEDDED).models
    assert list(blind.served(series, [model], [target])) == []
    fine = (2.5, 3.0, 3.5, 4.0)
    with series.change(held) as change:
        for number, version in enumerate(("churn-v1", "churn-v0")):
            served = (0.0, 0.0, 500.0, 0.0, 0.0) if version == "churn-v1" else (0.0, 0.0, 0.0, 0.0, 500.0)
            kept = Stretch(900_000.0 + 300 * number, 300.0, 500.0, 0.0, served, fine)
            change.add_stretches([Row("churn/production", version, kept.at, to_json(kept))])
    assert list(blind.served(series, [model], [target])) == [], "the bounds are near enough"
    sparse = (0.1, 10.0)
    with series.change(held) as change:
        kept = Stretch(900_600.0, 300.0, 500.0, 0.0, (0.0, 500.0, 0.0), sparse)
        change.add_stretches([Row("churn/production", "churn-v1", kept.at, to_json(kept))])
    ((name, hidden),) = blind.served(series, [model], [target])
    assert (name, hidden.at, hidden.unseen) == ("churn/production", 1.0, math.inf)
    series.close()


@pytest.fixture
def file(tmp_path):
    (tmp_path / "segue.yaml").write_text(FILE)
    return tmp_path


def run(*words):
    return CliRunner().invoke(group, list(words))


def test_check_and_simulate_say_it(file):
    said = run("check", str(file), "--median", "3s")
    assert said.exit_code == 0, said.output
    assert "churn/production: `latency` does not see that a request of 3s takes longer" in said.output
    assert "does not see" not in run("check", str(file), "--median", "80ms").output
    (told,) = json.loads(run("check", str(file), "--median", "3s", "--json").output)
    assert told["coarse"][0]["target"] == "churn/production"
    assert told["coarse"][0]["missing"] == [3.6, 4.0]
    wrong = run("check", str(file), "--tail", "3s")
    assert (wrong.exit_code, "--median" in wrong.output) == (2, True)
    words = ["simulate", str(file), "--rate", "1000", "--runs", "20", "--worse", "50"]
    said = " ".join(run(*words, "--bounds", "50ms", "--bounds", "1s", "--bounds", "5s").output.split())
    assert "careful: `latency` does not see that a request of 80ms takes longer, up to" in said
