"""Login by a real Gitea as the provider of identities: the same contract as ours, and a person's whole way in."""

import itertools
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from policies import roles
from service.adapters.oidc import OidcProvider
from service.identity import callers
from service.settings import Settings
from tests.contracts.test_identity_provider import BACK, Contract
from tests.hosts import building
from tests.hosts.gitea import Gitea
from tests.scenarios.conftest import World

SCOPES = "openid profile groups"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One whose address is its issuer's name; `ann` is of the organisation `ml`, `bob` of none."""
    made = Gitea(building.gitea(), tmp_path_factory.mktemp("gitea"), root="http://127.0.0.1:{port}")
    try:
        made.start()
        for name in ("ann", "bob"):
            made.person(name)
        made.api("POST", "/orgs", {"username": "ml"}, user="ann")
        yield made
    finally:
        made.stop()


@pytest.fixture
def client(server):
    """A client of its own, with its secret."""
    told = {"name": f"segue-{next(NUMBERS)}", "redirect_uris": [BACK], "confidential_client": True}
    return server.api("POST", "/user/applications/oauth2", told)


def settings_of(folder, server, client):
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "oidc-secret").write_text(client["client_secret"])
    return {"oidc_issuer": server.url, "oidc_client": client["client_id"], "oidc_scopes": SCOPES}


def log_in(server, address, who):
    """Log in there as a browser does, agree, and come back with what it answers."""
    with requests.Session() as browser:
        form = {"user_name": who, "password": who * 3}
        browser.post(f"{server.url}/user/login", data=form, timeout=30)
        answer = browser.get(address, allow_redirects=False, timeout=30)
        if answer.status_code == 200:  # it asks whether the client may know
            query = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
            asked = {key: query[key] for key in ("client_id", "nonce", "redirect_uri", "scope", "state")}
            agreed = {**asked, "granted": "true"}
            answer = browser.post(
                f"{server.url}/login/oauth/grant", data=agreed, allow_redirects=False, timeout=30
            )
        assert answer.status_code in {302, 303}, answer.text[:500]
        where = urlsplit(answer.headers["Location"])
        return where, {key: values[0] for key, values in parse_qs(where.query).items()}


class TestGitea(Contract):
    @pytest.fixture
    def provider(self, server, client, tmp_path):
        return OidcProvider.open(Settings(home=tmp_path, **settings_of(tmp_path, server, client)))

    @pytest.fixture
    def logged_in(self, server):
        return lambda address, who: log_in(server, address, who)[1]


def test_a_person_comes_in_by_their_group_and_another_does_not(server, client, tmp_path):
    world = World(tmp_path, **settings_of(tmp_path, server, client))
    with world.store.change() as change:
        callers.give(change, "@ml", roles.grant("viewer", "*"), "segue")
    for who, status in (("ann", 200), ("bob", 403)):
        browser = world.web.application.test_client()
        where, _ = log_in(server, browser.get("/-/login/provider").headers["Location"], who)
        assert browser.get(f"{where.path}?{where.query}").status_code == status
        assert browser.get("/-/events").status_code == {200: 200, 403: 401}[status]
    world.close()
