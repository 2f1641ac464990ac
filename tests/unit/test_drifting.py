"""What follows where somebody else changed what serves, by rule; and what each word may do to a target."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import drifting
from policies.place import Place
from policies.release import Remedy, Serving, Target
from policies.spec.declaration import WhenDrifted
from service.cli import doctor

PLACE = Place("prod", "ml", "fraud", "ml/fraud")
NEW = Serving("rel-2", 2, "v2", "sha256:new", "fraud-2.ml", "http://2", 10.0, registered=("fraud", "5"))
OLD = Serving("rel-1", 1, "v1", "sha256:old", "fraud-1.ml", "http://1", 5.0)
TARGET = Target("fraud/production", 4, None, 2, NEW, OLD, PLACE)
ADOPT = Remedy("adopt", "all to 1", "ann", "it is the one we trust", 5, 60.0)


def test_by_default_a_change_is_only_told():
    after = drifting.noted(TARGET, "all to 1", WhenDrifted.HOLD, 60.0)
    assert (after.drift, after.remedy, after.epoch) == ("all to 1", None, 4)
    assert "segue repair fraud/production" in drifting.told(after)
    assert "segue adopt fraud/production" in drifting.told(after)


@pytest.mark.parametrize(("rule", "verb"), [(WhenDrifted.REPAIR, "repair"), (WhenDrifted.ADOPT, "adopt")])
def test_a_policy_has_its_remedy_for_exactly_what_was_seen_under_an_epoch_of_its_own(rule, verb):
    after = drifting.noted(TARGET, "all to 1", rule, 60.0)
    assert after.remedy == Remedy(verb, "all to 1", drifting.POLICY, "", 5, 60.0)
    assert after.epoch == 5
    assert drifting.noted(after, "", rule, 70.0).remedy is None
    assert drifting.noted(after, "half to 1", rule, 70.0).remedy.seen == "half to 1"


@pytest.mark.parametrize("rule", WhenDrifted)
def test_while_a_release_is_on_its_way_no_policy_writes_anything(rule):
    after = drifting.noted(replace(TARGET, holder="rel-3"), "all to 1", rule, 60.0)
    assert (after.remedy, after.epoch) == (None, 4)
    assert "rel-3 is on its way" in drifting.told(after)


def test_whoever_undoes_each_repair_gets_three_within_an_hour_and_then_a_clear_message():
    target = TARGET
    for minute in range(6):
        target = drifting.noted(target, f"all to 1, {minute}", WhenDrifted.REPAIR, 60.0 * minute)
        if target.remedy is not None:
            target = drifting.repaired(target)
    assert target.epoch == TARGET.epoch + drifting.MOST_REPAIRS
    assert target.remedy is None
    assert "repaired 3 times within an hour, and changed again each time" in drifting.told(target)
    later = drifting.noted(target, "all to 1, much later", WhenDrifted.REPAIR, 60.0 * 2 + drifting.HOUR)
    assert later.remedy is not None


def test_what_has_all_requests_is_stable_once_it_is_adopted_and_not_proven():
    seen = replace(TARGET, drift="all to 1", remedy=ADOPT, repairs=(1.0,))
    after = drifting.adopted(seen, ADOPT, {"fraud-1.ml": 100.0, "fraud-2.ml": 0.0}, 60.0)
    assert after.stable == replace(OLD, since=60.0, adopted="ann took it for right: it is the one we trust")
    assert after.previous == NEW
    assert (after.drift, after.remedy, after.repairs) == ("", None, ())


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ({"fraud-1.ml": 30.0, "fraud-2.ml": 70.0}, "it sends fraud-1.ml 30 %, fraud-2.ml 70 %"),
        ({}, "it sends nothing"),
        ({"stranger.ml": 100.0}, "no release brought it here"),
        ({"fraud-2.ml": 100.0}, "its requests go where Segue sent them"),
    ],
)
def test_what_cannot_serve_alone_is_not_adopted_and_it_is_said_why(shares, why):
    said = drifting.adopted(TARGET, ADOPT, shares, 60.0)
    assert isinstance(said, str)
    assert why in said


def test_only_the_image_of_what_was_found_can_be_adopted():
    found = replace(TARGET, stable=replace(OLD, version="", release=""), remedy=ADOPT)
    after = drifting.adopted_image(found, ADOPT, "acme/fraud@sha256:x", 60.0)
    assert (after.stable.image, after.stable.backend) == ("acme/fraud@sha256:x", "fraud-1.ml")
    assert after.stable.adopted.startswith("ann took it for right")
    assert "needs a release" in drifting.adopted_image(TARGET, ADOPT, "acme/fraud@sha256:x", 60.0)


def test_nothing_is_adopted_under_a_release_that_began_meanwhile():
    begun = replace(TARGET, drift="all to 1", remedy=ADOPT, holder="rel-3")
    assert "rel-3 began meanwhile" in drifting.adopted(begun, ADOPT, {"fraud-1.ml": 100.0}, 60.0)
    found = replace(begun, stable=replace(OLD, version="", release=""))
    assert "rel-3 began meanwhile" in drifting.adopted_image(found, ADOPT, "acme/fraud@sha256:x", 60.0)


def test_a_drift_that_outlasts_a_release_is_for_the_policy_but_what_it_left_stays_left():
    told = drifting.noted(replace(TARGET, holder="rel-3"), "all to 1", WhenDrifted.REPAIR, 60.0)
    assert not drifting.unruled(told)
    free = replace(told, holder=None)
    assert drifting.unruled(free)
    assert not drifting.unruled(drifting.noted(free, "all to 1", WhenDrifted.REPAIR, 70.0))
    assert not drifting.unruled(drifting.unmended(free, "the API server said no"))
    assert not drifting.unruled(replace(free, repairs=(1.0, 2.0, 3.0)))


def test_what_could_not_be_done_stays_a_drift_and_says_why():
    after = drifting.unmended(replace(TARGET, drift="all to 1", remedy=ADOPT), "the API server said no")
    assert after.drift == "all to 1"
    assert "not mended: the API server said no" in drifting.told(after)


@pytest.mark.parametrize(
    ("named", "serving", "told"),
    [
        ("5", {"5"}, ""),
        ("6", {"5", "6"}, ""),  # another environment serves it: the alias follows whichever came last
        ("4", {"5"}, "fraud@champion names version 4, and version 5 serves"),
        (None, {"5"}, "fraud@champion names nothing, and version 5 serves"),
    ],
)
def test_an_alias_is_apart_where_it_names_nothing_that_serves(named, serving, told):
    assert drifting.champion_apart(TARGET, named, serving) == told


def test_what_people_took_for_right_is_told_no_more_and_something_new_is():
    apart = replace(TARGET, apart="fraud@champion names version 4, and version 5 serves")
    taken = replace(apart, accepted=apart.apart)
    assert drifting.told(apart)
    assert (drifting.told(taken), drifting.mark(taken)) == ("", "")
    assert drifting.told(replace(taken, apart="fraud@champion names version 3, and version 5 serves"))


def test_each_drift_has_a_mark_of_its_own():
    seen = [TARGET, replace(TARGET, drift="a"), replace(TARGET, drift="b"), replace(TARGET, apart="a b")]
    marks = [drifting.mark(one) for one in seen]
    assert marks[0] == ""
    assert len(set(marks)) == len(seen)


def test_doctor_names_each_target_that_others_changed_and_what_to_type():
    seen = [TARGET, replace(TARGET, name="wine/production", drift="ann (Update) gave it 5 %")]
    (finding,) = doctor.drifts(seen)
    assert (finding.check, finding.ok) == ("target wine/production", False)
    assert "ann (Update) gave it 5 %" in finding.detail
    assert "segue repair wine/production" in finding.mend


STEPS = st.tuples(
    st.sampled_from(["look", "order", "repaired", "adopted", "unmended", "taken", "free"]),
    st.sampled_from(["", "all to 1", "half to 1"]),
    st.floats(0.0, 1200.0),
)


@given(st.lists(STEPS, max_size=40), st.sampled_from(WhenDrifted))
def test_whatever_happens_a_remedy_is_for_what_is_there_under_an_epoch_that_only_grows(steps, rule):
    target, now, ordered = TARGET, 0.0, []
    for what, drift, seconds in steps:
        before, now = target, now + seconds
        match what:
            case "look" if drift != target.drift:
                target = drifting.noted(target, drift, rule, now)
                if target.remedy is not None and target.remedy.verb == "repair":
                    ordered.append(now)
            case "order" if target.drift and target.holder is None and target.remedy is None:
                target = drifting.ordered(target, "repair", "ann", "", now)
            case "repaired" if target.remedy is not None:
                target = drifting.repaired(target)
            case "adopted" if target.remedy is not None:
                found = drifting.adopted(target, target.remedy, {"fraud-1.ml": 100.0}, now)
                target = target if isinstance(found, str) else replace(found, repairs=target.repairs)
            case "unmended" if target.remedy is not None:
                target = drifting.unmended(target, "no")
            case "taken" | "free":
                target = replace(target, holder="rel-3" if what == "taken" else None)
        assert target.epoch >= before.epoch
        if target.remedy is not None:
            assert (target.remedy.seen, target.remedy.epoch) == (target.drift, target.epoch)
        assert target.remedy is None or target.remedy == before.remedy or before.holder is None
        assert {one.backend for one in (target.stable, target.previous)} == {"fraud-1.ml", "fraud-2.ml"}
    assert all(sum(one <= at < one + drifting.HOUR for at in ordered) <= 3 for one in ordered)
