"""Connections made and taken away over the API: as by the command, less what only the machine's owner may do."""

import errno
import json
import threading

import pytest

from policies import roles
from service import sources
from service.adapters.memory.git import MemoryGit
from service.arrivals import asking_to_connect
from service.client import Client
from service.identity import tokens
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from tests.scenarios.conftest import World
from tests.serving import Served

SECRET = "a-secret-that-lies-there"


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    (world.settings.home / "secrets").mkdir(exist_ok=True)
    yield world
    world.close()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """An installation in which nothing is connected by who is refused."""
    world = World(tmp_path_factory.mktemp("untouched"))
    yield world
    world.close()


@pytest.fixture
def opened(monkeypatch):
    """What is opened in place of the servers that addresses name."""
    found = []

    def open_(_settings, source):
        found.append(source)
        return Host()

    monkeypatch.setattr(sources, "opened", open_)
    return found


class Host(MemoryGit):
    """A Git host that takes webhooks."""

    HOOK = "pushes"

    def register_webhook(self, _address, _secret):
        pass

    def no_deployments(self):
        return "it has none"


def ask(world, method="POST", path="sources", who="bob", **told):
    headers = {"Authorization": f"Bearer {world.people[who]}"}
    return world.web.open(f"/api/v1/{path}", method=method, headers=headers, json=told or None)


def known(world):
    return {one.name: one for one in world.store.sources()}


def put(world, name):
    (world.settings.home / "secrets" / name).write_text(f"{SECRET}\n")


def test_a_sender_is_connected_and_taken_away_by_whoever_did_it_and_its_secret_is_not_told(world):
    answer = ask(world, kind="hook", name="ci", owns=["wine"])
    assert answer.status_code == 200
    told = answer.json
    assert (told["name"], told["kind"], told["owns"]) == ("ci", "hook", ["wine/*"])
    assert "secrets/hook-ci" in told["told"][-1]
    secret = world.settings.secret("hook-ci").decode()
    assert secret not in answer.text
    assert known(world)["ci"] == Source("ci", "hook", "", ("wine/*",))
    assert sources.load(world.settings.home) == tuple(world.store.sources())
    gone = ask(world, "DELETE", "sources/ci", who="eve")
    assert gone.json["told"][-1].endswith("remove by hand: hook-ci")
    assert (secret in gone.text, "ci" in known(world)) == (False, False)
    assert [(one.actor, one.action) for one in world.store.record_of("source-ci")] == [
        ("bob", "connected"), ("eve", "disconnected")
    ]  # fmt: skip
    assert ask(world, "DELETE", "sources/ci").status_code == 404


def test_a_host_is_connected_as_the_command_does_it(world, opened):
    told = ask(world, kind="gitea", url="https://git.example/acme/models.git")
    assert (told.status_code, told.json["name"], told.json["owns"]) == (200, "models", ["*"])
    assert opened == [Source("models", "gitea", "https://git.example/acme/models.git", ("*",))]
    assert known(world)["models"].url == "https://git.example/acme/models.git"
    again = ask(world, kind="gitea", url="https://git.example/acme/models.git/", owns=["wine/production"])
    assert (again.status_code, known(world)["models"].owns) == (200, ("wine/production",))


@pytest.mark.parametrize("prefix", ["login", "hook", "socket"])
def test_no_secret_that_lies_here_goes_to_an_address_from_elsewhere(world, opened, prefix):
    put(world, f"{prefix}-models")
    told = ask(world, kind="gitea", url="https://eve.example/acme/models")
    assert (told.status_code, f"{prefix}-models would be sent" in told.json["detail"]) == (422, True)
    assert "segue connect gitea URL --name models" in told.json["detail"]
    assert (opened, "models" in known(world)) == ([], False)
    assert SECRET not in told.text


def test_no_connection_that_has_a_secret_is_led_elsewhere(world, opened):
    with world.store.change() as change:
        change.save_source(Source("models", "gitea", "https://git.example/acme/models"))
        change.save_source(Source("mail", "email", "smtp://mail.example"))
    put(world, "login-models")
    for url in ("https://eve.example/acme/models", "https://git.example.eve.example/acme/models"):
        told = ask(world, kind="gitea", url=url)
        assert (told.status_code, "another connection" in told.json["detail"]) == (422, True)
    assert ask(world, kind="github", url="https://git.example/acme/models").status_code == 422
    mail = {"kind": "email", "name": "mail", "from": "a@b.example", "to": ["a@b.example"]}
    assert ask(world, url="smtp://eve.example", **mail).status_code == 422
    assert ask(world, kind="hook", name="models").status_code == 422
    assert opened == []


