"""Which turns are told of what changed."""

from dataclasses import replace

import pytest

from policies.approvals import Approval, Bond, Override
from policies.notices import FINAL, ROLLOUT, URGENT, Notice, Turn, notice, of_phase, turns
from policies.release import FINAL as FINAL_PHASES
from policies.release import HELD, HOLDING, Cause, Phase, Release
from policies.spec.declaration import Approvals, Environment

AT_10 = Release(
    "rel-7", 3, "wine", "wine/production", Environment(), "v-1", "wine-3", Cause("a push", "ann"),
    phase=Phase.SHIFTING, wanted=10.0, observed=10.0,
)  # fmt: skip


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_is_a_turn_to_it(phase):
    before = replace(AT_10, phase=Phase.PENDING if phase is not Phase.PENDING else Phase.APPROVAL)
    assert turns(before, replace(before, phase=phase)) == (of_phase(phase),)


def test_what_is_asked_for_is_told_before_anything_else():
    assert turns(None, AT_10) == (Turn.PENDING,)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ()),
        ({"wanted": 30.0}, ()),
        ({"wanted": 30.0, "observed": 30.0}, (Turn.STEP,)),
        ({"wanted": 30.0, "observed": 20.0}, ()),
        ({"paused": True, "reason": "lunch"}, (Turn.PAUSED,)),
        ({"reason": f"{HELD}not yet"}, (Turn.HELD,)),
        ({"waits": "the router"}, ()),
        ({"override": Override("ann", "INC-1", "p", 1.0)}, (Turn.OVERRIDDEN,)),
        (
            {"override": Override("ann", "INC-1", "p", 1.0), "phase": Phase.WATCHING},
            (Turn.OVERRIDDEN, Turn.WATCHING),
        ),
        ({"phase": Phase.ABORTED, "paused": False}, (Turn.ABORTED,)),
    ],
)
def test_a_change_is_told_by_its_turns(changed, told):
    assert turns(AT_10, replace(AT_10, **changed)) == told


def test_going_on_is_told_and_the_end_of_a_pause_by_the_end_of_the_release_is_not():
    paused = replace(AT_10, paused=True)
    assert turns(paused, AT_10) == (Turn.RESUMED,)
    assert turns(paused, replace(AT_10, phase=Phase.PROMOTED)) == (Turn.PROMOTED,)


def test_what_is_held_is_told_again_only_after_it_went_on():
    held = replace(AT_10, reason=f"{HELD}not yet")
    assert turns(held, replace(held, observed=30.0, wanted=30.0)) == (Turn.STEP,)
    assert turns(held, replace(held, reason=f"{HELD}still not")) == ()


def test_rollouts_and_ends_are_those_of_the_machine():
    assert {of_phase(phase) for phase in FINAL_PHASES} == FINAL
    assert {of_phase(phase) for phase in HOLDING} == ROLLOUT - {
        Turn.STEP,
        Turn.HELD,
        Turn.PAUSED,
        Turn.RESUMED,
    }
    assert len(set(URGENT)) == len(URGENT)


def test_a_notice_says_how_its_release_stood():
    cause = Cause("a tag", "ann", "git", "c0ffee", "mlflow", ("wine", "3"))
    said = (Approval("bob", "plan-1", 1.0), Approval("eve", "plan-0", 0.5))
    release = Release(
        "rel-7", 3, "wine", "wine/production", Environment("production", approvals=Approvals(2)), "v-1", "wine-3",
        cause, phase=Phase.SHIFTING, wanted=30.0, observed=10.0, began=5.0, image="sha256:1", plan="plan-1",
        approvals=said, unproven=("no evidence",), waits="the router",
    )  # fmt: skip
    told = notice(Turn.STEP, 9.0, release, "a title", "a text")
    assert told == Notice(
        Turn.STEP, 9.0, "rel-7", 5.0, "a title", "a text", "wine", "production", "wine/production", 3, "shifting",
        "v-1", "sha256:1", "a tag", "ann", "git", "c0ffee", ("wine", "3"), 30.0, 10.0, False, "the router",
        "plan-1", 2, ("bob",),
    )  # fmt: skip
    assert notice(Turn.STEP, 9.0, replace(release, reason="no luck"), "", "").reason == "no luck"


ASKED = replace(AT_10, phase=Phase.APPROVAL, asked=(Bond("approval-1", "p", "e", ()),))
SAID = (Approval("bob", "p", 1.0),)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (ASKED, ASKED, ()),
        (ASKED, replace(ASKED, asked=(*ASKED.asked, Bond("approval-2", "q", "e", ()))), (Turn.APPROVAL,)),
        (replace(ASKED, approvals=SAID), ASKED, (Turn.APPROVAL,)),  # what was said counts no more
        (ASKED, replace(ASKED, approvals=SAID), (Turn.APPROVED,)),
        (replace(AT_10, approvals=SAID), AT_10, ()),
    ],
)
def test_people_are_asked_anew_where_what_they_were_asked_has_changed(before, after, told):
    assert turns(before, after) == told
