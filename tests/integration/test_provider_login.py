"""Login by a provider of identities: over HTTP, as browsers do it, and against every lie of a provider."""

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policies import roles
from service.identity import callers, sessions
from service.pages.provider_login import AT_ONCE
from tests.identity import CLIENT, SECRET, Provider
from tests.scenarios.conftest import WINE, World

APPROVED = WINE + "approvals: {count: 1}\n"


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
    given(made, "oidc:bob", "viewer", "*")
    yield made
    made.close()


def given(world, holder, role, where):
    with world.store.change() as change:
        callers.give(change, holder, roles.grant(role, where), "segue")


def begun(browser, to=""):
    """Where the browser is sent."""
    answer = browser.get("/-/login/provider", query_string={"to": to})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def came_back(world, server, who="bob", browser=None):
    """A whole login; the browser's last answer."""
    browser = browser or world.web.application.test_client()
    where, _ = server.log_in(begun(browser), who)
    return browser, browser.get(f"{where.path}?{where.query}")


# --- in --------------------------------------------------------------------------------------


def test_who_has_a_role_comes_in_and_is_called_by_the_providers_name(world, server):
    browser, answer = came_back(world, server)
    assert answer.status_code == 200
    assert 'content="0; url=/-/"' in answer.text
    assert "oidc:bob" in browser.get("/-/").text
    (entry,) = world.store.record_of("login-oidc:bob")
    assert (entry.actor, entry.action) == ("oidc:bob", "logged in")


def test_the_cookies_are_kept_from_scripts_and_other_sites(world, server):
    browser = world.web.application.test_client()
    first = browser.get("/-/login/provider").headers["Set-Cookie"]
    assert "HttpOnly" in first
    assert "SameSite=Lax" in first
    _, answer = came_back(world, server)
    cookies = {one.partition("=")[0]: set(one.split("; ")) for one in answer.headers.getlist("Set-Cookie")}
    assert {"HttpOnly", "SameSite=Strict", "Path=/-/"} <= cookies.pop("segue-page")
    (gone,) = cookies.values()
    assert "Max-Age=0" in gone, "what the login was known by is no more"


def test_who_has_no_role_is_told_their_name_and_stays_outside(world, server):
    server.people["eve"] = []
    browser, answer = came_back(world, server, "eve")
    assert answer.status_code == 403
    assert "segue grant oidc:eve viewer" in answer.text
    assert browser.get("/-/").status_code == 401


def test_a_group_gives_its_role_for_as_long_as_the_grant_stands(world, server):
    given(world, "@ml", "viewer", "wine")
    browser, _ = came_back(world, server, "ann")
    assert browser.get("/-/").status_code == 200
    assert browser.get("/-/events").status_code == 403
    with world.store.change() as change:
        callers.take_back(change, "@ml", "segue")
    assert browser.get("/-/").status_code == 403


def test_they_approve_as_their_role_says_and_it_counts_until_the_release_begins(world, server):
    world.push({"segue.yaml": APPROVED, "requirements.lock": "", "serve.py": "1"}, author="eve")
    world.settle()
    browser, _ = came_back(world, server)
    page = browser.get("/-/releases/rel-1").text
    assert "needs the role approver or admin on wine/production" in page
    given(world, "oidc:bob", "approver", "wine/production")
    page = browser.get("/-/releases/rel-1").text
    assert 'id="do-approve"' in page
    proof = page.split('name="proof" value="')[1].split('"')[0]
    fields = {"verb": "approve", "subject": "rel-1", "proof": proof, "back": "/-/"}
    assert browser.post("/-/commands", data=fields).status_code == 303
    world.settle()
    release = world.release("rel-1")
    assert [(one.actor, one.authority) for one in release.approvals] == [("oidc:bob", ("oidc:bob",))]
    assert release.phase.value not in {"approval", "queued"}


def test_where_one_wanted_to_go_is_remembered_and_never_leads_elsewhere(world, server):
    browser = world.web.application.test_client()
    for to, found in (
        ("/-/releases", "/-/releases"),
        ("//evil.example/", "/-/"),
        ("https://evil.example", "/-/"),
    ):
        where, _ = server.log_in(begun(browser, to), "bob")
        assert f'url={found}"' in browser.get(f"{where.path}?{where.query}").text


def test_a_session_ends_at_logout_and_by_itself(world, server):
    browser, _ = came_back(world, server)
    page = browser.get("/-/").text
    proof = page.split('name="proof" value="')[1].split('"')[0]
    assert browser.post("/-/logout").status_code == 403
    assert browser.post("/-/logout", data={"proof": proof}).status_code == 200, (
        "it is led to the logout there"
    )
    assert browser.get("/-/").status_code == 401
    browser, _ = came_back(world, server)
    world.clock.now += sessions.IDLE_SECONDS + 1
    assert browser.get("/-/").status_code == 401


