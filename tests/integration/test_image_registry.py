"""Image registries as they are: real ones with and without a login, and what they may answer instead."""

import base64
import hashlib
import json

import pytest

from service import sources
from service.adapters.oci import registry as oci_registry
from service.adapters.oci.blobs import MANIFEST, Layout
from service.adapters.oci.push import push
from service.ports.connections import Source
from service.ports.outcomes import PortError, Refused, Retry
from service.settings import Settings
from tests import imaging
from tests.answering import Server
from tests.imaging import LOGIN, Images, ImageServer
from tests.registering import new_name

BASIC = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
DIGEST = "sha256:" + "a" * 64
TAGS = "/v2/acme/fraud/tags/list"


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "secrets").mkdir()
    return Settings(home=tmp_path)


@pytest.fixture
def server():
    with Server() as server:
        server.default = (404, {}, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')
        yield server


def opened(settings, url, *, login=None):
    if login:
        (settings.home / "secrets" / "login-reg").write_text(":".join(login) + "\n")
    return sources.opened(settings, Source("reg", "registry", url))


# --- a real one ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """One that answers nobody without LOGIN."""
    if imaging.program() is None:
        pytest.skip("no image registry is installed: apt install docker-registry")
    server = ImageServer(tmp_path_factory.mktemp("secured"), secured=True)
    try:
        yield server.start()
    finally:
        server.stop()


def test_a_registry_that_wants_a_login_gets_it(settings, secured):
    name = new_name()
    digest = Images(secured.url, LOGIN).push(name, "main-1", "one", 1_700_000_000.0)
    registry = opened(settings, secured.url, login=LOGIN)
    registry.check()
    assert registry.tags(name) == ("main-1",)
    assert registry.digest(name, "main-1") == digest
    assert registry.created(name, digest) == 1_700_000_000.0


@pytest.mark.parametrize("login", [None, ("robot", "hunter2")])
def test_without_the_right_login_it_is_said_where_one_belongs_and_never_what_it_was(settings, secured, login):
    registry = opened(settings, secured.url, login=login)
    with pytest.raises(Refused, match=r"secret file login-reg") as caught:
        registry.tags("wine")
    assert "hunter2" not in str(caught.value)


def test_connecting_with_a_wrong_login_is_refused_and_without_one_is_not(settings, secured):
    opened(settings, secured.url).check()
    with pytest.raises(Refused, match="401"):
        opened(settings, secured.url, login=("robot", "hunter2")).check()


def test_an_image_for_several_platforms_is_known_by_its_index(settings, image_registry):
    name, images = new_name(), Images(image_registry.url)
    signature = images.push(name, "about", "says something about it", 5.0)
    arm, intel = (images.push(name, one, one, at) for one, at in (("arm", 7.0), ("intel", 8.0)))
    index = images.index(name, "main", (intel, arm), about=(signature,))
    empty = images.index(name, "empty", ())
    registry = opened(settings, image_registry.url)
    assert registry.digest(name, "main") == index
    assert registry.created(name, index) == 8.0
    assert registry.created(name, empty) is None


def test_what_is_pushed_by_us_is_found_again(settings, secured):
    layout = Layout(settings.home)
    layout.prepare()
    layer = layout.put(b"a layer of some length" * 100_000)
    config = layout.put(b'{"architecture": "amd64", "os": "linux", "created": "2026-11-25T00:00:00Z"}')
    parts = {"config": (imaging.CONFIG, config), "layer": ("application/vnd.oci.image.layer.v1.tar", layer)}
    described = {
        part: {"mediaType": kind, "digest": digest, "size": layout.blob(digest).stat().st_size}
        for part, (kind, digest) in parts.items()
    }
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described["config"]}
    digest = layout.put(json.dumps({**manifest, "layers": [described["layer"]]}).encode())
    name = f"models/{new_name()}"
    for _ in range(2):
        push(settings.home, digest, secured.url, name, tag="v1.0", login=LOGIN)
    registry = opened(settings, secured.url, login=LOGIN)
    assert registry.tags(name) == ("v1.0",)
    assert registry.digest(name, "v1.0") == digest
    assert registry.created(name, digest) == 1_795_564_800.0


# --- what may be answered ----------------------------------------------------------------------


