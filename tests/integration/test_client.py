"""The client: typed as the API is described, whole lists, and nothing sent twice that would be done twice."""

import http.server
import inspect
import json
import threading
from typing import get_type_hints, is_typeddict

import pytest

from service.client import (
    Client,
    Refusal,
    Unreachable,
    admitted,
    api,
    door,
    following,
    from_environment,
    results,
)
from service.openapi.operations import OPERATIONS
from service.openapi.shapes import SHAPES
from service.setting_values import SettingsError
from tests.docs.pages import blocks, cells
from tests.scenarios.conftest import WINE, World
from tests.serving import Served

# Types whose shape is one operation's answer, not a named one.
ANSWERS = {
    "OneRelease": "get_release",
    "OneEvent": "get_event",
    "Increments": "get_increments",
    "Me": "who_am_i",
    "Link": "make_link",
    "LogsBehind": "get_logs",
    "ServedThen": "get_served",
    "Proven": "prove_record",
    "Connection": "connect_source",
    "Gone": "disconnect_source",
}
TYPES = {
    name: one
    for module in (results, admitted)
    for name, one in vars(module).items()
    if is_typeddict(one) and one.__module__ == module.__name__
}


def described(name):
    """The fields that the document says of a type."""
    if name not in ANSWERS:
        return SHAPES[name.lower()]["properties"]
    (operation,) = (one for one in OPERATIONS.values() if one.id == ANSWERS[name])
    schema = operation.answers[200]
    return schema["anyOf"][-1]["properties"] if "anyOf" in schema else schema["properties"]


@pytest.mark.parametrize("name", TYPES)
def test_each_type_has_the_fields_that_are_described_and_may_be_null_where_they_may(name):
    hints, fields = get_type_hints(TYPES[name]), described(name)
    assert set(hints) == set(fields)
    nullable = {key for key, schema in fields.items() if {"type": "null"} in schema.get("anyOf", ())}
    assert {key for key, hint in hints.items() if type(None) in getattr(hint, "__args__", ())} == nullable


# --- a whole installation --------------------------------------------------------------------


class Playing:
    """An installation whose engine goes on while somebody asks."""

    def __init__(self, world):
        self.world = world
        self.web, self.intake = (
            Served(world.web.application, channel_request_lookahead=1),
            Served(world.intake.application),
        )
        self.client = Client(self.address(self.intake), self.address(self.web), world.people["bob"])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def address(self, server):
        return f"http://127.0.0.1:{server.port}"

    def _play(self):
        while not self._over.wait(0.02):
            self.world.play(1)

    def close(self):
        self._over.set()
        self._thread.join()
        self.world.stop.set()
        for server in (self.web, self.intake):
            server._server.trigger.pull_trigger(server._server.close)
        self.world.close()