# --- bound to the browser that began it ------------------------------------------------------


def test_an_answer_that_another_browser_began_logs_nobody_in(world, server):
    victim, attacker = (world.web.application.test_client() for _ in range(2))
    where, _ = server.log_in(begun(attacker), "bob")
    assert victim.get(f"{where.path}?{where.query}").status_code == 401
    begun(victim)
    assert victim.get(f"{where.path}?{where.query}").status_code == 401
    assert victim.get("/-/").status_code == 401


def test_an_answer_counts_once(world, server):
    browser = world.web.application.test_client()
    where, _ = server.log_in(begun(browser), "bob")
    assert browser.get(f"{where.path}?{where.query}").status_code == 200
    assert browser.get(f"{where.path}?{where.query}").status_code == 401


def test_what_is_asked_for_has_a_challenge_and_no_secret(world, server):
    query = parse_qs(urlsplit(begun(world.web.application.test_client())).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == ["http://127.0.0.1:8471/-/login/back"]
    assert SECRET not in str(query)
    again = parse_qs(urlsplit(begun(world.web.application.test_client())).query)
    secrets = {asked[name][0] for asked in (query, again) for name in ("state", "nonce", "code_challenge")}
    assert len(secrets) == 6, "each login has its own"


# --- what a provider must not get through ----------------------------------------------------

OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def unsigned(claims):
    return jwt.encode(claims, None, "none", {"kid": "one"})


def by_public_key(server):
    """The public key taken for a shared secret: the oldest trick there is."""
    pem = server.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(claims):
        parts = ({"alg": "HS256", "kid": "one"}, claims)
        told = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
        proof = urlsafe_b64encode(hmac.digest(pem, told, "sha256")).rstrip(b"=")
        return (told + b"." + proof).decode()

    return sign


LIES = {
    "unsigned": lambda server: {"sign": unsigned},
    "signed by the public key": lambda server: {"sign": by_public_key(server)},
    "signed by another key": lambda server: {"sign": lambda c: jwt.encode(c, OTHER, "RS256", {"kid": "one"})},
    "signed by a key that is not published": lambda server: {"sign": lambda c: jwt.encode(c, OTHER, "RS256", {"kid": "two"})},
    "no token": lambda server: {"sign": lambda _: ""},
    "no token at all": lambda server: {"sign": lambda _: "a.b.c"},
    "another's nonce": lambda server: {"claims": {"nonce": "n"}},
    "no nonce": lambda server: {"claims": {"nonce": None}},
    "for another client": lambda server: {"claims": {"aud": "another"}},
    "for nobody": lambda server: {"claims": {"aud": None}},
    "handed on by another client": lambda server: {"claims": {"aud": [CLIENT, "x"], "azp": "x"}},
    "for several clients, of whom none asked": lambda server: {"claims": {"aud": [CLIENT, "x"]}},
    "of another issuer": lambda server: {"claims": {"iss": "https://elsewhere.example"}},
    "expired": lambda server: {"claims": {"exp": time.time() - 120}},
    "without an end": lambda server: {"claims": {"exp": None}},
    "out of the future": lambda server: {"claims": {"iat": time.time() + 600}},
    "not valid yet": lambda server: {"claims": {"nbf": time.time() + 600}},
    "without a subject": lambda server: {"claims": {"sub": None}},
    "without a name": lambda server: {"claims": {"preferred_username": None}},
    "with an empty name": lambda server: {"claims": {"preferred_username": " "}},
    "with a name that only looks like another's": lambda server: {"claims": {"preferred_username": "bob "}},
    "with a name of many": lambda server: {"claims": {"preferred_username": ["bob"]}},
    "with a hostile name": lambda server: {"claims": {"preferred_username": "bob\u202e\n"}},
    "userinfo of somebody else": lambda server: {"claims": {"groups": None}, "userinfo": {"sub": "id-eve"}},
    "an answer of another provider": lambda server: {"answer": {"iss": "https://elsewhere.example"}},
    "an answer of no provider": lambda server: {"answer": {"iss": None}},
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_of_a_provider_logs_anybody_in(world, server, lie):
    server.lies.update(LIES[lie](server))
    browser, answer = came_back(world, server)
    if answer.status_code == 503:  # on a machine without time the provider did not answer: that is no lie
        browser, answer = came_back(world, server)
    assert answer.status_code == 401
    assert browser.get("/-/").status_code == 401
    assert world.store.record_of("login-oidc:bob") == []
    server.lies.clear()
    assert came_back(world, server)[1].status_code == 200, "the same without the lie"


@pytest.mark.parametrize("about", [
    {"issuer": "https://elsewhere.example"}, {"token_endpoint": "file:///etc/passwd"}, {"jwks_uri": ""},
    {"authorization_endpoint": "javascript:alert(1)"},
])  # fmt: skip
def test_a_provider_that_leads_elsewhere_is_refused(world, server, about):
    server.lies["about"] = about
    browser = world.web.application.test_client()
    answer = browser.get("/-/login/provider")
    if answer.status_code == 303:
        where, _ = server.log_in(answer.headers["Location"], "bob")
        answer = browser.get(f"{where.path}?{where.query}")
    assert answer.status_code == 401


STRANGE = [
    {"about": {"token_endpoint": "http://["}}, {"about": {"token_endpoint": "https://"}},
    {"about": {"token_endpoint_auth_methods_supported": None}}, {"about": {"issuer": None}},
    {"about": {"authorization_endpoint": ["http://127.0.0.1"]}}, {"about": {"jwks_uri": "http://127.0.0.1:x/"}},
    {"about": {"userinfo_endpoint": 5}, "claims": {"groups": None}}, {"keys": {"keys": None}},
    {"keys": {"keys": [{"kid": ["one"]}]}}, {"keys": {"keys": ["one"]}}, {"keys": {"keys": [{"kid": "one"}]}},
    {"keys": {"keys": [{"kid": "one", "kty": "oct", "k": "c2VjcmV0"}]}}, {"keys": {}}, {"cut": True},
]  # fmt: skip


@pytest.mark.parametrize("lies", STRANGE, ids=str)
def test_what_no_provider_should_answer_is_told_and_breaks_nothing(world, server, lies):
    server.lies.update(lies)
    browser = world.web.application.test_client()
    answer = browser.get("/-/login/provider")
    if answer.status_code == 303:
        answer = browser.get(f"/-/login/back?code={code_for(server, answer.headers['Location'])}")
    assert answer.status_code in {401, 503}
    assert 'role="alert"' in answer.text, "by the login, and not as an error of ours"


def code_for(server, address):
    """The rest of the address by which a browser comes back, from a login that this provider let through."""
    query = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
    return urlencode(server.authorize({**query, "as": "bob"})).removeprefix("code=")


def test_a_changed_key_is_fetched_and_a_forged_one_does_not_make_us_ask_without_end(world, server):
    assert came_back(world, server)[1].status_code == 200
    server.lies["sign"] = lambda claims: jwt.encode(claims, OTHER, "RS256", {"kid": "two"})
    for _ in range(5):
        assert came_back(world, server)[1].status_code == 401
    assert server.asked.count("/keys") <= 2


def test_groups_that_the_token_lacks_are_asked_for(world, server):
    given(world, "@ops", "viewer", "*")
    server.lies["claims"] = {"groups": None}
    browser, answer = came_back(world, server, "ann")
    assert answer.status_code == 200
    assert browser.get("/-/events").status_code == 200


def test_a_provider_that_is_away_is_said_so_and_tokens_still_work(world, server):
    server.lies["status"] = 502
    answer = world.web.application.test_client().get("/-/login/provider")
    assert answer.status_code == 503
    assert "The provider of identities answers 502" in answer.text
    token = world.people["ann"]
    assert world.web.application.test_client().post("/-/login", data={"token": token}).status_code == 303


def test_while_the_provider_hangs_strangers_hold_only_some_of_the_page(world, server):
    reached, go_on, about = threading.Semaphore(0), threading.Event(), server.about

    def hangs():
        reached.release()
        go_on.wait(30)
        return about()

    server.about = hangs
    told = []
    there = lambda: world.web.application.test_client().get("/-/login/provider").status_code  # noqa: E731
    threads = [threading.Thread(target=lambda: told.append(there())) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        reached.acquire()
    assert there() == 503
    go_on.set()
    for thread in threads:
        thread.join()
    assert told == [303] * AT_ONCE
    assert there() == 303


def test_an_address_that_the_provider_says_is_verified_counts_as_a_name_and_no_other(tmp_path, server):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "oidc-secret").write_text(SECRET)
    world = World(tmp_path, oidc_issuer=server.issuer, oidc_client=CLIENT, oidc_name="email")
    given(world, "oidc:bob@example.test", "viewer", "*")
    for verified, status in ((True, 200), (False, 401), (None, 401), ("true", 401)):
        server.lies["claims"] = {"email": "bob@example.test", "email_verified": verified}
        assert came_back(world, server)[1].status_code == status
    world.close()


def test_without_a_provider_there_is_no_such_login(tmp_path):
    world = World(tmp_path)
    browser = world.web.application.test_client()
    assert "Log in with" not in browser.get("/-/login").text
    assert browser.get("/-/login/provider").status_code == 401
    assert browser.get("/-/login/back?code=x&state=y").status_code == 401
    world.close()
