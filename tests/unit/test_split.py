"""The whole split of a target, and what is recorded of its answers."""

from dataclasses import replace

import pytest

from policies.effects import SetTraffic, Share
from policies.place import Place
from policies.recording import Keep, Recording
from policies.release import Cause, Phase, Release, Serving, Target
from policies.spec.declaration import Environment, Guard, GuardKind, Shadow
from policies.split import split_of, write

STABLE = Serving("rel-1", 1, "v-0", "sha256:0", "wine-0", "http://stable", 0.0)
TARGET = Target("wine/production", 4, "rel-7", 7, STABLE)
CANDIDATE = Release(
    "rel-7", 7, "wine", "wine/production", Environment(sticky="cookie"), "v-1", "wine-1", Cause("a push", "ann"),
    phase=Phase.SHIFTING, wanted=30.0, observed=10.0, epoch=4, attempt=2, url="http://candidate",
    place=Place("prod", "ml"),
)  # fmt: skip
REST, PART = Share("wine-0", "http://stable", 70.0), Share("wine-1", "http://candidate", 30.0)
ALL = Share("wine-1", "http://candidate", 100.0)


def test_a_split_is_written_whole_under_a_step_of_its_own():
    decision = write(CANDIDATE, TARGET)
    assert (decision.release.attempt, decision.release.step) == (3, "traffic-4-3")
    assert decision.target == TARGET
    assert decision.effects[0] == SetTraffic(
        "traffic-4-3", "wine/production", 4, "wine-1", (REST, PART), "cookie", 3, Place("prod", "ml"), None
    )


@pytest.mark.parametrize(
    ("stable", "url", "weight", "shares"),
    [
        (STABLE, "http://candidate", 30.0, (REST, PART)),
        (STABLE, "", 0.0, (replace(REST, weight=100.0),)),  # nothing of the candidate runs yet
        (None, "http://candidate", 100.0, (ALL,)),
        (None, "http://candidate", 30.0, ()),  # a part of nobody's traffic
        (replace(STABLE, backend="wine-1"), "http://candidate", 100.0, (ALL,)),  # the same again
    ],
)
def test_stable_has_the_rest(stable, url, weight, shares):
    split = split_of(replace(CANDIDATE, url=url), replace(TARGET, stable=stable), "step", weight)
    assert (split.shares, split.step, split.attempt) == (shares, "step", 2)


BY_REQUEST = (Guard("right", GuardKind.LABELS, by_request=True),)
SHADOW = Shadow(60.0, "label", "score", Keep.ANSWERS, 0.25)


@pytest.mark.parametrize(
    ("copied", "guards", "shadow", "recording"),
    [
        (False, (), SHADOW, None),
        (False, BY_REQUEST, SHADOW, Recording(True, False, "label", "score", Keep.ANSWERS, 0.25)),
        (True, (), SHADOW, Recording(False, True, "label", "score", Keep.ANSWERS, 0.25)),
        (
            True,
            BY_REQUEST,
            replace(SHADOW, requests="old.jsonl", rate=5.0),
            Recording(True, True, "label", "score", Keep.ANSWERS, 0.25, "old.jsonl", 5.0),
        ),
        (  # recorded requests are for a shadow
            False,
            BY_REQUEST,
            replace(SHADOW, requests="old.jsonl", rate=5.0),
            Recording(True, False, "label", "score", Keep.ANSWERS, 0.25),
        ),
    ],
)
def test_what_is_recorded_is_what_its_policy_asks_for(copied, guards, shadow, recording):
    release = replace(CANDIDATE, copied=copied, environment=Environment(guards=guards, shadow=shadow))
    assert split_of(release, TARGET, "step", 30.0).recording == recording
