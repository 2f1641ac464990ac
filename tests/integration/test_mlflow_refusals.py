"""What an MLflow server may answer instead of what was asked, over real HTTP: no crash, no leak, no guess."""

import logging

import pytest

from service import sources
from service.ports.connections import Source
from service.ports.outcomes import PortError, Refused, Retry
from service.settings import Settings
from tests.answering import Server

SECRET = "hunter2-and-more"
HTML = b"<html>sign in</html>"


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "secrets").mkdir()
    return Settings(home=tmp_path)


def opened(settings, url, name="reg"):
    return sources.opened(settings, Source(name, "mlflow", url))


def login(settings, text, name="reg"):
    (settings.home / "secrets" / f"login-{name}").write_text(text)


SEARCH = "/api/2.0/mlflow/registered-models/search"
GET = "/api/2.0/mlflow/model-versions/get"
WHERE = "/api/2.0/mlflow/model-versions/get-download-uri"
LIST = "/api/2.0/mlflow-artifacts/artifacts"
HOOKS = "/api/2.0/mlflow/webhooks"


def version(server, **more):
    server.answer(GET, body={"model_version": {"name": "m", "version": "1", "source": "models:/m-1", **more}})
    server.answer(WHERE, body={"artifact_uri": "mlflow-artifacts:/1/models/m-1/artifacts"})


# --- away, busy, broken ---------------------------------------------------------------------


def test_a_server_that_is_down_is_asked_again_later(settings, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(Retry, match="does not answer: ConnectionError"):
        opened(settings, server.url).aliases()


@pytest.mark.parametrize(
    ("status", "header", "after"),
    [
        (429, "7", 7),
        (503, "120", 120),
        (503, "86400", 300),
        (502, "", 5),
        (503, "soon", 5),
        (503, "Mon, 01 Jan 2024 00:00:00 GMT", 1),
        (500, "Mon, 01 Jan 2024 00:00:00", 5),
        (504, "-3", 5),
    ],
)
def test_a_server_that_is_busy_or_broken_is_asked_again_when_it_says(settings, server, status, header, after):
    server.answer(SEARCH, status, HTML, **({"Retry_After": header} if header else {}))
    with pytest.raises(Retry, match=str(status)) as caught:
        opened(settings, server.url).aliases()
    assert caught.value.after == after


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"error": "no"}',
        b'{"registered_models": 3}',
        b'{"registered_models": [3]}',
    ],
)
def test_an_answer_that_is_none_of_mlflows_is_never_an_empty_registry(settings, server, body):
    server.answer(SEARCH, 200, body)
    with pytest.raises(Retry):
        opened(settings, server.url).aliases()


def test_a_new_server_has_no_aliases(settings, server):
    assert opened(settings, server.url).aliases() == {}


def test_aliases_are_read_page_by_page_and_a_page_that_comes_again_ends_it(settings, server):
    alias = {"alias": "challenger", "version": "1"}
    server.answer(
        SEARCH, body={"registered_models": [{"name": "a", "aliases": [alias]}], "next_page_token": "t"}
    )
    second = {"registered_models": [{"name": "b", "aliases": [alias]}, {"name": "c"}]}
    server.answer(f"{SEARCH}?max_results=200&page_token=t", body=second)
    registry = opened(settings, server.url)
    assert registry.aliases() == {("a", "challenger"): "1", ("b", "challenger"): "1"}
    server.answer(f"{SEARCH}?max_results=200&page_token=t", body={**second, "next_page_token": "t"})
    with pytest.raises(Retry, match="repeats a page"):
        registry.aliases()


def test_a_version_that_is_still_being_registered_is_asked_for_again(settings, server):
    version(server, status="PENDING_REGISTRATION")
    with pytest.raises(Retry, match="still being registered"):
        opened(settings, server.url).version("m", "1")


# --- the wrong address, the wrong login -----------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("text", [f"ann:{SECRET}", SECRET])
def test_a_login_that_is_refused_names_the_file_and_not_what_is_in_it(settings, server, status, text, caplog):
    caplog.set_level(logging.DEBUG)
    login(settings, text + "\n")
    server.answer(SEARCH, status, HTML)
    with pytest.raises(Refused, match="login-reg") as caught:
        opened(settings, server.url).aliases()
    assert SECRET not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("text", "header"), [("ann:pass:word", "Basic YW5uOnBhc3M6d29yZA=="), ("t0ken.x", "Bearer t0ken.x")]
)
def test_a_login_is_a_user_with_a_password_or_a_token(settings, server, text, header, monkeypatch):
    (settings.home / ".netrc").write_text("machine 127.0.0.1 login eve password evil\n")
    monkeypatch.setenv("NETRC", str(settings.home / ".netrc"))
    opened(settings, server.url).aliases()
    login(settings, text)
    opened(settings, server.url).aliases()
    assert [headers.get("Authorization") for *_, headers, _ in server.asked] == [None, header]


