"""Errors are problems in one form (RFC 9457), whoever gives them: a view, the address, the store, a mistake."""

import pytest

from service.errors import StoreUnavailable
from tests.scenarios.conftest import World


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


def ask(world, server, method, path, **more):
    more.setdefault("headers", {"Authorization": f"Bearer {world.people['bob']}"})
    return getattr(world, server).open(path, method=method, **more)


def assert_problem(answer, status, title, path):
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    told = answer.json
    assert set(told) == {"type", "title", "status", "detail", "instance"}
    assert (told["type"], told["title"], told["status"]) == ("about:blank", title, status)
    assert told["instance"] == path
    assert told["detail"]


CASES = [
    ("web", "GET", "/api/v1/releases/rel-9", 404, "Not Found"),
    ("web", "GET", "/api/v1/nothing", 404, "Not Found"),
    ("web", "GET", "/api/v1/releases?before=x", 400, "Bad Request"),
    ("web", "GET", "/api/v1/releases?model=%00", 400, "Bad Request"),
    ("web", "DELETE", "/api/v1/releases", 405, "Method Not Allowed"),
    ("web", "GET", "/api/v1/verdicts/wine/nowhere", 404, "Not Found"),
    ("intake", "GET", "/nothing", 404, "Not Found"),
    ("intake", "GET", "/api/v1/commands", 405, "Method Not Allowed"),
    ("intake", "POST", "/api/v1/commands", 411, "Length Required"),
    ("intake", "POST", "/hooks/nobody", 411, "Length Required"),
]


@pytest.mark.parametrize(("server", "method", "path", "status", "title"), CASES)
def test_an_error_says_its_kind_what_to_do_and_where(world, server, method, path, status, title):
    assert_problem(ask(world, server, method, path), status, title, path.partition("?")[0])


@pytest.mark.parametrize(("server", "path"), [("web", "/api/v1/me"), ("intake", "/api/v1/commands")])
def test_without_a_token_the_problem_says_which_login_is_meant(world, server, path):
    method = "GET" if server == "web" else "POST"
    answer = ask(world, server, method, path, headers={}, data=b"")
    assert_problem(answer, 401, "Unauthorized", path)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("server", "method", "path", "allowed"),
    [
        ("web", "DELETE", "/api/v1/releases", {"GET", "HEAD", "OPTIONS"}),
        ("web", "GET", "/api/v1/links", {"POST", "OPTIONS"}),
        ("intake", "GET", "/api/v1/labels", {"POST", "OPTIONS"}),
        ("web", "PUT", "/-/releases", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_told_which_ones_there_are(world, server, method, path, allowed):
    answer = ask(world, server, method, path)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("server", "path"),
    [("web", "/api/v1/releases"), ("web", "/-/"), ("intake", "/api/v1/commands"), ("intake", "/hooks/x")],
)
def test_nobody_is_sent_back_what_they_sent(world, server, path):
    answer = ask(world, server, "TRACE", path, data=b"a-secret", headers={"X-Secret": "a-secret"})
    assert answer.status_code == 405
    assert "a-secret" not in answer.text


def test_a_body_that_is_too_large_is_refused_by_its_size(world):
    answer = ask(world, "intake", "POST", "/api/v1/commands", data=b"x" * (world.settings.body_bytes + 1))
    assert answer.status_code == 413
    assert str(world.settings.body_bytes) in answer.json["detail"]


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (StoreUnavailable("locked"), 503, "Service Unavailable"),
        (RuntimeError("a-secret"), 500, "Internal Server Error"),
    ],
)
@pytest.mark.parametrize("server", ["web", "intake"])
def test_a_store_that_does_not_answer_is_told_from_a_mistake_of_ours(
    world, server, error, status, title, monkeypatch
):
    """Neither says what is inside."""

    def fails(*_asked, **_how):
        raise error

    of = {"web": (world.store, "releases"), "intake": (world.inbox, "store")}[server]
    monkeypatch.setattr(*of, fails)
    method, path = {"web": ("GET", "/api/v1/releases"), "intake": ("POST", "/api/v1/commands")}[server]
    answer = ask(world, server, method, path, data=b'{"verb": "help"}')
    assert_problem(answer, status, title, path)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert str(error) not in answer.text


def test_the_page_is_told_errors_as_pages(world):
    answer = ask(world, "web", "GET", "/-/nothing")
    assert answer.status_code == 404
    assert answer.content_type.startswith("text/html")
