"""Roles of logins at a Git host: without any the host's own permission counts, with some these alone."""

import pytest

from policies import roles
from policies.release import Phase
from service.identity import callers
from tests.scenarios.test_comments import Hosted


@pytest.fixture
def hosted(tmp_path):
    world = Hosted(tmp_path)
    yield world
    world.close()


def given(world, holder, role, where):
    with world.store.change() as change:
        callers.give(change, holder, roles.grant(role, where), "segue")


def test_a_login_that_has_roles_may_do_what_they_say_and_no_more(hosted):
    name = hosted.waiting()
    given(hosted, "code:bob", "viewer", "*")
    assert "code:bob may not reject" in hosted.ask(f"/segue reject {name}")[-1]
    given(hosted, "code:bob", "operator", "beer")
    assert "code:bob may not reject" in hosted.ask(f"/segue reject {name}")[-1]
    assert hosted.phase(name) is Phase.APPROVAL
    given(hosted, "code:bob", "operator", "wine")
    hosted.ask(f"/segue reject {name}")
    assert hosted.phase(name) is Phase.REJECTED


def test_a_login_without_roles_may_what_the_host_lets_it(hosted):
    name = hosted.waiting()
    given(hosted, "code:bob", "viewer", "*")
    hosted.ask(f"/segue reject {name}", who="sue")
    assert hosted.phase(name) is Phase.REJECTED


def test_a_role_opens_no_repository_that_the_host_keeps_shut(hosted):
    name = hosted.waiting()
    given(hosted, "code:eve", "admin", "*")
    assert hosted.ask(f"/segue reject {name}", who="eve") == []
    assert hosted.phase(name) is Phase.APPROVAL


def test_a_foreign_release_is_not_there_for_them(hosted):
    name = hosted.waiting()
    given(hosted, "code:bob", "operator", "beer")
    assert f"there is nothing named '{name}'" in hosted.ask(f"/segue abort {name}")[-1]
    assert f"there is nothing named '{name}'" not in hosted.ask("/segue abort rel-99")[-1]
    assert hosted.phase(name) is Phase.APPROVAL