@pytest.fixture(scope="module")
def playing(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.live({"segue.yaml": WINE})
    playing = Playing(world)
    yield playing
    playing.close()


def test_everything_is_asked_and_commanded_by_a_method(playing):
    segue = playing.client
    answer = segue.command("retry", "rel-1", reason="once more")
    one = segue.release("rel-1")
    assert one["release"]["name"] == "rel-1"
    assert (segue.me()["name"], answer["ok"]) == ("bob", False)
    assert next(iter(segue.targets()))["name"] == "wine/production"
    assert [one["name"] for one in segue.sources()] == ["git", "mlflow"]
    assert list(segue.clusters()) == []
    assert {one["name"] for one in segue.settings()} > {"SEGUE_HOME", "SEGUE_WEB_PORT"}
    assert [one["name"] for one in segue.models()] == ["wine"]
    assert segue.report("rel-1")["release"] == one["release"]
    assert set(segue.increments("rel-1")) == {"environment", "recorded"}
    assert set(segue.logs("rel-1")) == {"build", "evaluation", "workload"}
    assert segue.logs_behind("rel-1")["over"] is True
    assert segue.event("1", body=True)["message"]["body"]
    assert segue.verdict("wine/production")["answer"] == "wait"
    (proven,) = segue.prove_record()
    assert (proven["proof"]["proven"], proven["head"]) == (True, proven["ends"])
    assert segue.login_link()["link"].startswith("http")
    labels = {"model": "wine", "table": "a.b", "labels": [{"request": "r", "at": 1, "wrong": True}]}
    assert segue.add_labels(json.dumps(labels).encode())["duplicate"] is False
    assert segue.add_labels(json.dumps(labels).encode())["duplicate"] is True


def test_people_are_let_in_and_put_out_by_a_method(playing):
    segue, grant = playing.client, {"role": "viewer", "on": "wine/*"}
    made = segue.make_token("ci", [grant], playing.world.clock.now + 86_400)
    its = Client(segue.intake, segue.web, made["token"])
    assert its.me() == {"name": "ci", "roles": [grant]}
    assert [one["name"] for one in its.tokens()] == ["ci"]
    assert "ci" in [one["name"] for one in segue.tokens()]
    assert (list(segue.logins()), segue.end_logins("token:ci")) == ([], 0)
    segue.end_token("ci")
    with pytest.raises(Refusal) as refused:
        its.me()
    assert refused.value.status == 401
    assert segue.give_role("@ml", "operator", "*/staging")["changed"] == 1
    assert [(one["who"], one["role"], one["by"]) for one in segue.grants()] == [("@ml", "operator", "bob")]
    assert segue.take_back_role("@ml") == {"who": "@ml", "changed": 1, "roles": []}
    assert segue.name_accounts("Zoë B.", ["code:zoe"])["accounts"] == ["code:zoe", "zoë b."]
    assert [one["name"] for one in segue.persons()] == ["Zoë B."]
    segue.forget_person("Zoë B.")
    assert list(segue.persons()) == []


def test_each_method_stands_on_its_page():
    told = " ".join(row[0] for row in cells("docs/how-to/python.md"))
    methods = {
        name for name, one in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")
    }
    assert {name for name in methods if f"`{name}(" not in told} == set()


def test_lists_are_whole_whatever_a_page_holds(playing, monkeypatch):
    whole = [one["id"] for one in playing.client.record()]
    rows = playing.client.record()
    small = type(rows)(rows.ask, rows.name, rows.by, {"limit": "3"})
    assert [one["id"] for one in small][: len(whole)] == whole
    page = small.page()
    assert (len(page.rows), page.next) == (3, str(page.rows[-1]["id"]))
    assert playing.client.record(after=page.next).page().rows[0]["id"] == whole[3]


def test_the_same_key_is_one_command(playing):
    first, again = (playing.client.store("help", key="nightly-7") for _ in range(2))
    assert first["delivery"] == again["delivery"]
    with pytest.raises(Refusal, match="make a new key") as refused:
        playing.client.store("help", key="nightly-7", reason="another")
    assert refused.value.status == 422


def test_a_refusal_says_what_the_problem_says(playing):
    with pytest.raises(Refusal, match="there is no release rel-99") as refused:
        playing.client.release("rel-99")
    assert (refused.value.status, refused.value.retry_after) == (404, None)
    nobody = Client(playing.client.intake, playing.client.web, "segue_nobody")
    with pytest.raises(Refusal, match="segue token NAME"):
        nobody.me()
    with pytest.raises(Refusal):
        playing.client.release("../me")


def test_the_example_of_the_page_runs_as_it_stands(playing, monkeypatch, capsys):
    ((_, code),) = blocks("docs/how-to/python.md", "python")
    monkeypatch.setenv("SEGUE_WEB_URL", playing.client.web)
    monkeypatch.setenv("SEGUE_INTAKE_URL", playing.client.intake)
    monkeypatch.setenv("SEGUE_TOKEN", playing.client.token)
    exec(compile(code, "start.py", "exec"), {})  # noqa: S102
    said = capsys.readouterr().out
    assert said.startswith("wine/production serves rel-1\n")
    assert len(said.splitlines()) > 1


# --- whose token -----------------------------------------------------------------------------


def test_the_token_is_of_the_environment_or_of_a_file_and_nowhere_to_be_seen(tmp_path):
    file = tmp_path / "token"
    file.write_text("segue_of_the_file\n")
    home = {"SEGUE_HOME": str(tmp_path)}
    assert from_environment({**home, "SEGUE_TOKEN": "segue_a"}).token == "segue_a"
    client = from_environment({**home, "SEGUE_TOKEN_FILE": str(file)})
    assert client.token == "segue_of_the_file"
    assert "segue_of" not in repr(client)
    with pytest.raises(Unreachable, match="segue up"):
        from_environment(home)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_file_without_a_token_is_never_passed_over_for_the_operators(tmp_path, content):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "operator-token").write_text("segue_operator")
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(SettingsError, match="SEGUE_TOKEN_FILE"):
        from_environment({"SEGUE_HOME": str(tmp_path), "SEGUE_TOKEN_FILE": str(tmp_path / "token")})


