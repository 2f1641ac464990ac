"""Whose approval counts: of this plan, in time, of different people who may, and of no author."""

from dataclasses import replace

import pytest

from policies import approvals, bonds
from policies.approvals import OVERRIDE_SECONDS, Approval, Bond, Override, may_approve, same_person, standing
from policies.spec.declaration import Approvals

ONE, TWO = Approvals(count=1, expires=100.0), Approvals(count=2, expires=100.0)
PLAN = "sha256:" + "a1" * 32


def yes(actor, at=0.0, **more):
    return Approval(actor, PLAN, at, **more)


def missing(rule, *given, author="ann", at=1.0):
    return standing(rule, author, given, PLAN, at).missing


@pytest.mark.parametrize(("at", "counts"), [(100.0, True), (100.1, False)])
def test_an_approval_counts_until_it_expires(at, counts):
    found = standing(ONE, "ann", (yes("bob"),), PLAN, at)
    assert (found.granted, found.missing) == (counts, int(not counts))
    assert found.ignored == (() if counts else ("bob: the approval has expired",))


def test_an_approval_of_another_plan_does_not_count():
    found = standing(ONE, "ann", (replace(yes("bob"), plan="sha256:b"),), PLAN, 1.0)
    assert found.ignored == ("bob: what was approved has changed since",)
    assert not found.granted


def test_more_than_enough_is_enough():
    assert missing(ONE, yes("bob"), yes("eve")) == 0
    assert missing(TWO, yes("bob"), yes("eve")) == 0
    assert missing(TWO, yes("bob")) == 1
    assert missing(TWO) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ann", "ann", True),
        ("ann", "git:ann", True),
        ("git:ann", "hub:ann", True),  # rather one person too few
        ("git:Ann ", "ann", True),
        ("git:\uff41nn", "ann", True),  # a letter of another width
        ("e\u0301va", "\u00e9va", True),  # composed otherwise
        ("ann", "bob", False),
        ("ann", "anna", False),
    ],
)
def test_logins_that_may_be_one_persons(one, other, same):
    assert same_person(one, other) is same
    assert (missing(TWO, yes(one), yes(other), author="x") == 1) is same


def test_accounts_that_the_operator_told_are_one_persons():
    assert same_person("git:b", "ann", ("hub:ann",))
    assert not same_person("git:b", "ann", ("hub:bob",))
    told = yes("git:b", accounts=("git:b", "hub:bob"))
    assert missing(TWO, told, yes("hub:bob", accounts=("git:b", "hub:bob"))) == 1
    # Where both are told, that counts and no likeness of names.
    assert missing(TWO, told, yes("hub:b", accounts=("hub:b", "git:eve"))) == 0
    assert missing(TWO, told, yes("hub:b")) == 1


def test_who_may_be_the_same_as_two_others_makes_all_three_one():
    between = yes("git:x", accounts=("git:bob", "git:eve"))
    assert missing(TWO, yes("bob"), yes("eve")) == 0
    assert missing(TWO, yes("bob"), yes("eve"), between) == 1
    assert missing(replace(TWO, count=3), yes("bob"), yes("eve"), between, yes("kim")) == 1


def test_an_author_cannot_approve_by_any_account():
    assert may_approve(ONE, "ann", "git:ann") == "an author cannot approve their own release"
    assert may_approve(ONE, "ann", "git:a", (), ("hub:ann",)) == "an author cannot approve their own release"
    assert may_approve(ONE, "ann", "git:bob") is None


def test_people_are_named_by_login_by_group_or_by_an_account():
    rule = replace(ONE, people=("bob", "@git:acme/ops", "Hub:Eve"))
    assert may_approve(rule, "ann", "bob") is None
    assert may_approve(rule, "ann", "kim", ("@git:acme/ops",)) is None
    assert may_approve(rule, "ann", "git:e", (), ("hub:eve",)) is None
    refused = may_approve(rule, "ann", "kim", ("@git:acme/dev",), ("hub:kim",))
    assert refused == "is not among the people named by `approvals: {from: [bob, @git:acme/ops, Hub:Eve]}`"


def test_of_many_people_who_could_the_first_are_told():
    people = tuple(f"p{number}" for number in range(approvals.SHOWN + 1))
    at_most, more = replace(ONE, people=people[:-1]), replace(ONE, people=people)
    assert "p9]}`" in may_approve(at_most, "ann", "kim")
    assert "p9, …]}`" in may_approve(more, "ann", "kim")


def test_who_has_no_group_of_the_provider_is_told_to_log_in_once_more():
    rule = replace(ONE, people=("@oidc:ops",))
    assert "count for 12 hours after a login" in may_approve(rule, "ann", "kim")
    assert "login" not in may_approve(rule, "ann", "kim", ("@oidc:dev",))
    assert "login" not in may_approve(replace(ONE, people=("bob",)), "ann", "kim")


def test_groups_that_no_host_may_speak_of():
    assert approvals.known_here("@oidc:ops")
    assert approvals.known_here("@role:approver")
    assert not approvals.known_here("@git:acme/ops")


@pytest.mark.parametrize(("after", "holds"), [(OVERRIDE_SECONDS, True), (OVERRIDE_SECONDS + 1, False)])
def test_an_override_is_of_one_plan_and_ends(after, holds):
    said = Override("root", "INC-1", PLAN, 50.0)
    assert said.holds(PLAN, 50.0 + after) is holds
    assert not said.holds("sha256:b", 51.0)


def test_a_plan_is_named_by_enough_of_its_beginning():
    least = bonds.LEAST_DIGEST
    assert bonds.names(None, PLAN)
    assert bonds.names(PLAN[:least], PLAN)
    assert not bonds.names(PLAN[: least - 1], PLAN)
    assert not bonds.names("sha256:" + "0" * 12, PLAN)


def test_what_differs_is_told_by_name_the_first_four_and_how_many_more():
    parts = {"version": "v1", "image": "sha256:1", "rule `risk`": "0.1", "result `f1`": "0.9", "gate 1": "x"}
    before = Bond("approval-1", "p", "e", tuple(parts.items()))

    def told(changed):
        return bonds.changes(before, Bond("approval-2", "q", "e", tuple(changed.items())))

    assert told(parts) == "nothing but that it was asked for once more"
    assert told({**parts, "image": "sha256:2"}) == "image was sha256:1 and is sha256:2"
    assert told({**parts, "rule `risk`": "sha256:9"}) == "rule `risk` is another one"
    gone = {name: value for name, value in parts.items() if name != "gate 1"}
    assert told({**gone, "gate 2": "y"}) == "gate 1 was x, and is gone; gate 2 is y, and was not there"
    assert told(dict.fromkeys(parts, "z")).endswith("result `f1` was 0.9 and is z; and 1 more")
    assert "more" not in told({**dict.fromkeys(parts, "z"), "gate 1": "x"})
