"""The six files that people write first, and what each of them means."""

from pathlib import Path

import pytest

from policies.spec.declaration import (
    Approvals,
    Comparison,
    Evaluate,
    FromBuild,
    FromImage,
    FromModel,
    Gate,
    Guard,
    GuardKind,
    Resources,
    ServeDeployment,
    ServeInferenceService,
    ServeMlflow,
    ServeNone,
    ServeRun,
    Strategy,
    Triggers,
)
from policies.spec.support import EMBEDDED, KNOWN
from service.segue_yaml import check, load

CASES = Path(__file__).parent / "spec_cases"


def case(letter):
    (path,) = CASES.glob(f"{letter}_*.yaml")
    return path.read_bytes()


def only(letter):
    (model,) = load(case(letter), "")
    return model


def test_a_registered_model_needs_three_lines():
    model = only("a")
    assert model.name == "churn"
    assert model.source == FromModel("churn", "challenger")
    assert model.serve == ServeMlflow()
    assert model.triggers == Triggers(default_branch=False)
    (production,) = model.environments
    assert production.name == "production"
    assert production.strategy is Strategy.CANARY
    assert [guard.name for guard in production.guards] == ["errors", "slo", "alive", "share"]
    assert production.guards[1] == Guard("slo", GuardKind.SLO, limit=None)


def test_an_image_that_ci_builds_is_named_by_a_tag_pattern():
    model = only("b")
    assert model.source == FromImage("ghcr.io/acme/fraud", "main-*")
    assert model.serve == ServeDeployment("ml/fraud", "ml/fraud")


def test_an_inference_service_says_what_happens_when_there_is_no_room():
    assert only("c").serve == ServeInferenceService("recsys/ranker", "wait")


def test_a_monorepo_declares_each_model_with_what_they_share():
    models = load(case("d"), "ml")
    assert [model.name for model in models] == ["churn", "fraud", "ltv", "ranker", "spam"]
    fraud = models[1]
    assert fraud.folder == "ml/fraud"
    assert fraud.source == FromImage("ghcr.io/acme/fraud", "main-*")
    staging, production = fraud.environments
    assert (staging.cluster, staging.after) == ("stg", None)
    assert (production.cluster, production.after) == ("prod", "staging")
    assert production.approvals == Approvals(1, ("@acme/ml-leads",), "slack:#ml-release")
    assert production.guards[-1] == Guard(
        "accuracy", GuardKind.LABELS, labels="warehouse.labels", within=14 * 86_400.0, drop=0.01
    )
    assert [guard.name for guard in production.guards[:-1]] == [guard.name for guard in staging.guards]


def test_a_repository_is_built_evaluated_and_gated():
    model = only("e")
    assert model.source == FromBuild("requirements.lock", None)
    assert model.serve == ServeRun(("python", "serve.py"), 8080, "/healthz")
    assert model.triggers == Triggers(default_branch=True)
    assert model.evaluate == Evaluate(
        run=("python", "evaluate.py"),
        image=None,
        resources=Resources(2.0, 4 << 30, 600.0),
        gates=(Gate("accuracy", Comparison.AT_LEAST, 0.9), Gate("f1", Comparison.NO_WORSE, 0.01)),
    )


def test_a_batch_model_has_gates_and_approvals_but_no_traffic():
    model = only("f")
    assert model.serve == ServeNone()
    assert model.evaluate is not None
    assert model.evaluate.gates == (Gate("mape", Comparison.AT_MOST, 0.12),)
    (production,) = model.environments
    assert production.approvals.count == 1
    assert production.guards == ()
    assert production.strategy is Strategy.NONE


@pytest.mark.parametrize("letter", list("abe"))
def test_what_comes_with_segue_can_do_the_first_cases(letter):
    assert check(case(letter), "", EMBEDDED).mistakes == ()


@pytest.mark.parametrize("letter", list("abcdef"))
def test_an_installation_with_everything_can_do_every_case(letter):
    assert check(case(letter), "", KNOWN).mistakes == ()


@pytest.mark.parametrize(
    ("latency", "refused"),
    [
        ("{slower_than: 250ms}", set()),
        ("{slower_than: 0.25s, slo: history}", set()),
        ("{slower_than: 120ms}", {"guards.latency.slower_than"}),
        ("{slower_than: 1s, slo: 5%}", set()),
        ("{slower_than: 120ms, slo: 5%}", {"guards.latency.slower_than"}),
    ],
)
def test_a_latency_guard_is_refused_where_the_router_could_not_feed_it(latency, refused):
    text = case("e").decode() + f"guards: {{latency: {latency}}}\n"
    assert {mistake.path for mistake in check(text.encode(), "", EMBEDDED).mistakes} == refused


@pytest.mark.parametrize(
    ("letter", "keys"),
    [
        ("c", {"inferenceservice"}),
        ("d", {"after"}),
        ("f", {"approvals"}),
    ],
)
def test_what_one_machine_cannot_do_is_refused_by_name_and_line(letter, keys):
    mistakes = check(case(letter), "", EMBEDDED).mistakes
    assert {mistake.path.split(".")[-1] for mistake in mistakes} == keys
    assert all(mistake.line > 0 for mistake in mistakes)


def test_a_group_is_refused_where_its_members_are_not_known():
    mistakes = check(case("d"), "", EMBEDDED - {"approvals.groups"}).mistakes
    assert "from" in {mistake.path.split(".")[-1] for mistake in mistakes}


@pytest.mark.parametrize(
    ("strategy", "refused"),
    [("canary", {"strategy"}), ("bluegreen", set()), ("none", set())],
)
def test_a_deployment_without_a_route_can_only_be_switched(strategy, refused):
    text = f"name: fraud\nbuild: {{lock: a.txt}}\ndeployment: ml/fraud\nstrategy: {strategy}\n"
    assert {mistake.path for mistake in check(text.encode(), "", EMBEDDED).mistakes} == refused
