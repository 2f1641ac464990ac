"""Connecting receivers: the secret that they verify with, what is kept of before, what is refused."""

import base64
import json

import click
import pytest

from service import intake, sources
from service.arrivals import receivers
from service.cli import doctor
from service.cli.main import group
from service.intake import Door
from service.ports.connections import Source, Subscription
from service.ports.outcomes import Refused
from service.settings import Settings
from service.store.store import Store
from tests import described
from tests.dashboards import Grafana
from tests.mailing import Sink

URL = "https://hooks.example/segue"


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "secrets").mkdir()
    return Settings(home=tmp_path)


def known(store):
    return {source.name: source for source in store.sources()}


def test_a_webhook_gets_a_secret_and_is_told_everything(settings, store):
    told = receivers.connect(settings, store, Source("ops", "webhook", URL, ()))
    assert told[0] == f"receiver ops (webhook) at {URL}"
    assert str(settings.home / "secrets" / "hook-ops") in told[-1]
    secret = settings.secret("hook-ops")
    assert len(base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)) == 32
    assert known(store)["ops"] == Source("ops", "webhook", URL, ("*",))
    assert sources.load(settings.home) == tuple(store.sources())
    assert secret.decode() not in " ".join(told)


def test_what_is_not_said_again_stays(settings, store):
    wanted = Subscription(("promoted", "rolled_back"))
    receivers.connect(settings, store, Source("ops", "webhook", URL, ("wine/*",), subscription=wanted))
    secret = settings.secret("hook-ops")
    receivers.connect(settings, store, Source("ops", "webhook", f"{URL}/2", ()))
    assert known(store)["ops"] == Source("ops", "webhook", f"{URL}/2", ("wine/*",), subscription=wanted)
    assert sources.load(settings.home) == tuple(store.sources())
    assert settings.secret("hook-ops") == secret
    other = Subscription(("none",))
    receivers.connect(settings, store, Source("ops", "webhook", URL, (), subscription=other))
    assert known(store)["ops"].subscription == other


def test_the_record_and_the_api_tell_the_host_alone_of_an_address_that_is_a_secret(settings, store):
    url = "https://hooks.example/services/T1/very-secret"
    receivers.connect(settings, store, Source("ops", "webhook", url, ()))
    (entry,) = store.record_of("source-ops")
    assert entry.detail == {"url": "https://hooks.example/…"}
    assert known(store)["ops"].url == url


def test_two_names_for_one_address_are_refused(settings, store):
    receivers.connect(settings, store, Source("ops", "webhook", URL, ()))
    with pytest.raises(Refused, match="connected as ops already"):
        receivers.connect(settings, store, Source("two", "webhook", URL, ()))


def test_an_address_with_a_secret_in_it_is_stored_nowhere(settings, store):
    for url in ("https://ann:secret@hooks.example/", f"{URL}?key=secret"):
        with pytest.raises(Refused, match="leave out"):
            receivers.connect(settings, store, Source("ops", "webhook", url, ()))
    assert store.sources() == []
    assert not (settings.home / "secrets" / "hook-ops").exists()


def test_the_command_connects_it_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEGUE_HOME", str(tmp_path))
    words = ["connect", "webhook", URL, "--name", "ops", "--owns", "wine", "--turn", "promoted", "--json"]
    group.main(words, standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["kind"], told["url"], told["owns"]) == ("ops", "webhook", URL, ["wine/*"])
    store = Store.open(Settings(home=tmp_path).store_url("engine"))
    made = known(store)["ops"]
    assert made.subscription == Subscription(("promoted",))
    assert doctor._source(Settings(home=tmp_path), made, []).ok
    store.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["connect", "webhook"], "write its URL"),
        (["connect", "git", "/srv/x.git", "--turn", "promoted"], "--turn is for receivers"),
        (["connect", "webhook", URL, "--turn", "promotd"], "promotd"),
        (["connect", "grafana", URL, "--turn", "promoted"], "whole rollouts"),
        (["connect", "webhook", URL, "--to", "ann@acme.example"], "are for email"),
    ],
)
def test_what_makes_no_sense_is_refused(words, said):
    with pytest.raises(click.UsageError, match=said):
        group.main(words, standalone_mode=False)


@pytest.mark.parametrize("kind", sorted(sources.UNHEARD_KINDS))
@pytest.mark.parametrize("unsigned", [False, True])
def test_nothing_is_taken_from_what_is_never_heard(tmp_path, kind, unsigned):
    settings = Settings(home=tmp_path, allow_unsigned=unsigned)
    app = intake.create_intake(settings, None, lambda _: Door(kind, ()), lambda _: None)
    assert described.client(app).post("/hooks/ops", data=b"{}").status_code == 401


def test_mail_is_connected_with_who_it_goes_to_and_told_anew_as_a_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEGUE_HOME", str(tmp_path))
    with Sink(host="127.0.0.1") as sink:
        words = ["connect", "email", sink.url, "--from", "segue@acme.example"]
        people = ["--to", "ml@acme.example", "--to", "a=b@acme.example=churn/*"]
        group.main([*words, *people], standalone_mode=False)
        assert "a=b@acme.example (churn/*)" in capsys.readouterr().out.replace("\n", " ")
        group.main([*words, "--to", "ann@acme.example", "--turn", "promoted"], standalone_mode=False)
        store = Store.open(Settings(home=tmp_path).store_url("engine"))
        made = known(store)["email"]
        wanted = Subscription(("promoted",), "segue@acme.example", (("ann@acme.example", "*"),))
        assert made.subscription == wanted
        assert doctor._source(Settings(home=tmp_path), made, []).ok
        store.close()
    assert sink.taken == [], "nobody is told anything by it"
    assert not (tmp_path / "secrets" / "hook-email").exists()
    assert not doctor._source(Settings(home=tmp_path), made, []).ok


def test_grafana_is_connected_once_its_token_is_let_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEGUE_HOME", str(tmp_path))
    (tmp_path / "secrets").mkdir(mode=0o700)
    with Grafana() as server:
        words = ["connect", "grafana", server.url]
        with pytest.raises((click.ClickException, Refused), match="login-grafana"):
            group.main(words, standalone_mode=False)
        (tmp_path / "secrets" / "login-grafana").write_text(server.token)
        group.main(words, standalone_mode=False)
        assert "annotation query" in capsys.readouterr().out
        assert server.kept == {}
    assert not (tmp_path / "secrets" / "hook-grafana").exists()
