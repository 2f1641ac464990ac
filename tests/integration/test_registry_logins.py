"""Logins as registries have them: tokens that a real registry verifies, and each vendor's own way to ask."""

import base64
import json

import pytest
import requests

from service import sources
from service.adapters.oci.challenges import Challenge, challenges
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests import imaging
from tests.answering import Server
from tests.imaging import Images, ImageServer
from tests.registering import new_name
from tests.tokens import TokenService

TAGS = "/v2/acme/fraud/tags/list"
KEY = json.dumps({"type": "service_account", "private_key": "-----BEGIN\nümlaut\n"}, indent=1)
FOUND = (200, {}, b'{"name": "acme/fraud", "tags": ["main-1"]}')


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "secrets").mkdir()
    return Settings(home=tmp_path)


@pytest.fixture
def server():
    with Server() as server:
        server.default = (404, {}, b"{}")
        yield server


def write(settings, login):
    (settings.home / "secrets" / "login-reg").write_text(login + "\n")


def opened(settings, url, login=None, kind="registry"):
    if login:
        write(settings, login)
    return sources.opened(settings, Source("reg", kind, url))


# --- a real registry with a token service ------------------------------------------------------


@pytest.fixture(scope="module")
def trusting(tmp_path_factory):
    """A registry that lets in whoever has a token of its service, and the service."""
    if imaging.program() is None:
        pytest.skip("no image registry is installed: apt install docker-registry")
    folder = tmp_path_factory.mktemp("tokens")
    with TokenService(folder, {"robot$ci:secret:with:colons"}) as service:
        registry = ImageServer(folder, tokens=service.configuration)
        try:
            yield registry.start(), service
        finally:
            registry.stop()


def pushed(registry, service, name):
    """A push with a token for it; the digest."""
    login = base64.b64encode(b"robot$ci:secret:with:colons").decode()
    asked = {"service": "images.example", "scope": f"repository:{name}:pull,push"}
    answer = requests.get(
        f"{service.url}/token", asked, headers={"Authorization": f"Basic {login}"}, timeout=9
    )
    images = Images(registry.url, _Bearer(answer.json()["token"]))
    return images.push(name, "main-1", "one", 1_700_000_000.0)


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token):
        self._token = token

    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def test_a_real_registry_takes_the_token_that_its_service_gave_for_reading_and_nothing_else(
    settings, trusting
):
    registry, service = trusting
    name = f"acme/{new_name()}"
    digest = pushed(registry, service, name)
    service.given.clear()
    adapter = opened(settings, registry.url, "robot$ci:secret:with:colons")
    adapter.check()
    assert adapter.tags(name) == ("main-1",)
    assert adapter.digest(name, "main-1") == digest
    assert adapter.created(name, digest) == 1_700_000_000.0
    assert service.given == [[], [f"repository:{name}:pull"]]


def test_a_wrong_login_and_a_token_for_something_else_are_refused_by_both(settings, trusting):
    registry, service = trusting
    pushed(registry, service, name := f"acme/{new_name()}")
    with pytest.raises(Refused, match="secret file login-reg") as caught:
        opened(settings, registry.url, "robot$ci:hunter2").tags(name)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(Refused, match="secret file login-reg"):
        opened(settings, registry.url).tags(name)


# --- each vendor's way ---------------------------------------------------------------------------

VENDORS = {
    # scheme of the challenge, login, the answer of the token service
    "GHCR": ("bearer", "ann:ghp_1", {"token": "t"}),
    "Docker Hub": ("bearer", "ann:dckr_pat_1", {"token": "t", "access_token": "t", "expires_in": 300}),
    "Google, a key file": ("bearer", f"_json_key:{KEY}", {"token": "t", "expires_in": 3600}),
    "Google, a token": ("bearer", "oauth2accesstoken:ya29.a0", {"token": "t", "expires_in": 3600}),
    "Harbor": ("bearer", "robot$acme+ci:Secret1", {"token": "t", "expires_in": 1800, "issued_at": ""}),
    "Amazon": ("basic", "AWS:eyJwYXlsb2FkIjoi", None),
    "several ways at once": ("both", "ann:x", {"access_token": "t"}),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_login_is_sent_as_the_vendor_asks_for_it(settings, server, vendor):
    scheme, login, token = VENDORS[vendor]
    basic = "Basic " + base64.b64encode(login.strip().encode()).decode()
    bearer = f'Bearer realm="{server.url}/token",service="s",scope="repository:acme/fraud:pull"'
    asked = {
        "bearer": bearer,
        "basic": 'Basic realm="r",service="s"',
        "both": f'Basic realm="a, b", {bearer}',
    }
    wanted = basic if scheme == "basic" else "Bearer t"
    refused = (401, {"WWW-Authenticate": asked[scheme]}, b"")
    server.answers[TAGS] = lambda headers: FOUND if headers["Authorization"] == wanted else refused
    server.answers["/token"] = lambda headers: (
        (200, {}, json.dumps(token).encode()) if headers["Authorization"] == basic else (401, {}, b"")
    )
    adapter = opened(settings, server.url, login, kind="harbor" if vendor == "Harbor" else "registry")
    assert adapter.tags("acme/fraud") == ("main-1",)


@pytest.mark.parametrize("status", [401, 403])
def test_a_password_that_has_run_out_is_read_anew_from_its_file(settings, server, status):
    good = "AWS:first"

    def answer(headers):
        if headers["Authorization"] == "Basic " + base64.b64encode(good.encode()).decode():
            return FOUND
        asked = {} if status == 403 and headers["Authorization"] else {"WWW-Authenticate": 'Basic realm="r"'}
        return (status if headers["Authorization"] else 401), asked | {}, b'{"errors": []}'

    server.answers[TAGS] = answer
    adapter = opened(settings, server.url, "AWS:first")
    assert adapter.tags("acme/fraud") == ("main-1",)
    good = "AWS:second"
    with pytest.raises(Refused):
        adapter.tags("acme/fraud")
    write(settings, "AWS:second")
    assert adapter.tags("acme/fraud") == ("main-1",)


def test_a_token_service_that_is_busy_is_asked_again_when_it_says(settings, server):
    server.answers[TAGS] = (401, {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'}, b"")
    server.answers["/token"] = (429, {"Retry-After": "17"}, b"")
    with pytest.raises(Retry) as caught:
        opened(settings, server.url).tags("acme/fraud")
    assert caught.value.after == 17


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", ()),
        ("Negotiate", (Challenge("negotiate"),)),
        (
            'Bearer realm="https://a/t",service="s"',
            (Challenge("bearer", {"realm": "https://a/t", "service": "s"}),),
        ),
        (
            "Bearer realm=https://a/t, service=s",
            (Challenge("bearer", {"realm": "https://a/t", "service": "s"}),),
        ),
        (
            'Basic realm="a, Bearer realm=\\"x\\"", BEARER Realm="y",scope="repository:a/b:pull,push"',
            (
                Challenge("basic", {"realm": 'a, Bearer realm="x"'}),
                Challenge("bearer", {"realm": "y", "scope": "repository:a/b:pull,push"}),
            ),
        ),
        ('realm="x"', ()),
        ('Bearer realm="unfinished', (Challenge("bearer"),)),
    ],
)
def test_challenges_are_read_as_the_standard_writes_them(header, found):
    assert challenges(header)[: len(found)] == found
