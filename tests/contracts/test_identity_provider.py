"""What a provider of identities does, in its login's own terms: one suite for all.

Here against a server of ours; `tests/hosts/test_gitea_login.py` runs the same against a real Gitea.
"""

from dataclasses import replace

import pytest

from service.adapters.oidc import MOST_BYTES, OidcProvider
from service.ports.identity import Attempt
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.identity import CLIENT, SECRET, Provider

BACK = "http://127.0.0.1:8471/-/login/back"
ATTEMPT = Attempt("s" * 64, "n" * 64, "v" * 64, BACK)


class Contract:
    """Subclasses give `provider`, and `logged_in`: what comes back once somebody logged in there."""

    def test_who_logs_in_is_named_with_their_groups(self, provider, logged_in):
        found = provider.identify(ATTEMPT, logged_in(provider.address(ATTEMPT), "ann"))
        assert found.name == "ann"
        assert "ml" in found.groups

    def test_somebody_without_groups_has_none(self, provider, logged_in):
        found = provider.identify(ATTEMPT, logged_in(provider.address(ATTEMPT), "bob"))
        assert (found.name, found.groups) == ("bob", ())

    def test_an_answer_counts_once(self, provider, logged_in):
        answer = logged_in(provider.address(ATTEMPT), "bob")
        provider.identify(ATTEMPT, answer)
        with pytest.raises(Refused):
            provider.identify(ATTEMPT, answer)

    @pytest.mark.parametrize("changed", [{"verifier": "w" * 64}, {"verifier": ""}, {"state": "t" * 64}, {"nonce": "m" * 64}, {"back": BACK + "/x"}])  # fmt: skip
    def test_an_answer_to_another_attempt_is_refused(self, provider, logged_in, changed):
        answer = logged_in(provider.address(ATTEMPT), "bob")
        with pytest.raises(Refused):
            provider.identify(replace(ATTEMPT, **changed), answer)

    @pytest.mark.parametrize("changed", [{"code": "0" * 16}, {"code": ""}, {"state": ""}, {"iss": "https://elsewhere.example"}, {"error": "access_denied"}])  # fmt: skip
    def test_a_changed_answer_is_refused(self, provider, logged_in, changed):
        answer = logged_in(provider.address(ATTEMPT), "bob")
        with pytest.raises(Refused):
            provider.identify(ATTEMPT, {**answer, **changed})


@pytest.fixture
def server():
    made = Provider()
    yield made
    made.end()


class TestOurs(Contract):
    @pytest.fixture
    def provider(self, asked):
        return asked

    @pytest.fixture
    def logged_in(self, server):
        return lambda address, who: server.log_in(address, who)[1]


@pytest.fixture
def asked(server, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "oidc-secret").write_text(SECRET)
    return OidcProvider.open(Settings(home=tmp_path, oidc_issuer=server.issuer, oidc_client=CLIENT))


def test_an_answer_may_come_in_pieces(server, asked):
    server.lies["pieces"] = True
    answer = server.log_in(asked.address(ATTEMPT), "ann")[1]
    assert asked.identify(ATTEMPT, answer).groups == ("ml", "ops")


def test_an_answer_without_end_is_not_read_to_its_end(server, asked):
    server.lies["about"] = {"more": "x" * MOST_BYTES}
    with pytest.raises(Refused):
        asked.address(ATTEMPT)


def test_where_nobody_answers_it_is_asked_again_later(tmp_path, server):
    settings = Settings(home=tmp_path, oidc_issuer=server.issuer, oidc_client=CLIENT)
    server.lies["status"] = 503
    with pytest.raises(Retry):
        OidcProvider.open(settings).address(ATTEMPT)
    with pytest.raises(Refused, match="SEGUE_OIDC_ISSUER"):
        OidcProvider.open(Settings(home=tmp_path))
