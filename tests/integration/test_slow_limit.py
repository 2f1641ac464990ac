"""An absolute limit on slow requests by the counters of Traefik as a real process, after all traffic has moved."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from policies.evidence import Verdict
from policies.guards.increment import difference
from policies.guards.judge import Judge
from service.adapters.traefik.metrics import TraefikMetrics
from service.adapters.traefik.router import TraefikRouter
from service.ports.traffic import Backend, Route
from service.segue_yaml import load
from tests.running import Model, Traefik

TARGET = "wine/production"
FILE = b"""\
name: wine
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
warm_up: 0s
guards: {slo: 30%, latency: {slower_than: 1s, slo: 20%}}
"""


class Late:
    """In the place of an event: every answer comes so many seconds late."""

    def wait(self, _most):
        threading.Event().wait(1.2)


@pytest.fixture
def served(tmp_path):
    """A version with all traffic, its router's counters, and what asks it so many times at once."""
    traefik = Traefik(tmp_path / "home").start()
    router, metrics = TraefikRouter.open(traefik.settings), TraefikMetrics.open(traefik.settings)
    with Model("a") as model, ThreadPoolExecutor(30) as threads:
        router.set(Route(TARGET, 1, (Backend("a", model.url, 100.0),)))
        address = router.address(TARGET)

        def ask(times):
            for answer in threads.map(lambda _: requests.get(address, timeout=20), range(times)):
                assert answer.status_code == 200

        yield model, metrics, ask
    traefik.kill()


def judged(metrics, ask):
    """The judge's word after four looks at sixty requests each."""
    (model,) = load(FILE, "")
    judge = Judge.of(model.environments[0])
    ask(1)
    state, before = judge.start(0.0), metrics.sample()
    for sequence in range(4):
        ask(60)
        sample = metrics.sample()
        found = difference(before, sample, candidate="a", stable=None, weight=100.0, sequence=sequence)
        state, before = judge.observe(state, found), sample
    return state, judge.evidence(state, epoch=1)


def test_answers_that_are_right_and_late_are_harm(served):
    model, metrics, ask = served
    model.hold = Late()
    state, evidence = judged(metrics, ask)
    assert state.harm == ("latency slo",)
    assert evidence.verdict is Verdict.HARM


def test_answers_in_time_keep_the_limit(served):
    _, metrics, ask = served
    state, evidence = judged(metrics, ask)
    assert state.harm == ()
    assert evidence.verdict is Verdict.CLEARED
    assert next(one for one in evidence.findings if one.guard == "latency slo").samples == 240