def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(settings, server):
    login(settings, f"{SECRET}\nsecond line")
    with pytest.raises(Refused, match="login-reg") as caught:
        opened(settings, server.url)
    assert SECRET not in str(caught.value)


def test_a_guard_of_host_names_is_explained(settings, server):
    server.answer(SEARCH, 403, b"Invalid Host header - possible DNS rebinding attack detected")
    with pytest.raises(Refused, match="--allowed-hosts"):
        opened(settings, server.url).aliases()


def test_an_address_without_mlflow_is_said_to_be_one(settings, server):
    server.answer(SEARCH, 404, HTML)
    with pytest.raises(Refused, match=r"is http.* the address of an MLflow server"):
        opened(settings, server.url).aliases()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_takes_no_login_along(settings, server, status):
    login(settings, f"ann:{SECRET}")
    with Server() as other:
        server.answer(SEARCH, status, b"", Location=f"{other.url}/elsewhere?{SECRET}")
        with pytest.raises(Refused, match=r"redirects to 127\.0\.0\.1") as caught:
            opened(settings, server.url).aliases()
        assert other.asked == []
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mlflow:5000", "ftp://mlflow", "http://", "http://m:0", "http://[", "http://m?a=b"]
)
def test_an_address_that_is_none_is_refused(settings, url):
    with pytest.raises(Refused, match="not the address of an MLflow server"):
        opened(settings, url)


def test_a_login_in_an_address_is_refused_without_showing_it(settings):
    with pytest.raises(Refused, match="secret file login-<source>") as caught:
        opened(settings, f"http://ann:{SECRET}@mlflow:5000")
    assert SECRET not in str(caught.value)


# --- files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["..", ".", "", "../x", "/etc/passwd", "a/../../x", "a\\b", "a\nb", "other/x", "a//b"]
)
def test_a_file_that_would_leave_its_folder_is_refused(settings, server, path):
    version(server)
    server.answer(LIST, body={"files": [{"path": path, "is_dir": False, "file_size": 3}]})
    with pytest.raises(Refused, match=r"not the path of a model's file|where it cannot be"):
        opened(settings, server.url).files("m", "1")


def test_folders_without_end_are_refused(settings, server):
    version(server)
    server.answer(LIST, body={"files": [{"path": f"d{n}", "is_dir": True} for n in range(200)]})
    with pytest.raises(Refused, match="more than 20000"):
        opened(settings, server.url).files("m", "1")


def test_a_file_that_breaks_off_is_asked_for_again(settings, server):
    version(server)
    server.answer(f"{LIST}/1/models/m-1/artifacts/model.pkl", 200, b"half", Content_Length="8")
    with pytest.raises(Retry, match="broke off"):
        list(opened(settings, server.url).read("m", "1", "model.pkl"))


def test_files_that_the_server_does_not_hand_out_are_refused_with_the_setting(settings, server):
    version(server, source="s3://bucket/x")
    server.answer(WHERE, body={"artifact_uri": "s3://bucket/x"})
    with pytest.raises(Refused, match=r"s3:….*--serve-artifacts") as caught:
        opened(settings, server.url).files("m", "1")
    assert "bucket" not in str(caught.value)


def test_copies_of_copies_without_end_are_refused(settings, server):
    version(server, source="models:/m/1")
    server.answer(WHERE, body={"artifact_uri": "s3://bucket/x"})
    with pytest.raises(Refused, match="too many copies"):
        opened(settings, server.url).files("m", "1")


@pytest.mark.parametrize("body", [b"{}", b'{"model_version": 3}', HTML])
def test_a_version_without_content_is_asked_for_again(settings, server, body):
    server.answer(GET, 200, body)
    with pytest.raises(Retry):
        opened(settings, server.url).version("m", "1")


# --- webhooks -------------------------------------------------------------------------------


def test_webhooks_that_the_server_cannot_decrypt_name_the_key(settings, server):
    server.answer(HOOKS, 500, HTML)
    with pytest.raises(Refused, match="MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"):
        opened(settings, server.url).register_webhook("http://127.0.0.1:1/hooks/reg", SECRET)


@pytest.mark.parametrize(
    "message",
    [
        "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.",
        "Webhook URL must not resolve to a non-public IP address.",
    ],
)
def test_an_address_that_the_server_would_not_call_names_both_settings(settings, server, message):
    server.answer(HOOKS, 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})
    with pytest.raises(
        Refused, match=r"MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https.*MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true"
    ):
        opened(settings, server.url).register_webhook("http://127.0.0.1:1/hooks/reg", SECRET)


def test_no_refusal_shows_the_secret_of_a_webhook(settings, server, caplog):
    caplog.set_level(logging.DEBUG)
    for status in (400, 401, 404, 409, 429, 500, 503):
        server.answer(HOOKS, status, {"message": "no"})
        with pytest.raises(PortError) as caught:
            opened(settings, server.url).register_webhook("http://127.0.0.1:1/hooks/reg", SECRET)
        assert SECRET not in str(caught.value) + caplog.text
