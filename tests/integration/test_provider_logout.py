"""Logout as the provider of identities says it (OpenID Connect Back-Channel Logout 1.0), and every forgery of that."""

import html
import re
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from policies import roles
from service.adapters import oidc
from service.identity import callers, sessions
from service.ports.identity import Ended, Identity
from tests.identity import CLIENT, LOGOUT, SECRET, Provider
from tests.integration.test_provider_login import OTHER, by_public_key, came_back, unsigned
from tests.scenarios.conftest import World


@pytest.fixture
def server():
    made = Provider()
    yield made
    made.end()


@pytest.fixture
def world(tmp_path, server):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "oidc-secret").write_text(SECRET)
    made = World(tmp_path, oidc_issuer=server.issuer, oidc_client=CLIENT)
    with made.store.change() as change:
        callers.give(change, "oidc:ann", roles.grant("viewer", "*"), "segue")
        callers.give(change, "oidc:bob", roles.grant("viewer", "*"), "segue")
    yield made
    made.close()


def told(world, token):
    """What the provider is answered, which has no cookie and no page of ours."""
    client = world.web.application.test_client()
    return client.post("/-/logout/provider", data={"logout_token": token})


def is_in(browser):
    return browser.get("/-/").status_code == 200


def test_who_logs_out_there_is_out_here_and_nobody_else_is(world, server):
    bob, ann = came_back(world, server)[0], came_back(world, server, "ann")[0]
    answer = told(world, server.logout("bob"))
    assert (answer.status_code, answer.data, answer.headers["Cache-Control"]) == (200, b"", "no-store")
    assert (is_in(bob), is_in(ann)) == (False, True)
    *_, entry = world.store.record_of("login-oidc:bob")
    assert (entry.action, entry.detail) == ("logged out", {"by": "provider", "logins": 1})


def test_a_session_that_is_named_ends_alone_and_without_a_name_all_of_the_person_do(world, server):
    first = came_back(world, server)[0]
    server.sessions["bob"] = "another"
    second = came_back(world, server)[0]
    assert told(world, server.logout("bob", sub=None)).status_code == 200
    assert (is_in(first), is_in(second)) == (True, False)
    third = came_back(world, server)[0]
    assert told(world, server.logout("bob", sid=None)).status_code == 200
    assert (is_in(first), is_in(third)) == (False, False)


def test_a_login_whose_session_was_not_named_ends_with_any_of_the_person(world, server):
    server.lies["claims"] = {"sid": None}
    browser = came_back(world, server)[0]
    assert told(world, server.logout("ann", sid="one of another")).status_code == 200
    assert is_in(browser)
    assert told(world, server.logout("bob", sid="one of theirs")).status_code == 200
    assert not is_in(browser)


def test_a_logout_of_nobody_here_is_none_the_less_done(world, server):
    assert told(world, server.logout("eve")).status_code == 200


def test_a_logout_that_is_sent_again_ends_no_later_login(store, clock):
    with store.change() as change:
        callers.give(change, "oidc:ann", roles.grant("viewer", "*"), "segue")
    of_before = sessions.begin_for(store, "oidc:ann", Identity("ann", (), "id-ann", "one"))
    logout = Ended("id-ann", None, clock.now)
    assert sessions.end_by_provider(store, logout) == 1
    clock.now += sessions.CLOCKS + 1
    later = sessions.begin_for(store, "oidc:ann", Identity("ann", (), "id-ann", "two"))
    assert sessions.end_by_provider(store, logout) == 0
    assert (sessions.visitor(store, of_before), sessions.visitor(store, later) is None) == (None, False)


# --- begun here ------------------------------------------------------------------------------


def logged_out(browser):
    proof = re.search(r'name="proof" value="([^"]*)"', browser.get("/-/").text).group(1)
    return browser.post("/-/logout", data={"proof": proof})


def test_who_logs_out_here_is_led_to_the_logout_there_and_back_to_the_login(world, server):
    browser = came_back(world, server)[0]
    answer = logged_out(browser)
    assert (answer.status_code, is_in(browser)) == (200, False)
    assert "Log out</button>" not in answer.text, "nobody is logged in any more"
    where = urlsplit(html.unescape(re.search(r'content="0; url=([^"]*)"', answer.text).group(1)))
    assert f"{where.scheme}://{where.netloc}{where.path}" == f"{server.issuer}/logout"
    asked = parse_qs(where.query)
    back = urlsplit(asked.pop("post_logout_redirect_uri")[0])
    assert asked == {"client_id": [CLIENT]}, "no token stands in an address"
    assert browser.get(back.path).headers["Location"] == "/-/login"