# --- a server that fails ---------------------------------------------------------------------


class Failing(http.server.ThreadingHTTPServer):
    """Answers what it was told to, in this order; `None` ends the connection without a word."""

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers, self.asked, self.paths = list(answers), [], []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.client = Client(self.address, self.address, "segue_x")


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(dict(self.headers))
        self.server.paths.append(self.path)
        answer = self.server.answers.pop(0)
        if answer is None:
            return
        status, body, headers = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  the server's own names

    def log_message(self, *_):
        pass


@pytest.fixture
def failing(request, monkeypatch):
    monkeypatch.setattr(door, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(following, "AGAIN_SECONDS", 0.0)
    server = Failing(*request.param)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def said(status, body, **headers):
    return status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}


AWAY = said(503, {"detail": "the store does not answer; try again"}, **{"Retry-After": "0"})
LATER = said(503, {"detail": "the store does not answer; try again"}, **{"Retry-After": "60"})
ME = said(200, {"name": "bob", "roles": []})
STORED = said(202, {"delivery": "7", "duplicate": False})


@pytest.mark.parametrize("failing", [(ME, ME)], indirect=True)
def test_a_moment_is_asked_as_exactly_as_it_is_told(failing):
    failing.client.served("wine/production", at=1767225600.75)
    list(failing.client.export_record(until=1767225600.75))
    assert all("1767225600.750000" in path for path in failing.paths)


@pytest.mark.parametrize("failing", [(None, AWAY, ME), (AWAY, AWAY, ME)], indirect=True)
def test_what_is_read_is_asked_again(failing):
    assert failing.client.me()["name"] == "bob"
    assert len(failing.asked) == 3


@pytest.mark.parametrize("failing", [(AWAY, AWAY, AWAY, ME)], indirect=True)
def test_some_times_and_no_more(failing):
    with pytest.raises(Refusal, match="does not answer") as refused:
        failing.client.me()
    assert (refused.value.status, refused.value.retry_after, len(failing.asked)) == (503, 0.0, 3)


@pytest.mark.parametrize("failing", [(LATER, ME)], indirect=True)
def test_nobody_is_kept_waiting_for_a_minute(failing):
    with pytest.raises(Refusal) as refused:
        failing.client.me()
    assert (refused.value.retry_after, len(failing.asked)) == (60.0, 1)


@pytest.mark.parametrize("failing", [(None, AWAY, STORED)], indirect=True)
def test_a_command_is_sent_again_under_one_key(failing):
    assert failing.client.store("help")["delivery"] == "7"
    assert len({one["Idempotency-Key"] for one in failing.asked}) == 1
    assert len(failing.asked) == 3


