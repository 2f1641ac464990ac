"""A whole installation with a shadow: real copies through the router, real notes, a decision no user sees."""

import pytest

from service import up
from service.demo.traffic import Traffic, request_of
from service.machine import shim
from tests.installation import TARGET, Installation
from tests.running import wait_until

SHADOW = "strategy: shadow\nshadow: {for: 2s}\nguards: {answers: {differ: 50%}}\n"


@pytest.fixture
def installed(tmp_path):
    made = Installation(tmp_path / "segue", "--broker", "none").start()
    try:
        made.connect()
        yield made
    finally:
        made.end()


@pytest.mark.timeout(300)
def test_a_candidate_is_judged_by_copies_before_any_user_sees_it(installed):
    first = installed.release_of(installed.push(1, more=SHADOW))
    assert first["phase"] == "promoted"
    recorder = up.daemon_folder(installed.place.home, "recorder")
    assert not shim.status(recorder).running
    users = Traffic(request_of(TARGET, installed.router(), "predict", {}), rate=60)
    users.start()
    bad = installed.release_of(installed.push(2, status=500, more=SHADOW), 120)
    assert (bad["phase"], bad["peak"]) == ("rolled back", 0)
    assert "shadow errors" in bad["reason"]
    good = installed.release_of(installed.push(3, more=SHADOW), 120)
    users.end()
    assert (good["phase"], good["proven"]) == ("promoted", True)
    assert [step for step in good["steps"] if "shadow" in step] == [{"shadow": 2.0, "guarded": True}]
    assert [answer for answer in users.answers if answer.failed] == []
    assert {answer.version for answer in users.answers} == {first["backend"], good["backend"]}
    wait_until(lambda: not shim.status(recorder).running)