def test_a_chat_whose_address_is_fixed_may_use_the_login_that_lies_here(world, monkeypatch):
    put(world, "login-slack")
    asked = asking_to_connect.Asked("slack")
    asking_to_connect.check_from_elsewhere(
        world.settings, world.store, asked, asking_to_connect.source_of(asked)
    )
    other = asking_to_connect.Asked("slack", "https://eve.example")
    with pytest.raises(Refused, match="login-slack would be sent"):
        asking_to_connect.check_from_elsewhere(
            world.settings, world.store, other, asking_to_connect.source_of(other)
        )


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        ({"kind": "csv", "url": "/etc/passwd"}, 422, "segue connect csv"),
        ({"kind": "metrics", "url": "http://169.254.169.254/latest"}, 422, "on the machine itself"),
        ({"kind": "json", "url": "http://169.254.169.254/latest"}, 422, "on the machine itself"),
        ({"kind": "git", "url": "/etc"}, 422, "SEGUE_GIT_ROOTS"),
        ({"kind": "git", "url": "ext::sh -c id"}, 422, "is not on this machine"),
        ({"kind": "kubernetes"}, 400, "`kind` must be one of"),
        ({"kind": "hook", "name": "people"}, 422, "Segue's own"),
        ({"kind": "hook", "name": "../x"}, 422, "is no name for a source"),
        ({"kind": "hook", "name": "http://["}, 422, "is no name for a source"),
        ({"kind": "hook", "url": "http://x.example"}, 422, "has no URL"),
        ({"kind": "github"}, 422, "write its URL"),
        ({"kind": "github", "url": "http://[x"}, 422, "is no address"),
        ({"kind": "webhook", "url": "https://x.example", "people": ["a=b"]}, 422, "`people` is for chats"),
        ({"kind": "hook", "turns": ["promoted"]}, 422, "`turns` is for receivers"),
        ({"kind": "webhook", "url": "https://x.example", "turns": ["promotd"]}, 400, "`turns` are of"),
        ({"kind": "grafana", "url": "https://x.example", "turns": ["promoted"]}, 422, "whole rollouts"),
        ({"kind": "hook", "to": ["a@b.example"]}, 422, "`from` and `to` are for email"),
        ({"kind": "hook", "organisation": True}, 422, "`organisation` is for"),
        ({"kind": "hook", "organisation": 1}, 400, "true or false"),
        ({"kind": "hook", "owns": "wine"}, 400, "must be a list of texts"),
        ({"kind": "hook", "secret": "x"}, 400, "`secret` is no key here"),
    ],
)
def test_what_does_not_fit_or_is_for_the_machine_alone_is_refused_with_what_to_do(
    untouched, told, status, said
):
    answer = ask(untouched, **told)
    assert (answer.status_code, said in answer.json["detail"]) == (status, True), answer.json
    assert set(known(untouched)) == {"git", "mlflow"}


def test_what_does_not_answer_now_says_when_to_come_again(world, monkeypatch):
    def away(_settings, _source):
        raise Retry("git.example does not answer", 3.0)

    monkeypatch.setattr(sources, "opened", away)
    told = ask(world, kind="gitea", url="https://git.example/acme/models")
    assert (told.status_code, told.headers["Retry-After"]) == (503, "3")
    assert "models" not in known(world)


def test_one_is_connected_at_a_time(world, monkeypatch):
    inside, go, told = threading.Event(), threading.Event(), []

    def slow(_settings, _source):
        inside.set()
        assert go.wait(10)
        raise Refused("no")

    monkeypatch.setattr(sources, "opened", slow)
    url = "https://git.example/acme/models"
    first = threading.Thread(target=lambda: told.append(ask(world, kind="gitea", url=url).status_code))
    first.start()
    assert inside.wait(10)
    busy = [ask(world, kind="hook").status_code, ask(world, "DELETE", "sources/git").status_code]
    go.set()
    first.join(10)
    assert (busy, told) == ([503, 503], [422])


def test_of_a_receiver_the_host_alone_is_answered(world):
    told = ask(world, kind="webhook", url="https://hooks.example/services/very-secret", name="ops")
    assert (told.status_code, told.json["url"]) == (200, "https://hooks.example/…")


def test_nobody_but_who_is_admin_of_everything_connects_or_disconnects(world):
    for name, role, where in (("own", "admin", "wine/*"), ("op", "operator", "*"), ("vic", "viewer", "*")):
        world.people[name] = tokens.make(world.store, name, grants=[roles.grant(role, where)])
        assert ask(world, who=name, kind="hook").status_code == 403
        assert ask(world, "DELETE", "sources/git", who=name).status_code == 403
    assert set(known(world)) == {"git", "mlflow"}


def test_the_client_connects_and_disconnects(world):
    server = Served(world.web.application)
    address = f"http://127.0.0.1:{server.port}"
    client = Client(address, address, world.people["bob"])
    assert client.connect("cloudevents", name="bus", owns=["wine"])["owns"] == ["wine/*"]
    assert client.disconnect("bus")["told"][0] == "bus (cloudevents) is connected no more"
    assert json.loads((world.settings.home / "sources.json").read_text())
    server.end()


def test_where_the_files_cannot_be_written_it_is_said(world, monkeypatch):
    def read_only(*_arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(sources, "save", read_only)
    told = ask(world, kind="webhook", url="https://hooks.example/segue")
    assert told.status_code == 422
    assert "cannot be written by this process (Read-only file system)" in told.json["detail"]