@pytest.mark.parametrize("failing", [(AWAY, AWAY), (None, None)], indirect=True)
def test_what_has_no_key_is_sent_once(failing):
    with pytest.raises((Refusal, Unreachable)):
        failing.client.login_link()
    assert len(failing.asked) == 1


@pytest.mark.parametrize("failing", [(AWAY, AWAY), (None, None)], indirect=True)
def test_what_makes_or_takes_away_is_sent_once(failing):
    for once in (
        lambda: failing.client.make_token("ci", [], 1.0),
        lambda: failing.client.end_token("ci"),
    ):
        with pytest.raises((Refusal, Unreachable)):
            once()
    assert len(failing.asked) == 2


@pytest.mark.parametrize("failing", [(None, AWAY, said(200, {"name": "a", "accounts": []}))], indirect=True)
def test_what_replaces_something_whole_is_sent_again(failing):
    assert failing.client.name_accounts("a", ["b"])["accounts"] == []
    assert len(failing.asked) == 3


@pytest.mark.parametrize(
    "failing", [(said(400, {"detail": "no"}), ME), (said(409, {"detail": "no"}), ME)], indirect=True
)
def test_a_no_is_not_asked_again(failing):
    with pytest.raises(Refusal, match="no"):
        failing.client.me()
    assert len(failing.asked) == 1


@pytest.mark.parametrize("failing", [((200, b"<html>", {}),)], indirect=True)
def test_what_is_no_json_is_told_as_such(failing):
    with pytest.raises(Refusal, match="something else than JSON"):
        failing.client.me()


def stream(*events):
    body = "retry: 3000\n\n: still here\n\n" + "".join(
        f"event: {kind}\nid: {mark}\ndata: {{}}\n\n" for kind, mark in events
    )
    return 200, body.encode(), {"Content-Type": "text/event-stream"}


CUT = (
    200,
    b"event: entry\nid: 1.1\ndata: {}\n\nevent: entry\nid: 1.2\nda",
    {"Content-Type": "text/event-stream"},
)
REST = stream(("entry", "1.2"), ("release", "2.2"), ("end", "2.2"))


@pytest.mark.parametrize("failing", [(CUT, None, REST)], indirect=True)
def test_a_stream_that_breaks_is_taken_up_behind_the_last_whole_event(failing):
    told = [(one.event, one.id) for one in failing.client.follow("rel-1")]
    assert told == [("entry", "1.1"), ("entry", "1.2"), ("release", "2.2"), ("end", "2.2")]
    assert [one.get("Last-Event-ID") for one in failing.asked] == [None, "1.1", "1.1"]


@pytest.mark.parametrize("failing", [(CUT, (204, b"", {}))], indirect=True)
def test_a_stream_of_which_there_is_no_more_ends(failing):
    assert [one.id for one in failing.client.follow("rel-1", "1.0")] == ["1.1"]
    assert failing.asked[0]["Last-Event-ID"] == "1.0"


@pytest.mark.parametrize(
    "failing", [(said(429, {"detail": "you have 10 streams open"}, **{"Retry-After": "30"}),)], indirect=True
)
def test_a_stream_for_which_there_is_no_room_is_refused(failing):
    with pytest.raises(Refusal, match="10 streams") as refused:
        next(failing.client.follow("rel-1"))
    assert (refused.value.status, refused.value.retry_after) == (429, 30.0)


@pytest.mark.parametrize("failing", [(None,) * 10], indirect=True)
def test_a_stream_that_does_not_come_back_is_given_up(failing):
    with pytest.raises(Unreachable):
        next(failing.client.follow("rel-1"))
    assert len(failing.asked) == following.TRIES + 1


@pytest.mark.parametrize("failing", [(STORED, *(said(200, {"answer": None}),) * 3)], indirect=True)
def test_a_command_that_nobody_obeys_names_its_delivery(failing, monkeypatch):
    monkeypatch.setattr(api, "REPLY_SECONDS", 0.0)
    with pytest.raises(Unreachable, match="delivery 7"):
        failing.client.command("help")
