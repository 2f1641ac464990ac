"""Login and logout by a real Keycloak as the provider of identities: the contract, and what it does by itself."""

import html
import re
from contextlib import closing
from urllib.parse import urlencode, urljoin

import pytest
import requests

from policies import roles
from service.adapters.oidc import OidcProvider
from service.identity import callers
from service.settings import Settings
from tests.contracts.test_identity_provider import ATTEMPT, BACK, Contract
from tests.hosts.keycloak import START_SECONDS, Browser, Keycloak, action
from tests.running import free_port, wait_until
from tests.scenarios.conftest import World
from tests.serving import Served

pytestmark = pytest.mark.timeout(START_SECONDS + 300)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Keycloak(tmp_path_factory.mktemp("keycloak"))
    try:
        yield made.start()
    finally:
        made.stop()


def settings_of(folder, server, client):
    name, secret = client
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "oidc-secret").write_text(secret)
    return {"oidc_issuer": server.issuer, "oidc_client": name}


class TestKeycloak(Contract):
    @pytest.fixture
    def provider(self, server, tmp_path):
        found = settings_of(tmp_path, server, server.client(BACK))
        return OidcProvider.open(Settings(home=tmp_path, **found))

    @pytest.fixture
    def logged_in(self, server):
        def come_back(address, who):
            with closing(Browser()) as browser:
                return browser.sent_back(address, who)[1]

        return come_back

    def test_it_names_itself_in_its_answer(self, server, provider, logged_in):
        assert logged_in(provider.address(ATTEMPT), "ann")["iss"] == server.issuer

    def test_a_login_without_a_proof_is_refused_by_itself(self, provider, logged_in):
        address = re.sub(r"&code_challenge[^&]*", "", provider.address(ATTEMPT))
        assert logged_in(address, "ann")["error"] == "invalid_request"

    def test_who_logs_in_is_known_by_ids_that_a_logout_can_name(self, server, provider, logged_in):
        found = provider.identify(ATTEMPT, logged_in(provider.address(ATTEMPT), "ann"))
        assert found.subject == server.person("ann")
        assert found.session


def confirmed(browser, address):
    """Say yes where the provider asks whether to log out; where it leads then, if anywhere."""
    page = browser.ask("GET", address)
    code = re.search(r'name="session_code" value="([^"]*)"', page.text)
    answer = browser.ask(
        "POST", action(page), data={"session_code": code.group(1), "confirmLogout": "Logout"}
    )
    assert answer.ok, answer.text[:500]
    return answer.headers.get("Location")


@pytest.fixture
def segue(server, tmp_path):
    """Segue's page on a port that the provider can reach."""
    made = Page(server, tmp_path)
    yield made
    made.close()


class Page:
    """The page of an installation where the group `ml` may see everything, and browsers that go to it."""

    def __init__(self, server, folder):
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        told = f"{self.address}/-/logout/provider"
        client = server.client(f"{self.address}/-/login/back", told)
        found = settings_of(folder, server, client)
        self.client, self.server = client[0], server
        self.world = World(folder, web_port=port, **found)
        with self.world.store.change() as change:
            callers.give(change, "@ml", roles.grant("viewer", "*"), "segue")
        self._served = Served(self.world.web.application, port=port)
        self._browsers = []

    def log_in(self, who):
        """Somebody's browser, after a whole login; and what the page answered."""
        browser = Browser()
        self._browsers.append(browser)
        there = browser.ask("GET", f"{self.address}/-/login/provider").headers["Location"]
        where, _ = browser.sent_back(there, who)
        return browser, browser.ask("GET", where.geturl())

    def logged_out(self, browser):
        """Log out by the page's button, say yes where the provider asks; where that leads in the end."""
        page = browser.ask("GET", f"{self.address}/-/")
        proof = re.search(r'name="proof" value="([^"]*)"', page.text).group(1)
        answer = browser.ask("POST", f"{self.address}/-/logout", data={"proof": proof})
        there = html.unescape(re.search(r'content="0; url=([^"]*)"', answer.text).group(1))
        back = confirmed(browser, there)
        return urljoin(back, browser.ask("GET", back).headers["Location"])

    def knows(self, browser):
        """Whether somebody is logged in."""
        return browser.ask("GET", f"{self.address}/-/").status_code == 200

    def close(self):
        for one in self._browsers:
            one.close()
        self._served.end()
        self.world.close()


def test_a_person_comes_in_by_their_group_and_another_does_not(segue):
    ann, answer = segue.log_in("ann")
    assert (answer.status_code, segue.knows(ann)) == (200, True)
    bob, answer = segue.log_in("bob")
    assert (answer.status_code, segue.knows(bob)) == (403, False)
    assert "segue grant oidc:bob viewer" in answer.text


def test_who_logs_out_there_is_out_here(segue):
    ann, _ = segue.log_in("ann")
    eve, _ = segue.log_in("eve")
    asked = {"client_id": segue.client}
    confirmed(ann, f"{segue.server.issuer}/protocol/openid-connect/logout?{urlencode(asked)}")
    wait_until(lambda: not segue.knows(ann))
    assert segue.knows(eve)


def test_who_logs_out_here_is_asked_there_and_must_log_in_anew(segue):
    ann, _ = segue.log_in("ann")
    assert segue.logged_out(ann) == f"{segue.address}/-/login"
    assert not segue.knows(ann)
    there = ann.ask("GET", f"{segue.address}/-/login/provider").headers["Location"]
    assert 'name="password"' in ann.ask("GET", there).text, "it knows nobody any more"


def test_who_is_shut_out_there_comes_in_no_more_and_is_out_once_their_sessions_end(segue):
    eve, _ = segue.log_in("eve")
    path = f"/users/{segue.server.person('eve')}"
    segue.server.admin("PUT", path, {"enabled": False})
    try:
        with closing(Browser()) as another:
            there = another.ask("GET", f"{segue.address}/-/login/provider").headers["Location"]
            form = {"username": "eve", "password": "eve" * 3}
            refused = another.ask("POST", action(another.ask("GET", there)), data=form)
        assert (refused.status_code, "disabled" in refused.text) == (200, True)
        segue.server.admin("POST", f"{path}/logout")
        wait_until(lambda: not segue.knows(eve))
    finally:
        segue.server.admin("PUT", path, {"enabled": True})


def test_what_it_sends_is_refused_where_somebody_changed_it(segue, server):
    ann, _ = segue.log_in("ann")
    answer = requests.post(f"{segue.address}/-/logout/provider", data={"logout_token": "a.b.c"}, timeout=30)
    assert answer.status_code == 400
    assert segue.knows(ann)
