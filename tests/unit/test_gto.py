"""Git tags as a registry: what a tag says, and who holds a stage."""

import pytest

from policies import gto
from policies.gto import Act, Tag

A, B, C = ("a" * 40, "b" * 40, "c" * 40)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("churn@v1.2.3", ("churn", Act.REGISTER, "v1.2.3", 0)),
        ("churn@v1.2.3#1", ("churn", Act.REGISTER, "v1.2.3", 1)),
        ("churn@v1.0.0-rc.1+gpu#2", ("churn", Act.REGISTER, "v1.0.0-rc.1+gpu", 2)),
        ("churn@v1.2.3!", ("churn", Act.DEREGISTER, "v1.2.3", 0)),
        ("churn@v1.2.3!#12", ("churn", Act.DEREGISTER, "v1.2.3", 12)),
        ("churn#prod", ("churn", Act.ASSIGN, "prod", 0)),
        ("churn#prod#3", ("churn", Act.ASSIGN, "prod", 3)),
        ("models/churn=churn#prod#3", ("churn", Act.ASSIGN, "prod", 3)),
        ("team/churn#eu/prod#3", ("team/churn", Act.ASSIGN, "eu/prod", 3)),
        ("churn#prod!", ("churn", Act.UNASSIGN, "prod", 0)),
        ("churn#prod!#4", ("churn", Act.UNASSIGN, "prod", 4)),
        ("churn@deprecated#5", ("churn", Act.DEPRECATE, "", 5)),
    ],
)
def test_a_tag_of_gto_says_what_it_does(name, said):
    assert gto.read(name, A) == Tag(name, *said, A)


@pytest.mark.parametrize(
    "name",
    [
        "v1.2.3", "churn", "churn@1.2.3", "churn@v1.2", "churn#", "churn#prod#", "churn#prod#x", "churn##3",
        "churn#prod#3#4", "churn!#prod", "churn@deprecated!", "#prod#3", "-churn#prod", "churn#prod-", "churn #prod",
        "a=b=churn#prod", "churn#prod#" + "9" * 13, "chürn#prod#1", "churn#prod\n",
    ],
)  # fmt: skip
def test_any_other_tag_says_nothing(name):
    assert gto.read(name, A) is None


STANDS = {
    "nothing": ({}, None),
    "an assignment without a version": ({"churn#prod#1": A}, ("churn#prod#1", None)),
    "one of a version": ({"churn@v1.0.0#1": A, "churn#prod#2": A}, ("churn#prod#2", "v1.0.0")),
    "the newest wins": (
        {"churn@v1.0.0#1": A, "churn#prod#2": A, "churn@v2.0.0#3": B, "churn#prod#10": B, "churn#prod#9": A},
        ("churn#prod#10", "v2.0.0"),
    ),
    "back to an older version": (
        {"churn@v1.0.0": A, "churn@v2.0.0": B, "churn#prod#1": A, "churn#prod#2": B, "churn#prod#3": A},
        ("churn#prod#3", "v1.0.0"),
    ),
    "a number is newer than none": ({"churn#prod": A, "churn#prod#1": B}, ("churn#prod#1", None)),
    "other models and stages": (
        {"churn#prod#1": A, "fraud#prod#7": B, "churn#dev#8": B, "churn-2#prod#9": B, "v1": C},
        ("churn#prod#1", None),
    ),
    "taken back": ({"churn#prod#1": A, "churn#prod!#2": A}, None),
    "taken back from another version": (
        {"churn#prod#1": A, "churn#prod#2": B, "churn#prod!#3": A},
        ("churn#prod#2", None),
    ),
    "taken back and given again": (
        {"churn#prod#1": A, "churn#prod!#2": A, "churn#prod#3": A},
        ("churn#prod#3", None),
    ),
    "taken back without numbers": ({"churn#prod": A, "churn#prod!": A}, None),
    "its version was taken back": (
        {"churn@v1.0.0#1": A, "churn#prod#2": A, "churn@v1.0.0!#3": A},
        None,
    ),
    "another version was taken back": (
        {"churn@v1.0.0#1": A, "churn@v0.9.0#2": B, "churn#prod#3": A, "churn@v0.9.0!#4": B},
        ("churn#prod#3", "v1.0.0"),
    ),
    "the model is deprecated": ({"churn#prod#1": A, "churn@deprecated#2": B}, None),
    "its version was taken back, of which GTO writes no number": (
        {"churn@v1.0.0": A, "churn#prod#1": A, "churn@v1.0.0!": A},
        None,
    ),
    "it was registered once more, which takes a number": (
        {"churn@v1.0.0": A, "churn@v1.0.0!": A, "churn@v1.0.0#1": A, "churn#prod#2": A},
        ("churn#prod#2", "v1.0.0"),
    ),
    "the model is deprecated without a number at its newest version": (
        {"churn@v1.9.0": A, "churn#prod#1": A, "churn@v1.10.0": B, "churn@deprecated": B},
        None,
    ),
    "it was, and a later version is assigned": (
        {"churn@v1.9.0": A, "churn@deprecated": A, "churn@v1.10.0+gpu": B, "churn#prod#2": B},
        ("churn#prod#2", "v1.10.0+gpu"),
    ),
    "it was at a commit that is no version": (
        {"churn@v1.0.0": A, "churn#prod#1": A, "churn@deprecated": B},
        ("churn#prod#1", "v1.0.0"),
    ),
    "it was, and was assigned again": (
        {"churn@deprecated#1": B, "churn#prod#2": A},
        ("churn#prod#2", None),
    ),
}


@pytest.mark.parametrize("case", STANDS)
def test_who_holds_a_stage(case):
    tags, wanted = STANDS[case]
    found = gto.held(tags, "churn", "prod")
    assert (None if found is None else (found.tag.name, found.version)) == wanted
    assert found is None or found.tag.commit == tags[found.tag.name]
