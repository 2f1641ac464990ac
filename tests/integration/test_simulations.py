"""Policies tried over the API: the command line's numbers, for what one may see, refused with what to write."""

import json
import time

import pytest
from click.testing import CliRunner

from policies import roles
from service import web
from service.cli.main import group
from service.client import Client
from service.identity import tokens
from service.rehearsing.trials import Trials, Tried, play
from tests.scenarios.conftest import CHURN, World
from tests.serving import Served

FILE = """\
name: model
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
ladder: [50%, 100%]
dwell: 0s
watch: 10s
"""
QUICK = {"rate": 5000, "errors": 1, "worse": 20}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            web, "Trials", lambda: Trials(play)
        )  # a process of its own: tests/unit/test_trials.py
        world = World(tmp_path_factory.mktemp("world"))
    world.push({"segue.yaml": CHURN})
    world.settle()
    world.people["some"] = tokens.make(world.store, "some", grants=[roles.grant("viewer", "beer")])
    yield world
    world.close()


def ask(world, told, who="bob"):
    headers = {"Authorization": f"Bearer {world.people[who]}"}
    return world.web.post("/api/v1/simulations", json=told, headers=headers)


def played(world, told):
    for _ in range(600):
        answer = ask(world, told)
        if answer.status_code != 202:
            return answer
        assert answer.headers["Retry-After"] == str(answer.json["again"])
        time.sleep(0.1)
    raise AssertionError("it is never played")


def test_a_file_that_is_sent_comes_to_what_the_command_line_says_of_it(world, tmp_path):
    told = played(world, {**QUICK, "segue_yaml": FILE}).json
    (tmp_path / "segue.yaml").write_text(FILE)
    words = ["--rate", "5000", "--errors", "1%", "--worse", "20", "--runs", "100", "--json"]
    said = CliRunner().invoke(group, ["simulate", str(tmp_path / "segue.yaml"), *words])
    assert told == json.loads(said.output)
    assert played(world, {**QUICK, "weights": [50, 100], "dwell": 0}).status_code == 200


def test_the_client_waits_until_it_is_played(world):
    server = Served(world.web.application)
    address = f"http://127.0.0.1:{server.port}"
    client = Client(address, address, world.people["bob"])
    found = client.simulate(5000, segue_yaml=FILE, errors=1, worse=20)
    assert [kind["good"] for kind in found["kinds"]] == [True, False]
    server.end()


@pytest.mark.parametrize("who", ["some", "bob"])
def test_a_policy_of_what_one_may_not_see_looks_like_what_is_not_there(world, who):
    for target in ("churn/production",) if who == "some" else ("nothing/production", "churn"):
        answer = ask(world, {**QUICK, "target": target}, who)
        assert answer.status_code == 404
        assert answer.json["detail"].startswith(f"there is no target {target}")


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        ({}, 400, "`rate` is missing"),
        ({**QUICK, "odd": 1}, 400, "`odd` is no key here; known: rate, target"),
        ({**QUICK, "rate": True}, 400, "`rate` must be a number"),
        ({**QUICK, "rate": "20"}, 400, "`rate` must be a number"),
        ({**QUICK, "rate": 1e300}, 422, "no number from 0.01 to 10000; write one, such as 10"),
        ({**QUICK, "errors": 0}, 422, "no number from 0.001 to 50"),
        ({**QUICK, "worse": 1}, 422, "no number from 1.1 to 100"),
        ({**QUICK, "false_rollbacks": 50}, 422, "no number from 0.1 to 20"),
        ({**QUICK, "dwell": -1}, 422, "no number from 0 to 86400"),
        ({**QUICK, "weights": [50, 5, 100]}, 422, "no weights that rise to 100; write up to 20 numbers"),
        ({**QUICK, "weights": []}, 422, "no weights that rise to 100"),
        ({**QUICK, "weights": None}, 400, "must be a list of numbers"),
        ({**QUICK, "weights": 5}, 400, "must be a list of numbers"),
        ({**QUICK, "weights": ["5"]}, 400, "`weights` must be a number"),
        ({**QUICK, "target": 5}, 400, "`target` must be a text"),
        ({**QUICK, "target": "churn/production", "weights": [100]}, 422, "leave out weights"),
        ({**QUICK, "target": "churn/production", "segue_yaml": FILE}, 422, "either `target` or `segue_yaml`"),
        ({**QUICK, "model": "churn"}, 422, "are for `segue_yaml`"),
        ({**QUICK, "segue_yaml": "name: model\nnothing: known\n"}, 422, "segue.yaml:2"),
        ({**QUICK, "segue_yaml": FILE, "environment": "moon"}, 422, "has no environment moon; it has"),
        ({**QUICK, "segue_yaml": FILE, "model": "beer"}, 422, "there is no model beer; the file declares model"),
        ({**QUICK, "segue_yaml": FILE.replace("ladder: [50%, 100%]\ndwell: 0s", "strategy: shadow")}, 422, "shifts no traffic by evidence"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_to_write(world, told, status, said):
    answer = ask(world, told)
    assert (answer.status_code, said in answer.json["detail"]) == (status, True), answer.json


def test_what_is_too_large_or_no_object_is_refused(world):
    assert ask(world, {**QUICK, "segue_yaml": "x" * (300 << 10)}).status_code == 413
    assert ask(world, [1]).status_code == 400


@pytest.mark.parametrize(
    ("tried", "status"),
    [(Tried(why_not="It takes more than 40 s."), 422), (Tried(why_not="no memory", failed=True), 503)],
)
def test_what_was_not_played_says_so(tmp_path, monkeypatch, tried, status):
    monkeypatch.setattr(web, "Trials", lambda: Trials(lambda _: tried))
    world = World(tmp_path)
    answer = played(world, {"rate": 20})
    assert (answer.status_code, tried.why_not in answer.json["detail"]) == (status, True)
    world.close()
