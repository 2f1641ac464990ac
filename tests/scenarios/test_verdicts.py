"""Tools that shift traffic themselves ask for a verdict: go, wait or back; and never go without evidence."""

import base64

import pytest

from policies.release import Phase
from service.identity import tokens
from tests.scenarios.test_only_watching import CANARY, FRAUD, ONE, TARGET, THREE, TWO, Watching, begun

GATES = ["confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion"]


class Asking(Watching):
    """With a token that may ask for verdicts alone."""

    def __init__(self, home):
        super().__init__(home)
        self.token = tokens.make(self.store, "argo", role=tokens.VERDICTS)

    def ask(self, path=f"verdicts/{TARGET}", **query):
        headers = {"Authorization": f"Bearer {self.token}"}
        answered = self.web.get(f"/api/v1/{path}", query_string=query, headers=headers)
        assert answered.status_code == 200, answered.json
        return answered.json

    def answer(self, **query):
        return self.ask(**query)["answer"]

    def gate(self, name, **query):
        """Whether Flagger gets its yes, by a URL with a login in it."""
        login = base64.b64encode(f"flagger:{self.token}".encode()).decode()
        path = f"/api/v1/gates/{name}/{TARGET}"
        headers = {"Authorization": f"Basic {login}"}
        answered = self.web.post(path, query_string=query, headers=headers, json={"name": "fraud"})
        assert answered.status_code in {200, 409}, answered.json
        return answered.status_code == 200

    def open_gates(self, **query):
        return {name for name in [*GATES, "rollback"] if self.gate(name, **query)}


@pytest.fixture
def others(tmp_path):
    world = Asking(tmp_path)
    world.declare()
    world.let(ONE)
    yield world
    world.close()


def test_without_a_release_the_answer_is_wait_and_no_gate_is_open(others):
    assert others.ask()["reason"] == "no release is known here"
    assert others.answer() == "wait"
    assert others.open_gates() == set()


def test_good_evidence_lets_go_on_as_far_as_it_allows(others):
    others.serve(200)
    release = begun(others, weight=10, seconds=3)
    assert others.answer(weight=100) == "wait"
    assert "100 % were asked for" in others.ask(weight=100)["reason"]
    others.play(120)
    assert others.answer() == others.answer(weight=100) == "go"
    assert others.ask()["release"] == release.name
    assert others.open_gates() == set(GATES)


def test_harm_is_back_however_old_it_is(others):
    others.serve(1500, {CANARY: 0.2})
    begun(others, weight=10)
    assert others.answer() == "back"
    assert others.ask()["reason"].startswith("would have rolled back")
    others.clock.now += 60
    assert others.answer() == "back"
    assert others.open_gates() == {"rollback"}


def test_what_is_old_or_missing_is_never_go(others):
    begun(others, weight=10, seconds=60)
    assert others.answer() == "go"
    others.metrics.silent = "it does not answer"
    others.play(3)
    assert others.answer() == "wait"
    assert not others.gate("rollout")
    others.clock.now += 20
    assert "old" in others.ask()["reason"]
    assert others.open_gates() == {"confirm-rollout", "pre-rollout"}


def test_another_version_behind_the_service_gets_no_verdict_of_this_one(others):
    begun(others, weight=10, seconds=60)
    assert others.answer(image=f"ghcr.io/acme/fraud@{TWO}") == "go"
    assert others.answer(image=f"ghcr.io/acme/fraud@{THREE}") == "wait"
    others.let(ONE, THREE, 10)
    assert others.answer() == "wait"
    assert others.open_gates() == {"confirm-rollout"}
    others.others.missing = "there is no Service ml/fraud-canary"
    assert "cannot be seen" in others.ask()["reason"]


def test_the_first_weight_is_given_without_evidence_and_only_while_the_route_says_that_there_is_none(others):
    others.event("2")
    assert others.open_gates() == {"confirm-rollout"}
    others.let(ONE, TWO, 0)
    others.settle(4)
    assert others.open_gates() == {"confirm-rollout", "pre-rollout", "confirm-traffic-increase"}
    others.let(ONE, TWO, 10)
    assert others.open_gates() == {"confirm-rollout", "pre-rollout"}
    others.others.let(stable=ONE, candidate=TWO)  # no route is named
    assert not others.gate("confirm-traffic-increase")


def test_the_weight_grows_by_a_step_only_as_far_as_the_evidence_allows(others):
    others.serve(100)
    begun(others, weight=10, seconds=12)
    allowed = others.ask()["allowed"]
    assert 10 < allowed < 100
    assert others.gate("confirm-traffic-increase", step=allowed - 10)
    assert not others.gate("confirm-traffic-increase", step=allowed - 9)


def test_a_person_who_pauses_or_stops_it_is_obeyed_by_who_asks(others):
    release = begun(others, weight=10, seconds=60)
    others.say("pause", release.name, reason="lunch")
    assert others.ask()["reason"] == "bob paused: lunch"
    assert others.answer() == "wait"
    others.say("resume", release.name)
    assert others.answer() == "go"
    others.say("abort", release.name)
    assert others.answer() == "back"


def test_what_a_gate_or_an_approver_refused_is_back_once_it_runs_there(others):
    others.declare(FRAUD + "approvals: {count: 1, from: [bob]}\n")
    release = others.event("2")
    assert release.phase is Phase.APPROVAL
    others.let(ONE, TWO, 10)
    assert others.answer() == "wait"
    assert others.open_gates() == set()
    others.say("reject", release.name)
    assert others.answer() == "back"
    assert others.open_gates() == {"rollback"}


def test_a_token_for_verdicts_opens_nothing_else_and_without_one_nothing_is_told(others):
    headers = {"Authorization": f"Bearer {others.token}"}
    assert others.web.get("/api/v1/releases", headers=headers).status_code == 403
    told = {"verb": "abort", "subject": "rel-1"}
    assert others.intake.post("/api/v1/commands", json=told, headers=headers).status_code == 403
    for wrong in ("", "Bearer segue_wrong", "Basic !!!", "Basic Zm9v", f"Digest {others.token}"):
        answered = others.web.get(f"/api/v1/verdicts/{TARGET}", headers={"Authorization": wrong})
        assert answered.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "verdicts/fraud/elsewhere", 404),
        ("get", "verdicts/nothing/production", 404),
        ("get", f"verdicts/{TARGET}?weight=much", 400),
        ("get", f"verdicts/{TARGET}?weight=nan", 400),
        ("get", f"verdicts/{TARGET}?weight=101", 400),
        ("post", f"gates/event/{TARGET}", 404),
        ("post", "gates/rollback/fraud/elsewhere", 404),
        ("post", f"gates/confirm-traffic-increase/{TARGET}?step=-1", 400),
    ],
)
def test_what_is_asked_wrongly_is_no_yes(others, method, path, status):
    headers = {"Authorization": f"Bearer {others.token}"}
    assert getattr(others.web, method)(f"/api/v1/{path}", headers=headers).status_code == status
