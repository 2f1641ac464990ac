"""Sessions and one-time links of the page, on either database."""

import threading

from policies.roles import grant
from service.identity import callers, sessions, tokens
from service.ports.identity import Identity


def test_a_link_becomes_a_session_that_ends(store):
    secret = tokens.make(store, "ann")
    code = sessions.offer(store, secret)
    session = sessions.redeem(store, code)
    assert sessions.visitor(store, session).name == "ann"
    assert sessions.redeem(store, code) is None
    sessions.end(store, session)
    assert sessions.visitor(store, session) is None


def test_a_token_becomes_a_session_and_a_wrong_one_none(store):
    first, second = (sessions.begin(store, tokens.make(store, name)) for name in ("ann", "bob"))
    assert sessions.visitor(store, first).name == "ann"
    assert sessions.visitor(store, first).proof != sessions.visitor(store, second).proof
    assert sessions.begin(store, "segue_wrong") is None
    assert sessions.offer(store, "segue_wrong") is None


def test_a_login_by_a_provider_lasts_as_one_by_a_token_and_does_what_its_groups_may_now(store, clock):
    assert sessions.begin_for(store, "oidc:ann", Identity("ann", ("ml", "ops"), "id-ann")) is None
    with store.change() as change:
        callers.give(change, "@ops", grant("operator", "*/staging"), "segue")
    session = sessions.begin_for(store, "oidc:ann", Identity("ann", ("ml", "ops"), "id-ann"))
    visitor = sessions.visitor(store, session)
    assert visitor.caller.holders == ("oidc:ann", "@ml", "@ops")
    assert str(visitor.rights) == "operator on */staging"
    clock.now += sessions.IDLE_SECONDS - 1
    assert sessions.visitor(store, session) is not None
    with store.change() as change:
        callers.take_back(change, "@ops", "segue")
    assert str(sessions.visitor(store, session).rights) == "nothing"
    clock.now += sessions.IDLE_SECONDS
    assert sessions.visitor(store, session) is None


def test_a_login_that_has_ended_by_itself_is_listed_no_more(store, clock):
    session = sessions.begin(store, tokens.make(store, "ann", expires=clock.now + 100))
    with store.read() as read:
        assert [(one.name, one.since) for one in sessions.all_open(read)] == [("ann", clock.now)]
    clock.now += 100
    with store.read() as read:
        assert sessions.all_open(read) == []
    assert sessions.visitor(store, session) is None
    assert sessions.end_all(store, "token:ann", "segue") == 0


def test_a_token_and_a_login_of_one_name_end_apart(store):
    with store.change() as change:
        callers.give(change, "oidc:ann", grant("operator", "*"), "segue")
    by_token = sessions.begin(store, tokens.make(store, "oidc:ann"))
    by_provider = sessions.begin_for(store, "oidc:ann", Identity("ann", (), "id-ann"))
    assert sessions.end_all(store, "token:oidc:ann", "segue") == 1
    assert sessions.visitor(store, by_token) is None
    assert sessions.visitor(store, by_provider) is not None
    assert sessions.end_all(store, "oidc:ann", "segue") == 1
    assert sessions.visitor(store, by_provider) is None


def test_of_many_who_follow_a_link_at_once_one_is_let_in(store):
    code = sessions.offer(store, tokens.make(store, "ann"))
    let_in = []
    threads = [threading.Thread(target=lambda: let_in.append(sessions.redeem(store, code))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in let_in if one is not None]) == 1