NOWHERE = {
    "none": {"end_session_endpoint": None},
    "a script": {"end_session_endpoint": "javascript:alert(1)"},
    "no address": {"end_session_endpoint": ["x"]},
}


@pytest.mark.parametrize("told", NOWHERE)
def test_a_provider_that_has_no_logout_to_trust_keeps_nobody_in_here(world, server, told):
    server.lies["about"] = NOWHERE[told]
    browser = came_back(world, server)[0]
    answer = logged_out(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/-/login")
    assert not is_in(browser)


def test_a_provider_that_is_away_keeps_nobody_in_here(world, server, monkeypatch):
    browser = came_back(world, server)[0]
    server.lies["status"] = 503
    monkeypatch.setattr(oidc, "KEPT_SECONDS", -1.0)  # what it published long ago is asked for again
    assert logged_out(browser).headers["Location"] == "/-/login"
    assert not is_in(browser)


def test_who_came_by_a_token_is_not_sent_to_the_provider(world):
    browser = world.web.application.test_client()
    browser.post("/-/login", data={"token": world.people["ann"]})
    assert logged_out(browser).headers["Location"] == "/-/login"


# --- begun there -----------------------------------------------------------------------------


FORGED = {
    "nothing": lambda _: "",
    "no token": lambda _: "a.b.c",
    "a token without end": lambda s: s.logout("bob", more="x" * 20_000),
    "unsigned": lambda s: unsigned(claims(s)),
    "signed by the public key": lambda s: by_public_key(s)(claims(s)),
    "signed by another key": lambda s: jwt.encode(claims(s), OTHER, "RS256", {"kid": "one"}),
    "signed by a key that is not published": lambda s: jwt.encode(claims(s), OTHER, "RS256", {"kid": "two"}),
    "of another issuer": lambda s: s.logout("bob", iss="https://elsewhere.example"),
    "for another client": lambda s: s.logout("bob", aud="another"),
    "for nobody": lambda s: s.logout("bob", aud=None),
    "expired": lambda s: s.logout("bob", exp=time.time() - 120),
    "without an end": lambda s: s.logout("bob", exp=None),
    "out of the future": lambda s: s.logout("bob", iat=time.time() + 600),
    "without a time": lambda s: s.logout("bob", iat=None),
    "with a time that is none": lambda s: s.logout("bob", iat="now"),
    "without an id": lambda s: s.logout("bob", jti=None),
    "without events": lambda s: s.logout("bob", events=None),
    "of another event": lambda s: s.logout("bob", events={"http://schemas.openid.net/event/x": {}}),
    "with an event that says nothing": lambda s: s.logout("bob", events={LOGOUT: None}),
    "with a list of events": lambda s: s.logout("bob", events=[LOGOUT]),
    "with a nonce": lambda s: s.logout("bob", nonce="n"),
    "of another type": lambda s: s.logout("bob", header={"typ": "at+jwt"}),
    "without whom": lambda s: s.logout("bob", sub=None, sid=None),
    "with a whom that is none": lambda s: s.logout("bob", sub=None, sid=["one"]),
    "an id token": lambda s: s.token({"nonce": "n", "as": "bob"}),
    "of a session of somebody else": lambda s: s.logout("ann", sid=s.sessions["bob"]),
}  # fmt: skip


def claims(server):
    return jwt.decode(server.logout("bob"), options={"verify_signature": False})


@pytest.mark.parametrize("forgery", FORGED)
def test_no_forgery_logs_anybody_out(world, server, forgery):
    browser = came_back(world, server)[0]
    answer = told(world, FORGED[forgery](server))
    if forgery == "of a session of somebody else":  # the provider's own word, of nobody who is here
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert is_in(browser)
    assert told(world, server.logout("bob")).status_code == 200, "the same without the forgery"
    assert not is_in(browser)


def test_a_type_of_before_the_document_was_final_is_taken(world, server):
    browser = came_back(world, server)[0]
    assert told(world, server.logout("bob", header={"typ": "JWT"})).status_code == 200
    assert not is_in(browser)


def test_a_logout_token_logs_nobody_in(world, server):
    came_back(world, server)
    logout = server.logout("bob")
    server.token = lambda _: logout
    browser, answer = came_back(world, server)
    assert answer.status_code == 401
    assert not is_in(browser)


def test_without_a_provider_nobody_is_logged_out(tmp_path):
    world = World(tmp_path)
    assert told(world, "a.b.c").status_code == 400
    world.close()


def test_no_other_site_sends_it(world, server):
    client = world.web.application.test_client()
    data, headers = {"logout_token": server.logout("bob")}, {"Origin": "https://evil.example"}
    assert client.post("/-/logout/provider", data=data, headers=headers).status_code == 403
