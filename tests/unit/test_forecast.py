"""How long a rollout needs at a rate, planned by samples."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import forecast, strategy
from policies.evidence import Evidence, Finding, Verdict
from policies.forecast import Traffic
from policies.release import Cause, Phase, Release
from policies.spec.declaration import Environment, Mode, StepSpec, Strategy, WhenUndecided

USUAL = Environment()


def told(environment, rate, errors=forecast.USUAL_ERRORS):
    traffic = Traffic(rate, errors)
    return forecast.words(forecast.of_policy(environment, traffic), traffic, environment)


def test_a_busy_service_needs_its_least_times_and_a_quiet_one_its_requests():
    busy = forecast.of_policy(USUAL, Traffic(100_000.0, 0.0))
    assert busy.seconds <= 5 * USUAL.dwell + USUAL.watch
    quiet = forecast.of_policy(USUAL, Traffic(0.1, 0.0))
    assert quiet.seconds > 100 * busy.seconds


def test_it_says_what_people_need_to_know_before_they_start():
    assert told(USUAL, 10) == "needs about 93 min at 10 requests a second, some 56,000 requests"
    assert told(replace(USUAL, when_undecided=WhenUndecided.FINISH), 0.2) == (
        "needs about 3 days at 12 requests a minute, some 52,000 requests; 50 % alone takes about 13 h,"
        " longer than `patience` (30 min), after which `when_undecided: finish` counts"
    )
    held = replace(USUAL, steps=(StepSpec(5, 60.0), StepSpec(50, None)))
    assert "waits for `promote`" in told(held, 100)


def test_a_larger_risk_needs_less():
    assert forecast.of_policy(replace(USUAL, risk=0.02), Traffic(1.0)).seconds < (
        forecast.of_policy(USUAL, Traffic(1.0)).seconds / 4
    )


def test_the_last_weight_waits_until_the_candidate_is_warm():
    cold = replace(USUAL, warm_up=3600.0)
    assert forecast.of_policy(cold, Traffic(10_000.0)).seconds >= 3600 + USUAL.watch
    assert forecast.of_policy(replace(cold, held_back=0.05), Traffic(10_000.0)).seconds >= 3600


@given(
    rate=st.floats(1e-5, 1e5),
    errors=st.sampled_from([0.0, 0.001, 0.05, 0.5, 1.0]),
    risk=st.sampled_from([None, 0.001, 0.02]),
    steps=st.sampled_from([(), (StepSpec(5, 60.0), StepSpec(50, 60.0)), (StepSpec(100, 0.0),)]),
)
def test_twice_the_requests_never_take_longer_and_it_always_ends(rate, errors, risk, steps):
    environment = replace(USUAL, risk=risk, steps=steps)
    once = forecast.of_policy(environment, Traffic(rate, errors))
    twice = forecast.of_policy(environment, Traffic(2 * rate, errors))
    assert once.people is False
    if once.seconds is not None:
        assert twice.seconds <= once.seconds * 1.02 + 10
        assert once.seconds >= environment.watch


@pytest.mark.parametrize(
    "environment",
    [replace(USUAL, strategy=Strategy.BLUEGREEN), replace(USUAL, strategy=Strategy.NONE)],
)
def test_what_no_evidence_decides_has_no_forecast(environment):
    assert forecast.of_policy(environment, Traffic(10.0)) is None


# --- on its way -----------------------------------------------------------------------------------


def on_its_way(**changes):
    release = Release(
        "rel-2", 2, "wine", "wine/production", USUAL, "v2", "b", Cause("push", "ann"),
        strategy.plan(USUAL, first=False), phase=Phase.SHIFTING, observed=5.0, wanted=5.0,
    )  # fmt: skip
    return replace(release, **changes)


def seen(requests, failed=0.0):
    numbers = (("failed", failed), ("requests", requests))
    risk = Finding("risk", Verdict.UNDECIDED, "", numbers, None, int(requests), "")
    return Evidence(Verdict.UNDECIDED, (risk,), 5.0, 1, 5.0, 5.0, 3)


def test_what_was_seen_already_shortens_the_rest_and_failures_lengthen_it():
    traffic = Traffic(1.0)
    nothing = forecast.of_release(on_its_way(), traffic).seconds
    much = forecast.of_release(on_its_way(evidence=seen(500.0)), traffic).seconds
    unlucky = forecast.of_release(on_its_way(evidence=seen(500.0, failed=3.0)), traffic).seconds
    assert much < nothing < unlucky
    assert forecast.of_release(on_its_way(phase=Phase.PENDING), traffic) == forecast.of_policy(USUAL, traffic)


def test_what_has_ended_or_is_somebody_elses_has_no_forecast():
    for changes in (
        {"phase": Phase.PROMOTED},
        {"phase": Phase.RESTORING},
        {"environment": replace(USUAL, mode=Mode.OBSERVE)},
        {"steps": (strategy.SWITCH,)},
    ):
        assert forecast.of_release(on_its_way(**changes), Traffic(1.0)) is None
    assert forecast.of_release(on_its_way(), Traffic(0.0)) is None
