"""Roles: each verb has its row, a pattern means what it says, and what is not allowed is refused."""

import re
from typing import get_args

import pytest

from policies import roles
from policies.events import Verb
from policies.roles import ALLOWED, OWNER, Rights, Role, grant


def rights(*told):
    return Rights(tuple(grant(*one.split(" on ")) for one in told))


def test_every_command_has_a_row_of_its_own():
    assert set(ALLOWED) == set(get_args(Verb)) | {"see", "ask", "label", "admit"}


def test_an_admin_may_do_everything_and_a_tool_only_ask():
    assert all(Role.ADMIN in allowed for allowed in ALLOWED.values())
    assert [action for action, allowed in ALLOWED.items() if Role.VERDICTS in allowed] == ["ask"]


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("viewer", {"see", "ask", "help"}, {"abort", "approve", "reject", "start", "label"}),
        ("operator", {"see", "abort", "promote", "start", "reject", "label"}, {"approve", "hand-back"}),
        ("approver", {"see", "approve", "reject"}, {"promote", "abort", "start", "rollback", "hand-back"}),
        ("verdicts", {"ask"}, {"see", "help", "approve"}),
    ],
)
def test_a_role_may_do_its_own_and_nothing_else(role, may, may_not):
    somebody = rights(f"{role} on *")
    assert {action for action in may if somebody.may(action, "wine/production")} == may
    assert not {action for action in may_not if somebody.may(action, "wine/production")}


def test_what_nobody_named_nobody_may_do():
    assert not OWNER.may("format-the-disk", "wine/production")
    assert not Rights().may("see", "wine/production")
    assert roles.who_may("format-the-disk") == "nobody"


@pytest.mark.parametrize(
    ("where", "own", "foreign"),
    [
        ("wine", ["wine/production", "wine/staging"], ["wines/production", "redwine/production"]),
        ("wine/*", ["wine/production"], ["churn/production"]),
        ("*/staging", ["wine/staging", "churn/staging"], ["wine/production"]),
        ("wine-*/production", ["wine-red/production"], ["wine/production", "wine-red/staging"]),
        ("a.b/production", ["a.b/production"], ["axb/production"]),
        ("*", ["wine/production"], []),
    ],
)
def test_a_pattern_matches_its_targets_and_no_others(where, own, foreign):
    somebody = rights(f"viewer on {where}")
    expression = somebody.targets("see")
    for target in own:
        assert somebody.may("see", target)
        assert expression is None or re.search(expression, target)
    for target in foreign:
        assert not somebody.may("see", target)
        assert expression is not None
        assert not re.search(expression, target)


def test_a_star_stands_for_one_part_alone():
    assert not rights("viewer on wine*").may("see", "wine/a/b")
    assert rights("viewer on **/*").may_everywhere("see")
    assert not rights("viewer on */production").may_everywhere("see")


def test_who_may_see_nothing_matches_no_target():
    assert not re.search(Rights().targets("see"), "wine/production")
    assert Rights().targets("see") is not None


def test_roles_add_up_each_at_its_own_place():
    both = rights("viewer on *", "approver on wine/production")
    assert both.may("approve", "wine/production")
    assert not both.may("approve", "churn/production")
    assert both.may_somewhere("approve")
    assert both.may_of_model("approve", "wine")
    assert not both.may_of_model("approve", "churn")
    assert str(both) == "viewer on */*, approver on wine/production"
    assert roles.joined([both, rights("viewer on *")]) == both


@pytest.mark.parametrize("told", ["root on *", " on *", "viewer on ", "viewer on wine/", "viewer on /", "viewer on a/b/c",
                                  "viewer on wine (", "viewer on .*\n", "viewer on wïne"])  # fmt: skip
def test_what_is_no_role_or_place_is_refused(told):
    with pytest.raises(ValueError, match=r"no role|names no targets"):
        grant(*told.split(" on "))