def test_tags_come_page_by_page(settings, server):
    server.answer(
        f"{TAGS}?n=1000", body={"name": "acme/fraud", "tags": ["a"]}, Link=f'<{TAGS}?n=1&last=a>; rel="next"'
    )
    more = f'<{server.url}{TAGS}?n=1&last=b>; rel="next"'
    server.answer(f"{TAGS}?n=1&last=a", body={"name": "acme/fraud", "tags": ["b"]}, Link=more)
    server.answer(f"{TAGS}?n=1&last=b", body={"name": "acme/fraud", "tags": None})
    assert opened(settings, server.url).tags("acme/fraud") == ("a", "b")


def test_pages_without_an_end_are_given_up(settings, server, monkeypatch):
    monkeypatch.setattr(oci_registry, "_MOST_PAGES", 3)
    server.answer(TAGS, body={"tags": ["a"]}, Link=f'<{TAGS}?n=1&last=a>; rel="next"')
    with pytest.raises(Refused, match="more than 3000 tags"):
        opened(settings, server.url).tags("acme/fraud")
    assert len(server.asked) == 3


def test_a_next_page_at_another_host_is_not_asked_for(settings, server):
    with Server() as other:
        server.answer(TAGS, body={"tags": ["a"]}, Link=f'<{other.url}{TAGS}>; rel="next"')
        with pytest.raises(Refused, match="elsewhere"):
            opened(settings, server.url, login=LOGIN).tags("acme/fraud")
        assert other.asked == []


def tokens(server, realm, scope=""):
    """Have the server want the token t1; the service at `realm` gives it for LOGIN."""

    def api(headers):
        if headers["Authorization"] == "Bearer t1":
            return 200, {}, b'{"tags": ["main-1"]}'
        return 401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="r s"{scope}'}, b""

    def service(headers):
        good = headers["Authorization"] == BASIC
        return (200, {}, b'{"access_token": "t1"}') if good else (401, {}, b'{"details": "who?"}')

    server.answers |= {TAGS: api, "/token": service}


def test_a_token_is_asked_for_with_the_login_and_kept_for_the_repository(settings, server):
    tokens(server, f"{server.url}/token")
    registry = opened(settings, server.url, login=LOGIN)
    assert registry.tags("acme/fraud") == registry.tags("acme/fraud") == ("main-1",)
    (asked,) = [query for _, path, query, *_ in server.asked if path == "/token"]
    assert asked == "service=r+s&scope=repository%3Aacme%2Ffraud%3Apull"
    assert [headers.get("Authorization") for _, path, _, headers, _ in server.asked if path == TAGS] == [
        None,
        "Bearer t1",
        "Bearer t1",
    ]


