"""The simulator on the page: by addresses alone, for what one may see, played once and shown."""

import re
import time

import pytest

from policies import roles
from service.identity import tokens
from tests.scenarios.conftest import CHURN, World
from tests.visiting import Visitor

QUICK = "/-/simulator?try=1&rate=5000&errors=1&worse=20&weights=50,100&dwell=0&false=1"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.push({"segue.yaml": CHURN})
    world.settle()
    yield world
    world.close()


@pytest.fixture
def bob(world):
    return Visitor(world)


def played(visitor, path):
    """The page once the trial was played; a browser asks again, too."""
    for _ in range(600):
        told = visitor.text(path)
        if "It is being played" not in told:
            return told
        assert 'http-equiv="refresh"' in visitor.answer.text, "without scripts it loads itself anew"
        time.sleep(0.1)
    raise AssertionError("it is never played")


def test_a_policy_is_tried_by_an_address_alone_and_shown_with_a_picture(bob):
    told = played(bob, QUICK)
    assert "a version as good as stable has all traffic after" in told
    assert "a version with 20 times the errors caught: 100 %" in told
    assert "ladder: [50%, 100%] dwell: 0s" in told
    assert "segue simulate --rate 5000 --errors 1% --worse 20 --runs 1000" in told
    assert "Shares of rollouts over time." in told
    assert "The same in numbers" in told
    assert len(bob.answer.data) < 60_000
    assert played(Visitor(bob.world, "ann"), QUICK) == told.replace("bob", "ann"), "it is played once"


def test_the_form_begins_with_the_policys_own_numbers_and_tries_nothing_by_itself(bob):
    told = bob.text("/-/simulator")
    assert "Say on the left what you know of your traffic" in told
    assert 'name="weights" value="1, 2, 3, 5,' in bob.answer.text
    told = bob.text("/-/simulator?policy=churn/production&rate=7&errors=1&worse=3")
    assert 'name="rate" value="7"' in bob.answer.text
    assert 'name="weights"' not in bob.answer.text, "it switches at once"
    assert "Say on the left" in told


def test_what_does_not_fit_is_told_and_kept_to_be_mended(bob):
    answer = bob.get("/-/simulator?try=1&rate=<script>&errors=1&worse=20")
    assert answer.status_code == 400
    assert "Requests, all together: &#39;&lt;script&gt;&#39; is no number from 0.01 to 10000" in answer.text
    assert 'name="rate" value="&lt;script&gt;"' in answer.text
    assert re.search(r'name="rate"[^>]*aria-invalid="true"', answer.text)


def test_policies_of_what_one_may_not_see_are_not_there(world):
    world.people["some"] = tokens.make(world.store, "some", grants=[roles.grant("viewer", "beer")])
    some = Visitor(world, "some")
    assert "churn" not in some.text("/-/simulator")
    assert some.get("/-/simulator?policy=churn/production").status_code == 404
    assert some.get("/-/simulator?policy=nothing/production").status_code == 404
