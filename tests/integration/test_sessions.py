"""Sessions and one-time links of the page, on either database."""

import threading

from service.identity import sessions, tokens


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


def test_a_login_that_has_ended_by_itself_is_listed_no_more(store, clock):
    session = sessions.begin(store, tokens.make(store, "ann", expires=clock.now + 100))
    with store.read() as read:
        assert [(one.name, one.since) for one in sessions.all_open(read)] == [("ann", clock.now)]
    clock.now += 100
    with store.read() as read:
        assert sessions.all_open(read) == []
    assert sessions.visitor(store, session) is None
    assert sessions.end_all(store, "ann", "segue") == 0


def test_of_many_who_follow_a_link_at_once_one_is_let_in(store):
    code = sessions.offer(store, tokens.make(store, "ann"))
    let_in = []
    threads = [threading.Thread(target=lambda: let_in.append(sessions.redeem(store, code))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in let_in if one is not None]) == 1
