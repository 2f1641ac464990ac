"""Whatever a release looks like: *go* needs evidence, and an open gate needs what its name promises."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.asking import Answer, Gate, answer, passes
from policies.evidence import Verdict
from policies.place import Place
from policies.release import HOLDING, Cause, Phase, Release
from policies.shifting import STALE_AFTER
from policies.spec.declaration import Environment, Mode
from tests.unit.test_only_watching import evidence

NOW = 1000.0
PLACE = Place("prod", "ml", None, None, "wine-stable", "wine-canary")
releases = st.builds(
    replace,
    st.just(Release("rel-2", 2, "wine", "wine/production", Environment(mode=Mode.OBSERVE), "v2", "b", Cause("", None))),
    phase=st.sampled_from(Phase),
    epoch=st.sampled_from([1, 2]),
    evidence=evidence | st.none(),
    evidence_at=st.sampled_from([NOW, NOW - 10, NOW - STALE_AFTER - 1, NOW + STALE_AFTER + 1]),
    paused=st.booleans(),
    wanted=st.sampled_from([0.0, 35.0]),
    would=st.sampled_from(["", "would have …"]),
    place=st.just(PLACE),
)  # fmt: skip
there = st.sampled_from(["", "", "the pods are of another version"])
percent = st.sampled_from([0.0, 10.0, 50.0, 100.0])


def harmed(release):
    return bool(release.would) and release.wanted == 0


@settings(max_examples=800)
@given(release=releases | st.none(), there=there, weight=percent | st.none())
def test_go_needs_a_release_that_is_there_and_current_evidence_that_allows_it(release, there, weight):
    said = answer(release, at=NOW, there=there, weight=weight)
    if said.answer is not Answer.GO:
        return
    seen = release.evidence
    assert there == ""
    assert release.phase in HOLDING
    assert not release.paused
    assert not harmed(release)
    assert seen.epoch == release.epoch
    assert abs(NOW - release.evidence_at) <= STALE_AFTER
    assert (seen.verdict, seen.current) == (Verdict.CLEARED, True)
    assert seen.weight > 0 if weight is None else weight <= seen.allowed <= 100


@settings(max_examples=800)
@given(
    gate=st.sampled_from(Gate),
    release=releases | st.none(),
    there=there,
    weight=percent | st.none(),
    routed=percent | st.none(),
)
def test_an_open_gate_has_what_it_promises(gate, release, there, weight, routed):
    said = answer(release, at=NOW, there=there, weight=weight)
    if not passes(gate, release, said, routed):
        return
    if gate is Gate.ROLLBACK:
        assert harmed(release) or release.phase in {
            Phase.ROLLED_BACK, Phase.ABORTED, Phase.REFUSED, Phase.REJECTED, Phase.FAILED,
        }  # fmt: skip
        return
    assert release.phase in HOLDING
    assert not release.paused
    assert not harmed(release)
    if gate is not Gate.CONFIRM_ROLLOUT:
        assert there == ""
    if gate is Gate.ROLLOUT:
        assert said.current
        assert release.evidence.verdict in {Verdict.CLEARED, Verdict.UNDECIDED}
    if gate is Gate.CONFIRM_TRAFFIC_INCREASE:
        assert said.answer is Answer.GO or routed == 0
    if gate is Gate.CONFIRM_PROMOTION:
        assert said.answer is Answer.GO
