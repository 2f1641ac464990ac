"""Errors by the calls that a model of gRPC counts itself: what is judged, and what nobody may write."""

import pytest
from inline_snapshot import snapshot

from policies.guards import asking
from policies.guards.asking import Moment
from policies.guards.readings import Cut, Series, Versions
from policies.spec.declaration import GuardKind
from service.segue_yaml import check
from tests.unit.test_spec_mistakes import TAKEN_OVER, mistakes

GO = {"OK": 90, "NotFound": 4, "DeadlineExceeded": 3, "DataLoss": 2, "Unknown": 1}
PYTHON = {"OK": 90, "NOT_FOUND": 4, "DEADLINE_EXCEEDED": 3, "DATA_LOSS": 2, "UNKNOWN": 1}
VERSIONS = Versions("service", frozenset({"wine-2"}), frozenset({"wine"}))


def guards(text):
    (model,) = check((TAKEN_OVER + text).encode(), "").models
    return {guard.name: guard for guard in model.environments[0].guards}


def series(service, codes, label="grpc_code"):
    """What a server's pod counted in a minute, from nothing."""
    for code, count in codes.items():
        labels = ((label, code), ("pod", service), ("service", service))
        yield Series("grpc_server_handled_total", labels, ((60.0, 0.0), (120.0, float(count))))


def told(guard, *counted):
    """What the guard hears of it."""
    all_series = [one for some in counted for one in some]
    before = Cut(60.0, {one.key: 0.0 for one in all_series}, frozenset(one.process for one in all_series))
    _, news = asking.look(guard, before, all_series, VERSIONS, Moment(121.0, 10.0, 0.0, 1))
    return news


@pytest.mark.parametrize("codes", [GO, PYTHON], ids=["as Go spells them", "as Python spells them"])
def test_calls_that_the_server_is_the_cause_of_are_errors_in_either_spelling(codes):
    errors = guards("guards: {errors: {calls: grpc, version: service}, slo: 1%}\n")["errors"]
    (row,) = told(errors, series("wine-2", codes), series("wine", {"OK": 100})).rows
    assert (row.candidate.requests, row.candidate.errors) == (100, 6)
    assert (row.stable.requests, row.stable.errors) == (100, 0)


def test_a_server_that_counts_by_another_label_has_no_calls_rather_than_none_that_fail():
    errors = guards("guards: {errors: {calls: grpc, version: service}, slo: 1%}\n")["errors"]
    (row,) = told(errors, series("wine-2", GO, "code"), series("wine", GO, "code")).rows
    assert (row.candidate.requests, row.stable.requests) == (0, 0)


def test_the_limit_beside_it_is_of_the_same_calls_and_all_else_is_as_it_was():
    found = guards("guards: {errors: {calls: grpc, worse_by: 10%, from: prom}, slo: 1%}\n")
    errors, slo = found["errors"], found["slo"]
    assert errors.kind is slo.kind is GuardKind.QUERY
    assert (errors.query, errors.of, errors.source, errors.version) == (slo.query, slo.of, "prom", "version")
    assert (errors.worse_by, errors.limit, slo.limit, asking.counts_good(slo)) == (0.1, None, 0.01, False)
    usual = guards("")
    assert {name: found[name] for name in ("alive", "share")} == {
        name: usual[name] for name in ("alive", "share")
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "guards: {errors: {calls: grpc}}\n",
            snapshot(
                [
                    "4:26 guards.errors.calls: with `calls` the history of `slo` says nothing, since a router takes calls that fail for successes: write how many may fail beside it, `slo: 1%`, or `slo: off`"
                ]
            ),
        ),
        (
            "guards: {errors: {version: app}}\n",
            snapshot(["4:28 guards.errors.version: `version` means something only with `calls`"]),
        ),
        (
            "guards: {errors: {calls: http}, slo: 1%}\n",
            snapshot(
                ["4:26 guards.errors.calls: `calls: http` is not one of the allowed words; it wants `grpc`"]
            ),
        ),
    ],
)
def test_what_says_nothing_is_refused_with_what_to_write(written, said):
    assert mistakes(TAKEN_OVER + written) == said


def test_with_no_limit_at_all_a_switch_still_needs_one():
    (said,) = mistakes(TAKEN_OVER + "guards: {errors: {calls: grpc}, slo: off}\n")
    assert "keep an absolute limit" in said
