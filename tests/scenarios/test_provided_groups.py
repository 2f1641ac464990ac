"""Approvals by groups of the provider of identities, and by roles: on the page, in comments, and looked at twice."""

import pytest

from policies.approvals import GROUPS_SECONDS
from policies.events import Command
from policies.release import Phase
from policies.roles import grant
from service.identity import callers, people, sessions, tokens
from service.obeying.reply import Reply
from service.ports.identity import Identity
from service.store.queue import Work
from service.store.states import COMMAND
from tests.scenarios.conftest import WINE
from tests.scenarios.test_comments import Hosted

TEAM = WINE + 'approvals: {count: 1, from: ["@oidc:ml-team"]}\n'
ROLE = WINE + 'approvals: {count: 1, from: ["@role:approver"]}\n'
BEGUN = {Phase.STARTING, Phase.CHECKING, Phase.SHIFTING, Phase.WATCHING}


@pytest.fixture
def world(tmp_path, stores):
    made = Hosted(tmp_path, **stores, oidc_issuer="https://login.example", oidc_client="segue")
    with made.store.change() as change:
        callers.give(change, "oidc:Bob", grant("approver", "wine"), "segue")
    yield made
    made.close()


def approve(world, name, caller):
    """An approval by whoever this is, as the page stores it; what they are answered."""
    now = world.clock.now
    command = Command("approve", name, None, None, caller.name, "page", now, authority=caller.holders)
    key = f"approve-{name}-{now}"
    with world.store.change() as change:
        change.add_work(Work(key, "command", key, key, COMMAND.dump(command)))
    world.settle()
    return Reply(**world.store.answer(key))


def on_the_page(world, name, session):
    """The same by whoever has this session."""
    return approve(world, name, sessions.visitor(world.store, session).caller)


def test_who_is_in_the_group_at_the_login_may_approve_on_the_page(world):
    name = world.waiting(TEAM)
    other = sessions.begin_for(world.store, "oidc:Bob", Identity("Bob", ("sales",), "id-bob"))
    assert "is not among the people named" in on_the_page(world, name, other).text
    session = sessions.begin_for(world.store, "oidc:Bob", Identity("Bob", ("ml-team",), "id-bob"))
    assert on_the_page(world, name, session).ok
    assert world.phase(name) in BEGUN


def test_a_comment_counts_by_the_group_of_the_persons_last_login_while_that_is_fresh(world):
    name = world.waiting(TEAM)
    sessions.begin_for(world.store, "oidc:Bob", Identity("Bob", ("ml-team",), "id-bob"))
    told = world.ask(f"/segue approve {name}")
    assert "have `segue person` say which accounts are yours" in told[-1]
    people.name(world.store, "bob", ("oidc:Bob", "code:bob"))
    world.clock.now += GROUPS_SECONDS
    told = world.ask(f"/segue approve {name}")
    assert "log in to the page once more" in told[-1]
    assert world.phase(name) is Phase.APPROVAL
    sessions.begin_for(world.store, "oidc:Bob", Identity("Bob", ("ml-team",), "id-bob"))
    world.ask(f"/segue approve {name}")
    assert world.phase(name) in BEGUN


def test_who_logs_out_stays_known_and_whose_logins_an_admin_ends_does_not(world):
    people.name(world.store, "bob", ("oidc:Bob", "code:bob"))
    sessions.end(
        world.store, sessions.begin_for(world.store, "oidc:Bob", Identity("Bob", ("ml-team",), "id-bob"))
    )
    first = world.waiting(TEAM)
    world.ask(f"/segue approve {first}")
    assert world.phase(first) in BEGUN
    second = world.waiting(TEAM)
    sessions.end_all(world.store, "oidc:Bob", "segue")
    world.ask(f"/segue approve {second}")
    assert world.phase(second) is Phase.APPROVAL


def test_a_group_that_was_lost_before_the_turn_came_counts_no_more(world):
    holder = world.waiting(WINE + "approvals: {count: 1}\n")
    world.ask(f"/segue approve {holder}")
    people.name(world.store, "bob", ("oidc:Bob", "code:bob"))
    sessions.begin_for(world.store, "oidc:Bob", Identity("Bob", ("ml-team",), "id-bob"))
    name = world.waiting(TEAM)
    world.ask(f"/segue approve {name}")
    assert world.phase(name) is Phase.QUEUED
    sessions.begin_for(world.store, "oidc:Bob", Identity("Bob", ("sales",), "id-bob"))
    world.ask(f"/segue abort {holder}", who="ann")
    world.settle(5)
    assert world.phase(name) is Phase.APPROVAL
    assert "does not count any more" in world.release(name).reason


def test_no_git_host_speaks_for_the_provider_nor_for_roles(world):
    world.host.groups["oidc:ml-team"] = world.host.groups["role:approver"] = {"bob"}
    for rules in (TEAM, ROLE):
        name = world.waiting(rules)
        world.ask(f"/segue approve {name}")
        assert world.phase(name) is Phase.APPROVAL
        world.ask(f"/segue abort {name}", who="ann")


def test_a_role_that_was_given_for_the_target_counts_and_no_other(world):
    name = world.waiting(ROLE)
    tokens.make(world.store, "sue", grants=(grant("operator", "*"), grant("approver", "fraud")))
    with world.store.read() as read:
        sue = callers.of_token(read, next(one for one in read.tokens() if one.name == "sue"))
    assert not approve(world, name, sue).ok
    with world.store.change() as change:
        callers.give(change, "code:bob", grant("approver", "*/staging"), "segue")
    world.ask(f"/segue approve {name}")
    assert world.phase(name) is Phase.APPROVAL
    with world.store.change() as change:
        callers.give(change, "code:bob", grant("approver", "wine"), "segue")
    world.ask(f"/segue approve {name}")
    assert world.phase(name) in BEGUN


def test_without_a_provider_its_groups_are_a_mistake(tmp_path, stores):
    world = Hosted(tmp_path, **stores)
    world.push({"segue.yaml": TEAM, "requirements.lock": "", "serve.py": "1"})
    world.settle()
    told = " ".join(report.text for report in world.git.reports)
    assert world.releases() == []
    assert "set SEGUE_OIDC_ISSUER, or name people" in told
    world.close()