def test_a_token_that_has_run_out_is_asked_for_again(settings, server):
    tokens(server, f"{server.url}/token")
    registry = opened(settings, server.url, login=LOGIN)
    registry.tags("acme/fraud")
    server.answers[TAGS], fresh = (
        (
            lambda headers: (
                (401, {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'}, b"")
                if headers["Authorization"] == "Bearer t1"
                else (200, {}, b'{"tags": ["main-2"]}')
            )
        ),
        b'{"token": "t2"}',
    )
    server.answers["/token"] = (200, {}, fresh)
    assert registry.tags("acme/fraud") == ("main-2",)


@pytest.mark.parametrize("realm", ["http://tokens.invalid/token", "ftp://127.0.0.1/token", "", "token"])
def test_a_login_goes_to_no_token_service_that_could_be_anybodys(settings, server, realm):
    tokens(server, realm)
    with pytest.raises(Refused, match="wants a login"):
        opened(settings, server.url, login=LOGIN).tags("acme/fraud")


def test_a_redirect_is_followed_for_reading_and_without_the_login(settings, server):
    raw = json.dumps({"created": "2026-11-25T00:00:00Z"}).encode()
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    manifest = json.dumps({"config": {"digest": digest}}).encode()
    named = f"sha256:{hashlib.sha256(manifest).hexdigest()}"

    def wants_login(answer):
        challenge = {"WWW-Authenticate": 'Basic realm="r"'}
        return lambda headers: answer if headers["Authorization"] == BASIC else (401, challenge, b"")

    with Server() as storage:
        storage.answers["/there"] = (200, {}, raw)
        moved = (307, {"Location": f"{storage.url}/there"}, b"")
        server.answers[f"/v2/acme/fraud/manifests/{named}"] = wants_login((200, {}, manifest))
        server.answers[f"/v2/acme/fraud/blobs/{digest}"] = wants_login(moved)
        assert opened(settings, server.url, login=LOGIN).created("acme/fraud", named) == 1_795_564_800.0
        assert [headers.get("Authorization") for _, _, _, headers, _ in storage.asked] == [None]


def test_bytes_that_are_not_what_the_digest_names_are_not_believed(settings, server):
    server.answers[f"/v2/acme/fraud/manifests/{DIGEST}"] = (200, {}, b"{}")
    with pytest.raises(Retry, match="other bytes"):
        opened(settings, server.url).created("acme/fraud", DIGEST)


def test_a_registry_that_does_not_say_the_digest_has_it_counted(settings, server):
    server.answers["/v2/acme/fraud/manifests/main"] = (200, {}, b"{}")
    assert (
        opened(settings, server.url).digest("acme/fraud", "main")
        == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    )


@pytest.mark.parametrize(
    "text", ["2026-11-25", "yesterday", 5, None, "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
)
def test_a_time_that_is_none_is_no_time(settings, server, text):
    raw = json.dumps({"created": text}).encode()
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    manifest = json.dumps({"config": {"digest": digest}}).encode()
    named = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    server.answers[f"/v2/acme/fraud/blobs/{digest}"] = (200, {}, raw)
    server.answers[f"/v2/acme/fraud/manifests/{named}"] = (200, {}, manifest)
    found = opened(settings, server.url).created("acme/fraud", named)
    assert found == (1_795_564_800.0 if text == "2026-11-25" else None)


STRANGE = {
    "no JSON": (200, {}, b"<html>"),
    "a list": (200, {}, b"[]"),
    "another object": (200, {}, b'{"models": []}'),
    "tags that are numbers": (200, {}, b'{"tags": [1]}'),
    "busy": (429, {"Retry-After": "7"}, b""),
    "broken": (503, {}, b""),
    "nothing to it": (204, {}, b""),
    "an endless redirect": (302, {"Location": TAGS}, b""),
    "a redirect to no address": (302, {"Location": "gopher://x"}, b""),
    "forbidden": (403, {}, b'{"errors": [{"code": "DENIED"}]}'),
    "a challenge that is none": (401, {"WWW-Authenticate": "Negotiate"}, b""),
    "more than anybody would send": (200, {}, b'{"tags": ["' + b"x" * (9 << 20) + b'"]}'),
}


@pytest.mark.parametrize("answer", STRANGE)
def test_whatever_is_answered_is_refused_or_asked_again_without_the_login(settings, server, answer):
    server.answers[TAGS] = STRANGE[answer]
    with pytest.raises(PortError) as caught:
        opened(settings, server.url, login=("robot", "hunter2")).tags("acme/fraud")
    assert "hunter2" not in str(caught.value)
    if answer == "busy":
        assert caught.value.after == 7


@pytest.mark.parametrize(
    "token", [b"", b"[]", b'{"token": 5}', b'{"token": "a\\nb"}', b"{}", b'{"token": null}']
)
def test_a_token_that_is_none_is_not_used(settings, server, token):
    tokens(server, f"{server.url}/token")
    server.answers["/token"] = (200, {}, token)
    with pytest.raises(PortError):
        opened(settings, server.url, login=LOGIN).tags("acme/fraud")


@pytest.mark.parametrize(
    "url", ["ghcr.io", "ftp://ghcr.io", "https://", "https://ghcr.io/acme", "https://a:b@ghcr.io"]
)
def test_what_is_no_address_of_a_registry_is_refused_with_one_that_is(settings, url):
    with pytest.raises(Refused, match=r"write https://registry\.example") as caught:
        opened(settings, url)
    assert "a:b" not in str(caught.value)


def test_a_web_server_that_is_no_registry_is_told_from_one(settings, server):
    with pytest.raises(Refused, match="is it an image registry"):
        opened(settings, server.url).check()
